"""The source of Hugging Face transformers: models from configurations, without weights, network or remote code."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netscope.errors import BuildError, UnknownNameError, UsageError, did_you_mean
from netscope.runtime.files import expand_home
from netscope.runtime.startup import is_own_process
from netscope.runtime.wording import show_all_names
from netscope.schema import Architecture, ListedArchitecture
from netscope.sources.base import ResolvedArchitecture, get_version, import_package
from netscope.sources.registered_names import may_be_model_type, read_model_types
from netscope.sources.transformers_inputs import make_default_inputs, make_inputs_of_length

_MAPPING = re.compile(r"MODEL_(?:FOR_)?(?:(\w+)_)?MAPPING")

HEADS = {"SEQ_TO_SEQ_CAUSAL_LM": "seq2seq-lm", "SPEECH_SEQ_2_SEQ": "speech-seq2seq", "": "base"}
"""Usual names of tasks that differ from transformers' name in lower case."""

PREFERRED_HEADS = ("causal-lm", "seq2seq-lm", "speech-seq2seq", "image-text-to-text", "base")
"""The heads to try, in order, if neither the user nor the configuration names one."""

EXTERNAL_REFERENCES = ('"auto_map"', '"configuration_files"', '"backbone"', "hf-hub:", "hf_hub:", "local-dir:")
"""Text by which a configuration refers to code, other files or the hub: keys, and prefixes of timm's names."""


def is_model_type(name: str) -> bool:
    """Returns whether the imported transformers has a model type ``name``, for which it reads no file."""
    import transformers

    return name in transformers.CONFIG_MAPPING


def read_config_content(name: str, options: Mapping[str, Any], folder: Path) -> bytes | None:
    """Returns the content of the configuration file of ``name``; empty if there is none.

    None if the configuration, or an option, refers to other files or to code.

    Args:
        name: model type, path or hub id.
        options: changes to the configuration.
        folder: folder that relative paths start from.
    """
    try:
        path = folder / expand_home(name)
        content = (path if path.is_file() else path / "config.json").read_bytes()
    except (OSError, ValueError):  # no such file, or an invalid path
        content = b""
    text = repr(options).replace("'", '"')
    is_external = "/" in text or any(sign.encode() in content or sign in text for sign in EXTERNAL_REFERENCES)
    return None if is_external else content


class TransformersSource:
    """The source of transformers' models by type, ``hf/gpt2``, or by the path of a folder or ``config.json``."""

    name = "hf"
    package = "transformers"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Returns the model types that transformers has a model for, without importing transformers."""
        return read_model_types()

    def listing(self) -> Iterable[ListedArchitecture]:
        """Yields the model types."""
        for name in sorted(self.names()):
            yield ListedArchitecture(source=self.name, name=name, params=None, description="")

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """Returns the architecture of the configuration of ``name``, changed by ``options``.

        The option ``head`` selects the task or the class and is not part of the configuration.
        """
        transformers = import_package("transformers")
        with _silence_advice(transformers):
            return self._resolve(transformers, text, name, options)

    def _resolve(self, transformers: Any, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        changes = {key: value for key, value in options.items() if key != "head"}
        config = _load_config(text, name, changes)
        model_class = _select_model_class(transformers, config, options.get("head"), text)

        def factory() -> Any:
            with _silence_advice(transformers):
                return model_class._from_config(config)

        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source=self.name, name=name, options=options, description=""),
            factory=factory,
            default_inputs=make_default_inputs,
            sequence_inputs=make_inputs_of_length,
            versions={"transformers": get_version("transformers")},
        )


@contextmanager
def _silence_advice(transformers: Any) -> Iterator[None]:
    """Silences transformers' advice on kernels and tokens in netscope's own processes, where no model runs for real."""
    if not is_own_process():
        yield
        return
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def may_be_configuration(name: str) -> bool:
    """Returns whether ``name`` may be a model type, a path or a downloaded hub id, without importing transformers.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    if "transformers" in sys.modules or may_be_model_type(name):
        return True
    from huggingface_hub.constants import HF_HUB_CACHE

    downloaded = Path(HF_HUB_CACHE, f"models--{name.replace('/', '--')}")
    return not name or expand_home(name).exists() or downloaded.exists()


