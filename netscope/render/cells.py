"""The text of a table's cells in formats for people, and the line that explains the marks in them."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from rich.cells import cell_len

from netscope.render import numbers
from netscope.render.document import INEXACT, AtLeast, Column, Document, NameCell, TypeCell

BAR_WIDTH = 8
BREVITIES = 3
"""Figures are exact, or have three decimals (``6.738 B``), or three digits (``6.74 B``)."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z](?:[a-z]|[A-Z]{3}|[A-Z]{2}$))|(?<=[A-Z])(?=[A-Z][a-z])")
"""The start of a word in the name of a class: ``Llama·RMS·Norm``, but ``SiLU·Activation``."""


def cell_text(column: Column, value: Any, brevity: int = 0) -> str:
    """Returns the text of a value; a dot if there is no value.

    Args:
        column: the column, whose kind says how its values are written.
        value: the raw value.
        brevity: 0 for exact figures, 1 for three decimals, 2 for three digits.
    """
    if isinstance(value, (NameCell, TypeCell)):
        return value.text
    if column.kind in INEXACT:
        return _RATIOS[column.kind](*(value or (0, 0)))
    if isinstance(value, AtLeast):
        return f"≥ {cell_text(column, value.value, brevity)}" if value.value else "≥ 0"
    if not value and not (column.kind == "figure" and value == 0):
        return "" if column.kind in ("type", "text") else numbers.NOTHING
    if column.kind not in _FIGURES:
        return _WRITTEN.get(column.kind, str)(value)
    unit, short = _FIGURES[column.kind], numbers.brief if brevity > 1 else numbers.scaled
    is_exact = brevity == 0 and column.kind in ("count", "delta", "macs")
    write: Callable[[int], str] = numbers.count if is_exact else partial(short, unit=unit)
    return numbers.signed(value, write) if column.kind.startswith("delta") else write(value)


def shorten_type(cell: TypeCell, width: int) -> str:
    """Returns the type with as many of its hyperparameters as fit, or with as many of its name's last words."""
    details = list(cell.details)
    while True:
        text = " ".join((cell.name, ", ".join(details))).strip()
        if details and len(details) < len(cell.details):
            text += ", …"
        if cell_len(text) <= width:
            return text
        if not details:
            words = _WORD_START.split(cell.name)
            ends = (f"…{''.join(words[start:])}" for start in range(1, len(words)))
            return next((end for end in ends if cell_len(end) <= width), text[: width - 1] + "…")
        details.pop()


def last_word(cell: TypeCell) -> str:
    """Returns the shortest form of a type that ``shorten_type`` finds: ``"…Attention"`` for ``MultiheadAttention``."""
    _, *others = _WORD_START.split(cell.name)
    return min(cell.name, f"…{others[-1]}", key=len) if others else cell.name


def list_facts(document: Document, positions: Iterable[int] | None = None) -> tuple[tuple[str, str], ...]:
    """Returns the lines below a table, the last of which explains the marks that are in it.

    Args:
        document: the document.
        positions: the columns that are shown; None for all.
    """
    shown = list(range(len(document.columns)) if positions is None else positions)
    return (*document.facts, *_explain_marks(document, shown))


def _explain_marks(document: Document, positions: list[int]) -> Iterator[tuple[str, str]]:
    texts = {
        cell_text(document.columns[position], row.cells[position])
        for position in positions
        if document.columns[position].kind not in (*INEXACT, "type")
        for row in document.rows
    }
    found = [mark for mark in document.marks if any(map(re.compile(mark.pattern).search, texts))]
    width = max((len(mark.sign) for mark in found), default=0)
    characters = "   ".join(f"{mark.sign} {mark.meaning}" for mark in found if len(mark.sign) == 1)
    lines = [f"{mark.sign:{width}}   {mark.meaning}" for mark in found if len(mark.sign) > 1]
    for position, line in enumerate(filter(None, (characters, *lines))):
        yield "" if position else "Marks", line


_FIGURES = {
    "count": "count",
    "macs": "flops",
    "flops": "flops",
    "bytes": "bytes",
    "delta": "count",
    "delta-flops": "flops",
}
"""The kinds of figures that can be shortened, with the unit in which they are then written."""


def _shapes(value: Any) -> str:
    """Returns the text of shapes; the value may also be words in place of shapes."""
    return value if isinstance(value, str) else numbers.shapes(value)


_RATIOS: dict[str, Callable[..., str]] = {
    "share": numbers.share,
    "bar": partial(numbers.bar, width=BAR_WIDTH),
    "change": numbers.change,
}
_WRITTEN: dict[str, Callable[[Any], str]] = {
    "shape": _shapes,
    "figure": numbers.figure,
    "rate": numbers.rate,
    "seconds": numbers.seconds,
    "fraction": numbers.fraction,
    "margin": numbers.margin,
    "percent": numbers.percent,
}
