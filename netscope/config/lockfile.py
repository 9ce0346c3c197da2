"""The lock file ``netscope.lock``: the recorded state of a project's architectures, as JSON with a line per module."""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from netscope.errors import ConfigError, OutputError
from netscope.runtime.files import write_atomically
from netscope.schema import COUNTING_VERSION, LockedModel
from netscope.schema.codec import escape_surrogates
from netscope.schema.figures import FIELDS

LOCK_NAME = "netscope.lock"
LOCK_VERSION = 2

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
class _LockFile(Lock):
    netscope_lock: int


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
    try:
        found = msgspec.json.decode(text, type=_LockFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damage_error(where, str(error)) from error
    if not all(_is_valid(model) for model in found.models.values()):
        raise _damage_error(where, "a model without a root, or a negative figure")
    if found.netscope_lock != LOCK_VERSION:
        raise ConfigError(
            f"{where} has version {found.netscope_lock}, but this netscope reads version {LOCK_VERSION}; delete it and "
            f"run netscope check --update"
        )
    return Lock(counting=found.counting, models=found.models)


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
    models = ",\n".join(_format_model(name, lock.models[name]) for name in sorted(lock.models))
    body = f"{{\n{models}\n }}" if models else "{}"
    return f'{{\n "netscope_lock": {LOCK_VERSION},\n "counting": {lock.counting},\n "models": {body}\n}}\n'


def _format_model(name: str, model: LockedModel) -> str:
    fields = msgspec.to_builtins(model)
    layers = fields.pop("layers")
    head = "".join(f"   {json.dumps(key)}: {_encode_line(fields[key])},\n" for key in sorted(fields))
    rows = ",\n".join(f"    {_encode_line(layer)}" for layer in layers)
    return f'  {_encode_line(name)}: {{\n{head}   "layers": [\n{rows}\n   ]\n  }}'


def _encode_line(value: object) -> str:
    return escape_surrogates(json.dumps(value, ensure_ascii=False))