def unknown_type_error(name: str, names: Iterable[str]) -> UnknownNameError:
    """Returns the error for a name that is neither a model type nor a configuration."""
    known = tuple(names)
    closest = did_you_mean(name, known) or did_you_mean(re.split(r"[-_.\d]", name.rpartition("/")[2])[0], known)
    return UnknownNameError(
        f"unknown model type {name!r}{closest}; no such file, folder or downloaded configuration found (netscope never "
        f"downloads: save its config.json and pass hf/PATH)"
    )


def _load_config(text: str, name: str, changes: dict[str, Any]) -> Any:
    """Returns the configuration of a model type, a path or an already downloaded hub id, with ``changes``."""
    import transformers

    if not name:
        raise UnknownNameError(f"{text} needs a model type or a path; {show_all_names('hf/*')}")
    data = {} if name in transformers.CONFIG_MAPPING else _read_saved_config(text, name)
    model_type = data.get("model_type", name)
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise UsageError(
            f"{text}: unknown model_type {model_type!r} in its config.json for transformers "
            f"{get_version('transformers')}; netscope never runs code that a configuration refers to"
        )
    config_class = transformers.CONFIG_MAPPING[model_type]
    plain = _create_config(config_class, data, text)
    unknown = [key for key in changes if not hasattr(plain, key)]
    if unknown:
        known = [*plain.to_dict(), *plain.attribute_map]
        raise UsageError(
            f"{text}: unknown option {unknown[0]!r} for {config_class.__name__}{did_you_mean(unknown[0], known)}"
        )
    config = _create_config(config_class, {**data, **changes}, text)
    # Otherwise the constructor would download the backbone's weights.
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    return config


def _create_config(config_class: Any, data: dict[str, Any], text: str) -> Any:
    try:
        return config_class.from_dict(data)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{text}: failed to create {config_class.__name__}: {reason}") from error


def _read_saved_config(text: str, name: str) -> dict[str, Any]:
    """Returns the content of the configuration file at the path or hub id ``name``."""
    from transformers import PretrainedConfig

    path = expand_home(name)
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
            raise UsageError(f"{text}: {folder / file} is not a valid configuration: {_first_line(error)}") from error
        raise unknown_type_error(name, read_model_types()) from error
    if not data:
        raise UsageError(f"{text}: {file} not found in {folder}")
    return data


def _select_model_class(transformers: Any, config: Any, head: str | None, text: str) -> Any:
    """Returns the model class for ``head``; by default the one in the configuration, or the first preferred head."""
    available = _find_heads(type(config))
    if head is None:
        named = next(iter(getattr(config, "architectures", None) or ()), None)
        if named is not None:
            return _find_class(transformers, named, text)
        # An encoder with a causal head, or a decoder without its encoder, is unusual.
        encodes = "masked-lm" in available or config.is_encoder_decoder
        usual = [item for item in PREFERRED_HEADS if not (encodes and item == "causal-lm")]
        head = next((item for item in usual if item in available), next(iter(available), None))
    if isinstance(head, str) and head[:1].isupper():
        return _find_class(transformers, head, text)
    if not available:
        raise UnknownNameError(
            f"{text}: transformers has no model for {type(config).__name__} alone; it is a part of other models"
        )
    if head not in available:
        raise UsageError(
            f"{text}: unknown head {head!r} for {type(config).__name__}; available heads: {', '.join(available)}"
        )
    try:
        found = getattr(transformers, available[head])[type(config)]
    except ValueError as error:  # some types refer to a class that transformers does not have
        raise BuildError(f"{text}: {_first_line(error)}") from error
    return found[0] if isinstance(found, (tuple, list)) else found


def _find_class(transformers: Any, name: str, text: str) -> Any:
    found = getattr(transformers, str(name), None)
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        raise UsageError(f"{text}: unknown model class {name!r} in transformers {get_version('transformers')}")
    return found


def _find_heads(config_class: type) -> dict[str, str]:
    """Returns for each task with a model the name of the mapping that has it."""
    from transformers.models.auto import modeling_auto

    found = {}
    # dir(transformers) would take a fifth of a second.
    for name, mapping in sorted(vars(modeling_auto).items()):
        match = _MAPPING.fullmatch(name)
        if match and config_class in mapping:
            task = match[1] or ""
            found[HEADS.get(task, task.lower().replace("_", "-"))] = name
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
