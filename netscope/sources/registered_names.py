"""The names that installed packages register, read from their source text: importing them takes seconds."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from netscope.errors import MissingExtraError

_REGISTRATION = re.compile(
    r"^@register_model\b(?:\(\s*(?:name=)?[\"'](\w+)[\"'])?.*?^def (\w+)(.*?):[ \t]*(?:#[^\n]*)?$",
    re.DOTALL | re.MULTILINE,
)
"""A registered function, in torchvision and timm: the name that is given, the function's name, and its signature."""

_WEIGHTS_CLASS = re.compile(r"^class (\w+)\(WeightsEnum\):\n(.*?)(?=^\S)", re.DOTALL | re.MULTILINE)
_MEMBER = re.compile(r"^    (\w+) = (.*?)(?=^    \w|\Z)", re.DOTALL | re.MULTILINE)
_COMMON = re.compile(r"^_COMMON_META = \{.*?^\}", re.DOTALL | re.MULTILINE)
_PARAMS = re.compile(r"\"num_params\": (\d+)")
_WEIGHTS_OPTION = re.compile(r"\bweights:[^=]*?(\w+Weights)")
_AUTO = "models/auto"
_WORD = re.compile(r"[\"'](\w+)[\"'.]")
_MAPPING = re.compile(r"^MODEL_\w*MAPPING_NAMES\b.*?^\)", re.DOTALL | re.MULTILINE)
_MODEL_TYPE = re.compile(r"\(\s*\"([a-z][\w.-]*)\"\s*,")
_STRING = re.compile(r"\"([\w.-]+)\"")


@cache
def read_registrations(package: str) -> dict[str, str]:
    """Returns the models that a package registers with ``@register_model``: their names, and their signatures.

    Short names that the package mentions often come first: models with many sets of weights are the best known.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found: dict[str, str] = {}
    mentions: Counter[str] = Counter()
    for text in _read_modules(package, "models"):
        mentions.update(_WORD.findall(text))
        found.update({given or name: signature for given, name, signature in _REGISTRATION.findall(text)})
    return {name: found[name] for name in sorted(found, key=lambda name: (-mentions[name] / len(name), name))}


@cache
def read_published_params(package: str) -> dict[str, int]:
    """Returns the parameter counts that torchvision publishes for models' default weights, by name of the model.

    Raises:
        MissingExtraError: the package is not installed.
    """
    counts: dict[str, int] = {}
    for text in _read_modules(package, "models"):
        common = _COMMON.search(text)
        for weights, body in _WEIGHTS_CLASS.findall(text):
            members = dict(_MEMBER.findall(body))
            default = members.get(members.get("DEFAULT", "").strip(), "")
            params = _PARAMS.search(default) or (
                _PARAMS.search(common[0]) if common and "_COMMON_META" in default else None
            )
            if params:
                counts[weights] = int(params[1])
    options = {name: _WEIGHTS_OPTION.search(signature) for name, signature in read_registrations(package).items()}
    return {name: counts[option[1]] for name, option in options.items() if option and option[1] in counts}


@cache
def read_model_types() -> tuple[str, ...]:
    """Returns the model types that transformers has a model for, those with models for many tasks first.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    mentions: Counter[str] = Counter()
    for text in _read_modules("transformers", _AUTO):
        mentions.update(model_type for mapping in _MAPPING.findall(text) for model_type in _MODEL_TYPE.findall(mapping))
    return tuple(sorted(mentions, key=lambda name: (-mentions[name], name)))


def may_be_model_type(name: str) -> bool:
    """Returns whether transformers may have a configuration ``name``, including those of parts of other models."""
    return any(name in _STRING.findall(text) for text in _read_modules("transformers", _AUTO))


def _read_modules(package: str, folder: str) -> Iterator[str]:
    """Yields the text of every module in a folder of a package, in an order that does not depend on the file system."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"{package} is not installed; run pip install {package}")
    for root in spec.submodule_search_locations:
        for path in sorted(Path(root, folder).rglob("*.py")):
            yield path.read_text(encoding="utf-8", errors="replace")
