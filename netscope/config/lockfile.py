"""The lock file ``netscope.lock``: the recorded state of a project's architectures, as JSON with a line per module.

The content of equal modules is in the file once, under its hash. An architecture has a line for each of its modules:
the path, that hash, and the modules that it reads from.
"""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from netscope.errors import ConfigError, OutputError
from netscope.runtime.files import write_atomically
from netscope.schema import COUNTING_VERSION, LockedLayer, LockedModel
from netscope.schema.codec import escape_surrogates
from netscope.schema.figures import FIELDS

LOCK_NAME = "netscope.lock"
LOCK_VERSION = 2

_CONFLICT_MARKERS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
_TENSOR_DEFAULTS = {
    "dtype": "float32", "is_buffer": False, "trainable": True, "persistent": True, "shared_with": None, "unread": False,
}  # fmt: skip
_INPUT = re.compile(r"[^=]*=(-?\d+(x-?\d+)*)?:\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The content of the lock file.

    Attributes:
        counting: version of the counting convention of its figures.
        models: recorded architectures, by the name of their check.
    """

    counting: int = COUNTING_VERSION
    models: dict[str, LockedModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredModel(LockedModel):
    """A ``LockedModel`` as in the file: each layer is its path, the hash of its content, and what it reads from."""

    layers: tuple[tuple[str, ...], ...]  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    netscope_lock: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _LockFile:
    counting: int
    layers: dict[str, dict[str, Any]]
    models: dict[str, _StoredModel]


def read_lock(path: Path) -> Lock:
    """Returns the content of the lock file; an empty lock if it does not exist.

    Raises:
        ConfigError: the file cannot be read, or is damaged, e.g. by a merge.
    """
    try:
        return read_lock_text(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Lock(models={})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def read_lock_text(text: str | bytes, where: str = LOCK_NAME) -> Lock:
    """Returns the lock in a text of ``format_lock``.

    Raises:
        ConfigError: the text is not such a lock, or of another version.
    """
    conflict = _find_conflict(text)
    if conflict:
        raise ConfigError(
            f"{where}:{conflict}: a merge conflict is not resolved; keep either side, e.g. with git checkout --ours "
            f"{LOCK_NAME}, then run netscope check --update (for entries of tests: pytest --netscope-update)"
        )
    try:
        version = msgspec.json.decode(text, type=_Header).netscope_lock
        if version != LOCK_VERSION:
            raise ConfigError(
                f"{where} has version {version}, but this netscope reads version {LOCK_VERSION}; delete it and run "
                f"netscope check --update"
            )
        found = msgspec.json.decode(text, type=_LockFile)
        contents = {key: msgspec.convert(_restore_content(layer), LockedLayer) for key, layer in found.layers.items()}
        models = {name: _restore_model(model, contents) for name, model in found.models.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damage_error(where, str(error)) from error
    except KeyError as error:
        raise _damage_error(where, f"no line describes the layer {error}") from error
    if not all(map(_is_valid, models.values())):
        raise _damage_error(where, "a model without a root, or a negative figure")
    return Lock(counting=found.counting, models=models)


def _find_conflict(text: str | bytes) -> int:
    """Returns the number of the line where the first conflict of a merge begins; 0 if there is none."""
    lines = (text if isinstance(text, bytes) else text.encode(errors="replace")).splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(_CONFLICT_MARKERS)), 0)


def _restore_content(stored: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a layer with those that the file leaves out."""
    tensors = [_TENSOR_DEFAULTS | tensor for tensor in stored.get("tensors", ())]
    return {"path": "", "type": ""} | stored | {"tensors": tensors}


def _restore_model(model: _StoredModel, contents: Mapping[str, LockedLayer]) -> LockedModel:
    layers = tuple(
        replace(contents[content], path=path, reads_from=tuple(sources)) for path, content, *sources in model.layers
    )
    return LockedModel(**{field.name: getattr(model, field.name) for field in fields(model)} | {"layers": layers})


def _damage_error(where: str, how: str) -> ConfigError:
    return ConfigError(f"{where} is damaged ({how}); delete it and run netscope check --update")


def _is_valid(model: LockedModel) -> bool:
    known = all(layer.own.keys() <= set(FIELDS) for layer in model.layers)
    figures = [min((layer.calls, *layer.own.values())) for layer in model.layers]
    return known and bool(figures) and min(figures) >= 0 and all(map(_INPUT.fullmatch, model.inputs))


def update_lock(lock: Lock, updates: Mapping[str, LockedModel], removed: Container[str] = ()) -> Lock:
    """Returns ``lock`` with the entries in ``updates`` added or replaced, and those in ``removed`` left out.

    Raises:
        ConfigError: remaining entries follow another counting convention than the updates.
    """
    remaining = {name: model for name, model in lock.models.items() if name not in removed and name not in updates}
    if remaining and lock.counting != COUNTING_VERSION:
        raise ConfigError(
            f"{LOCK_NAME} follows another counting convention, which cannot be mixed with the current one; delete it "
            f"and run netscope check --update and pytest --netscope-update"
        )
    return Lock(models=remaining | dict(updates))


def write_lock(path: Path, lock: Lock) -> None:
    """Writes the lock file atomically.

    Raises:
        OutputError: the file cannot be written; an existing file is unchanged.
    """
    try:
        write_atomically(path, format_lock(lock))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def format_lock(lock: Lock) -> str:
    """Returns the text of the lock file: models and keys sorted by name, each module on a separate line."""
    contents: dict[str, str] = {}
    models = ",\n".join(_format_model(name, lock.models[name], contents) for name in sorted(lock.models))
    # Sorted by content, so that similar layers are neighbors, and a changed one mostly replaces its line.
    layers = ",\n".join(f"  {json.dumps(key)}: {contents[key]}" for key in sorted(contents, key=contents.__getitem__))
    head = f'{{\n "netscope_lock": {LOCK_VERSION},\n "counting": {lock.counting},\n'
    return f'{head} "layers": {_format_table(layers)},\n "models": {_format_table(models)}\n}}\n'


def _format_table(lines: str) -> str:
    return f"{{\n{lines}\n }}" if lines else "{}"


def _format_model(name: str, model: LockedModel, contents: dict[str, str]) -> str:
    """Returns an architecture's lines, and adds the content of its layers to ``contents``."""
    rows = []
    for layer in model.layers:
        content = _encode_line(_drop_defaults(layer))
        key = blake2b(content.encode(), digest_size=5).hexdigest()
        contents[key] = content
        rows.append(f"    {_encode_line((layer.path, key, *layer.reads_from))}")
    head = "".join(
        f'   "{field.name}": {_encode_line(msgspec.to_builtins(getattr(model, field.name)))},\n'
        for field in sorted(fields(model), key=lambda field: field.name)
        if field.name != "layers"
    )
    return f'  {_encode_line(name)}: {{\n{head}   "layers": [\n' + ",\n".join(rows) + "\n   ]\n  }"


def _drop_defaults(layer: LockedLayer) -> dict[str, Any]:
    """Returns the content of a layer: the fields that are not as by default, without its path and what it reads."""
    content = {
        field.name: value
        for field in fields(layer)
        if field.name not in {"path", "reads_from"} and (value := getattr(layer, field.name)) != _get_default(field)
    }
    tensors = [msgspec.to_builtins(tensor) for tensor in layer.tensors]
    kept = [{k: v for k, v in tensor.items() if v != _TENSOR_DEFAULTS.get(k, MISSING)} for tensor in tensors]
    builtins: dict[str, Any] = msgspec.to_builtins(content)
    return builtins | ({"tensors": kept} if kept else {})


def _get_default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _encode_line(value: object) -> str:
    return escape_surrogates(json.dumps(value, ensure_ascii=False))
