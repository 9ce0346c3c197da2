"""Architectures of Hugging Face transformers, from their configurations: no weights, no network, no remote code."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netscope.errors import BuildError, UnknownNameError, UsageError, did_you_mean
from netscope.runtime.startup import is_own_process
from netscope.schema import Architecture, ListedArchitecture
from netscope.sources.base import ResolvedArchitecture, imported, version_of
from netscope.sources.transformers_inputs import inputs_of_length, usual_inputs

_NAMES = re.compile(r"MODEL_\w*MAPPING_NAMES")
_MAPPING = re.compile(r"MODEL_(?:FOR_)?(?:(\w+)_)?MAPPING")

HEADS = {"SEQ_TO_SEQ_CAUSAL_LM": "seq2seq-lm", "SPEECH_SEQ_2_SEQ": "speech-seq2seq", "": "base"}
"""Tasks whose usual name is not transformers' own in lower case."""

PREFERRED_HEADS = ("causal-lm", "seq2seq-lm", "speech-seq2seq", "image-text-to-text", "base")
"""Which head to build where neither the user nor the configuration says: the first that there is."""


LEADING_ELSEWHERE = ('"auto_map"', '"configuration_files"', '"backbone"', "hf-hub:", "hf_hub:", "local-dir:")
"""What stands in a configuration that names code, other files, or the hub: keys, and how timm's names begin."""


def is_model_type(name: str) -> bool:
    """Whether transformers, which has been imported, knows a type of that name, for which it looks into no file."""
    import transformers

    return name in transformers.CONFIG_MAPPING


def config_of(name: str, options: Mapping[str, Any], folder: Path) -> bytes | None:
    """Returns the contents of the configuration file that ``name`` leads to; nothing if there is none.

    None if it, or an option, leads to other files or to code.

    Args:
        name: of a type, a path, or a hub id.
        options: that change the configuration.
        folder: where relative paths start.
    """
    try:
        path = folder / Path(name).expanduser()
        content = (path if path.is_file() else path / "config.json").read_bytes()
    except (OSError, ValueError, RuntimeError):  # there is none, or no such name or home
        content = b""
    told = repr(options).replace("'", '"')
    leads = "/" in told or any(sign.encode() in content or sign in told for sign in LEADING_ELSEWHERE)
    return None if leads else content


