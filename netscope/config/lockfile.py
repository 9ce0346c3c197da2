"""``netscope.lock``: what the architectures were when someone last said so. JSON with one line for each module."""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from netscope.errors import ConfigError, OutputError
from netscope.runtime.files import write_atomically
from netscope.schema import COUNTING_VERSION, LockedModel
from netscope.schema.codec import without_surrogates

LOCK_NAME = "netscope.lock"
LOCK_VERSION = 1

_INPUT = re.compile(r"[^=]*=(-?\d+(x-?\d+)*)?:\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The lock file.

    Attributes:
        counting: the version of the counting convention that its figures are by.
        models: the architectures by the name of their check.
    """

    counting: int = COUNTING_VERSION
    models: dict[str, LockedModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written(Lock):
    netscope_lock: int


def read_lock(path: Path) -> Lock:
    """What the file says; an empty lock if there is none.

    Raises:
        ConfigError: it cannot be read, or is damaged, as by a merge.
    """
    try:
        return read_lock_text(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Lock(models={})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def read_lock_text(text: str | bytes, where: str = LOCK_NAME) -> Lock:
    """What ``lock_text`` wrote.

    Raises:
        ConfigError: it did not write this.
    """
    try:
        found = msgspec.json.decode(text, type=_Written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(where, str(error)) from error
    if not all(_is_whole(model) for model in found.models.values()):
        raise _damaged(where, "a model without a root, or a figure below zero")
    if found.netscope_lock != LOCK_VERSION:
        raise ConfigError(
            f"{where} is of version {found.netscope_lock}, and this netscope reads {LOCK_VERSION}: delete it, and "
            f"write it again with netscope check --update"
        )
    return Lock(counting=found.counting, models=found.models)


def _damaged(where: str, how: str) -> ConfigError:
    return ConfigError(f"{where} is damaged ({how}): delete it, and write it again with netscope check --update")


def _is_whole(model: LockedModel) -> bool:
    figures = [min(layer.calls, layer.params, layer.trainable, layer.flops, layer.bytes) for layer in model.layers]
    return bool(figures) and min(figures) >= 0 and all(map(_INPUT.fullmatch, model.inputs))


def merged(lock: Lock, updates: Mapping[str, LockedModel], gone: Container[str] = ()) -> Lock:
    """``lock`` with new entries, and without those that are gone.

    Raises:
        ConfigError: entries that stay follow another counting convention than new ones do.
    """
    kept = {name: model for name, model in lock.models.items() if name not in gone and name not in updates}
    if kept and lock.counting != COUNTING_VERSION:
        raise ConfigError(
            f"{LOCK_NAME}: its figures follow another counting convention, and would no longer be told from new ones: "
            f"delete it, and write all of it again with netscope check --update and pytest --netscope-update"
        )
    return Lock(models=kept | dict(updates))


def write_lock(path: Path, lock: Lock) -> None:
    """Writes the file, whole or not at all: models by name, keys by name, each module on a line of its own.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    try:
        write_atomically(path, lock_text(lock))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def lock_text(lock: Lock) -> str:
    """The file's text."""
    models = ",\n".join(_model_text(name, lock.models[name]) for name in sorted(lock.models))
    body = f"{{\n{models}\n }}" if models else "{}"
    return f'{{\n "netscope_lock": {LOCK_VERSION},\n "counting": {lock.counting},\n "models": {body}\n}}\n'


def _model_text(name: str, model: LockedModel) -> str:
    fields = msgspec.to_builtins(model)
    layers = fields.pop("layers")
    head = "".join(f"   {json.dumps(key)}: {_line(fields[key])},\n" for key in sorted(fields))
    rows = ",\n".join(f"    {_line(layer)}" for layer in layers)
    return f'  {_line(name)}: {{\n{head}   "layers": [\n{rows}\n   ]\n  }}'


def _line(value: object) -> str:
    return without_surrogates(json.dumps(value, ensure_ascii=False))
