"""Shell completion: of architectures, layers and the values of options, without importing torch."""

import ast
import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path

import typer

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
        body = ast.parse(Path(file).expanduser().read_text(encoding="utf-8")).body
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


@_never_fail
def complete_columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the columns of a summary that may follow those already in the list."""
    from netscope.render.summary import COLUMNS

    return _complete_last(COLUMNS, incomplete)


@_never_fail
def complete_compared_columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the columns of a comparison that may follow those already in the list."""
    from netscope.render import COMPARED_COLUMNS

    return _complete_last(COMPARED_COLUMNS, incomplete)


@_never_fail
def complete_sort(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the orders of a summary."""
    from netscope.render.summary import SORTS

    return _select(SORTS, incomplete)


@_never_fail
def complete_format(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the formats."""
    from netscope.render import FORMATS

    return _select(FORMATS, incomplete)


@_never_fail
def complete_ignored(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns what a diff can ignore."""
    from netscope.api.diff import IGNORABLE

    return _complete_last(IGNORABLE, incomplete)


@_never_fail
def complete_device(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the devices."""
    from netscope.api.resolve_and_trace import DEVICES

    return _select(DEVICES, incomplete)


@_never_fail
def complete_dtype(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the floating-point dtypes."""
    from netscope.schema.inputs import FLOATING_DTYPES

    return _select(FLOATING_DTYPES, incomplete)


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


def _complete_last(names: Iterable[str], incomplete: str) -> list[str]:
    """Returns the names for the last item of a comma-separated list, after its other items."""
    others, comma, last = incomplete.rpartition(",")
    return [f"{others}{comma}{name}" for name in _select(names, last)]


def _select(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
