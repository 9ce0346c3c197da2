"""Shell completion: of architectures, layers and the values of options, without importing torch."""

import ast
import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from pathlib import Path

import typer

from netscope.runtime.files import expand_home

_BEFORE_COLON: ContextVar[str] = ContextVar("before_colon", default="")
"""The file before the colon, where the shell completes only what follows it."""

Complete = Callable[[typer.Context, str], list[str]]


def _never_fail(complete: Complete) -> Complete:
    """Returns the function with no suggestions instead of an error, which would appear in the line being typed."""

    @wraps(complete)
    def suggest(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return complete(ctx, incomplete)
        except Exception:  # noqa: BLE001 - whatever it is, the user is still typing
            return []

    return suggest


@_never_fail
def complete_architectures(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of architectures, and after ``FILE.py:`` those of its classes and functions."""
    file, colon, _ = incomplete.rpartition(":")
    file = file or _BEFORE_COLON.get()
    if file:
        body = ast.parse(expand_home(file).read_text(encoding="utf-8")).body
        found = [item.name for item in body if isinstance(item, ast.ClassDef | ast.FunctionDef)]
        shown = f"{file}:" if colon else ""
        return _select((f"{shown}{name}" for name in found if not name.startswith("_")), incomplete)
    from netscope import sources
    from netscope.api.list import load_catalog
    from netscope.api.result_cache import use_cache

    with use_cache():
        listed, _ = sources.list_names("*", load_catalog)
    files = [str(path) for path in Path().glob("*.py")]
    return _select((*(entry.name for entry in listed), *files), incomplete)


@_never_fail
def complete_layers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the layers of the architecture that was typed, if its summary is cached."""
    from netscope.api.result_cache import use_cache
    from netscope.api.summary import lookup_summary

    with use_cache():
        found = lookup_summary(ctx.params["architecture"], (), {})
    return _select((row.path for row in found.summary.rows), incomplete) if found else []


def _complete_values(reference: str, *, in_list: bool = False) -> Complete:
    """Returns a function that completes the values of an option.

    Args:
        reference: the names of the values, ``module:NAME`` in netscope; the module is imported when they are needed.
        in_list: whether the option takes several of them, separated by commas.
    """

    @_never_fail
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        module, _, name = reference.partition(":")
        others, comma, last = incomplete.rpartition(",") if in_list else ("", "", incomplete)
        values = getattr(import_module(f"netscope.{module}"), name)
        return [f"{others}{comma}{value}" for value in _select(values, last)]

    return complete


complete_columns = _complete_values("render.summary:COLUMNS", in_list=True)
complete_compared_columns = _complete_values("render.compare:COMPARED_COLUMNS", in_list=True)
complete_sort = _complete_values("render.summary:SORTS")
complete_format = _complete_values("render.formats:FORMATS")
complete_ignored = _complete_values("api.diff:IGNORABLE", in_list=True)
complete_device = _complete_values("api.resolve_and_trace:DEVICES")
complete_dtype = _complete_values("schema.inputs:FLOATING_DTYPES")


def join_words_of_bash() -> None:
    """Corrects the variables of bash, which takes ``my.py:Net`` for three words and completes only the last."""
    words, current = os.environ.get("COMP_WORDS", "").split(), int(os.environ.get("COMP_CWORD", "0"))
    if os.environ.get("_NETSCOPE_COMPLETE") != "complete_bash" or ":" not in words[1:]:
        return
    colon = words.index(":")
    if current in (colon, colon + 1):
        _BEFORE_COLON.set(words[colon - 1])
        words[colon - 1 : colon + 1] = []
    else:
        words[colon - 1 : colon + 2] = ["".join(words[colon - 1 : colon + 2])]
    os.environ.update(COMP_WORDS=" ".join(words), COMP_CWORD=str(colon - 1 if _BEFORE_COLON.get() else current - 2))


def _select(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