class TransformersSource:
    """transformers' models by type, ``hf/gpt2``, or by a folder or file with a ``config.json``."""

    name = "hf"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Every type of model that transformers has."""
        imported("transformers", self.name)
        from transformers.models.auto import modeling_auto

        mappings = (value for name, value in vars(modeling_auto).items() if _NAMES.fullmatch(name))
        return sorted({model_type for mapping in mappings for model_type in mapping})

    def listing(self) -> Iterable[ListedArchitecture]:
        """The types alone."""
        for name in self.names():
            yield ListedArchitecture(source=self.name, name=name, params=None, description="")

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """The architecture that the configuration of ``name``, changed by ``options``, describes.

        The option ``head`` names the task, or the class; it is no part of the configuration.
        """
        transformers = imported("transformers", self.name)
        with _quiet(transformers):
            return self._resolve(transformers, text, name, options)

    def _resolve(self, transformers: Any, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        changes = {key: value for key, value in options.items() if key != "head"}
        config = _config(self, text, name, changes)
        kind = _model_class(transformers, config, options.get("head"), text)

        def factory() -> Any:
            with _quiet(transformers):
                return kind._from_config(config)

        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source=self.name, name=name, options=options, description=""),
            factory=factory,
            default_inputs=usual_inputs,
            sequence_inputs=inputs_of_length,
            versions={"transformers": version_of("transformers")},
        )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keeps transformers from advising on kernels and tokens, which no one runs here, in a process of our own."""
    if not is_own_process():
        yield
        return
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _config(source: TransformersSource, text: str, name: str, changes: dict[str, Any]) -> Any:
    """The configuration of a type, a path or a hub id that has been downloaded before, with ``changes``."""
    import transformers

    if not name:
        raise UnknownNameError(
            f"{text}: a type of model or a path goes behind hf/; netscope list 'hf/*' shows the types"
        )
    data = {} if name in transformers.CONFIG_MAPPING else _saved_config(source, text, name)
    model_type = data.get("model_type", name)
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise UsageError(
            f"{text}: its config.json has the model_type {model_type!r}, which transformers "
            f"{version_of('transformers')} does not have; netscope does not run the code that a configuration points to"
        )
    kind = transformers.CONFIG_MAPPING[model_type]
    plain = _made(kind, data, text)
    unknown = [key for key in changes if not hasattr(plain, key)]
    if unknown:
        known = [*plain.to_dict(), *plain.attribute_map]
        raise UsageError(f"{text}: {kind.__name__} has no {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    config = _made(kind, {**data, **changes}, text)
    # Otherwise the constructor downloads the weights of the backbone.
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    return config


def _made(kind: Any, data: dict[str, Any], text: str) -> Any:
    try:
        return kind.from_dict(data)
    except Exception as error:
        raise BuildError(f"{text}: {kind.__name__} could not be made: {_first_line(error)}") from error


def _saved_config(source: TransformersSource, text: str, name: str) -> dict[str, Any]:
    """What stands in the ``config.json`` that ``name`` leads to."""
    from transformers import PretrainedConfig

    path = Path(name).expanduser()
    if path.is_file():
        folder, file = path.parent, path.name
    else:
        folder, file = path, "config.json"
    where = str(folder) if folder.is_dir() else name
    try:
        data: dict[str, Any] = PretrainedConfig.get_config_dict(where, local_files_only=True, _configuration_file=file)[
            0
        ]
    except Exception as error:
        if folder.is_dir():
            raise UsageError(f"{text}: {folder / file} is no configuration: {_first_line(error)}") from error
        raise UnknownNameError(
            f"hf has no type {name!r}, there is no such folder or file here, and no configuration of that id has been "
            f"downloaded before; netscope does not download{did_you_mean(name, source.names())}"
        ) from error
    if not data:
        raise UsageError(f"{text}: {folder} has no {file}")
    return data


def _model_class(transformers: Any, config: Any, head: str | None, text: str) -> Any:
    """The class for ``head``; by default the one that the configuration names, or the first preferred one."""
    available = _heads(type(config))
    if head is None:
        named = next(iter(getattr(config, "architectures", None) or ()), None)
        if named is not None:
            return _class_named(transformers, named, text)
        # An encoder's head for causal language modelling, or a decoder's without its encoder, is not the usual one.
        encodes = "masked-lm" in available or config.is_encoder_decoder
        usual = [item for item in PREFERRED_HEADS if not (encodes and item == "causal-lm")]
        head = next((item for item in usual if item in available), next(iter(available), None))
    if isinstance(head, str) and head[:1].isupper():
        return _class_named(transformers, head, text)
    if not available:
        raise UnknownNameError(
            f"{text}: transformers has no model of a {type(config).__name__} alone: it is a part of others"
        )
    if head not in available:
        raise UsageError(
            f"{text}: a {type(config).__name__} has no model with head={head}; its heads are {', '.join(available)}"
        )
    try:
        found = getattr(transformers, available[head])[type(config)]
    except ValueError as error:  # a few types name a class that transformers does not have
        raise BuildError(f"{text}: {_first_line(error)}") from error
    return found[0] if isinstance(found, (tuple, list)) else found


def _class_named(transformers: Any, name: str, text: str) -> Any:
    found = getattr(transformers, str(name), None)
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        raise UsageError(f"{text}: transformers {version_of('transformers')} has no model class {name!r}")
    return found


def _heads(kind: type) -> dict[str, str]:
    """By task: the name of the mapping that has a model for it."""
    from transformers.models.auto import modeling_auto

    found = {}
    # Not dir(transformers), which takes a fifth of a second.
    for name, mapping in sorted(vars(modeling_auto).items()):
        match = _MAPPING.fullmatch(name)
        if match and kind in mapping:
            task = match[1] or ""
            found[HEADS.get(task, task.lower().replace("_", "-"))] = name
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
