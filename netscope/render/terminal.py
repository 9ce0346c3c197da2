"""``Document`` → a table for the terminal, or for a pipe."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from netscope.render import numbers
from netscope.render.colors import TERMINAL_BAR, TERMINAL_STYLES
from netscope.render.document import RIGHT, AtLeast, Canvas, Column, Document, NameCell, Row, TypeCell, printable

DIM = TERMINAL_STYLES["faint"]
GAP = 2
BAR_WIDTH = 8
UNLIMITED = 100_000
SHORTEST_TYPE = 8
SHORTEST_TEXT = 20

_RANKS = {"bar": 9, "share": 8}
"""Bars and shares are omitted before all other columns."""


def render_terminal(document: Document, canvas: Canvas) -> str:
    """Returns the document as text.

    If the canvas is too narrow, columns that may wrap are wrapped first. Then bars are omitted, shares, columns by
    their rank, and hyperparameters from the last one on; running text is wrapped. Names and counts are never cut.
    """
    output = StringIO()
    console = _console(output, canvas, canvas.width or UNLIMITED)
    layout = _fit(document, canvas.width)
    title, *others = document.heading or ("",)
    console.print(Text(printable(title), style=TERMINAL_STYLES["strong"]))
    for line in others:
        console.print(Text(printable(line), style=DIM))
    console.print()
    # A table that cannot fit is wider than the canvas, not cut. The last column has a gap, too: without one, versions
    # of rich disagree on its width.
    _console(output, canvas, layout.width + GAP).print(_table(document, layout))
    _print_facts(console, document)
    text = "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"
    return "\n".join((text, *(render_terminal(attached, canvas) for attached in document.attached)))


def _console(output: StringIO, canvas: Canvas, width: int) -> Console:
    return Console(
        file=output,
        width=width,
        force_terminal=canvas.color,
        color_system="standard" if canvas.color else None,
        no_color=not canvas.color,
        highlight=False,
        legacy_windows=False,
        force_jupyter=False,  # in a notebook rich would display the table and leave ``output`` empty
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableLayout:
    """The columns that are drawn, their total width, and the widths of types and of each text column."""

    columns: tuple[int, ...]
    width: int
    type_width: int | None = None
    text_widths: dict[int, int] = field(default_factory=dict)


def _fit(document: Document, width: int | None) -> _TableLayout:
    columns = list(range(len(document.columns)))
    widths = [
        max([cell_len(column.title), *(cell_len(_text(column, row.cells[position]).plain) for row in document.rows)])
        for position, column in enumerate(document.columns)
    ]

    def needed() -> int:
        return sum(widths[position] for position in columns) + GAP * (len(columns) - 1)

    if width is None:
        return _TableLayout(columns=tuple(columns), width=needed())
    whole = list(widths)
    for position in columns:
        if document.columns[position].wraps:
            widths[position] = min(SHORTEST_TEXT, whole[position])
    ranks = {
        position: _RANKS.get(document.columns[position].kind, document.columns[position].rank) for position in columns
    }
    for position in sorted((p for p in columns if ranks[p]), key=lambda p: (-ranks[p], p)):
        if needed() > width:
            columns.remove(position)
    shortest = {"type": SHORTEST_TYPE, "text": SHORTEST_TEXT}
    _widen(widths, whole, columns, width - needed())
    shortened = {position: widths[position] for position in columns if widths[position] < whole[position]}
    for position in columns:
        kind = document.columns[position].kind
        if kind in shortest and needed() > width:
            shortened[position] = widths[position] = max(
                min(shortest[kind], widths[position]), widths[position] - (needed() - width)
            )
    return _TableLayout(
        columns=tuple(columns),
        width=needed(),
        type_width=next((shortened[p] for p in shortened if document.columns[p].kind == "type"), None),
        text_widths={p: size for p, size in shortened.items() if document.columns[p].kind == "text"},
    )


def _widen(widths: list[int], whole: list[int], columns: list[int], spare: int) -> None:
    """Gives the spare room to wrapped columns, one cell at a time to the column with most lines."""
    for _ in range(spare):
        folded = [position for position in columns if widths[position] < whole[position]]
        if not folded:
            return
        widths[max(folded, key=lambda position: whole[position] / widths[position])] += 1


def _table(document: Document, layout: _TableLayout) -> Table:
    titled = any(document.columns[position].title for position in layout.columns)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=True, header_style="", show_edge=False, show_header=titled)
    for position in layout.columns:
        column = document.columns[position]
        wraps = position in layout.text_widths
        table.add_column(
            Text(column.title, style=DIM),  # a separate Text, so that the gap after it is plain and can be stripped
            justify="right" if column.kind in RIGHT else "left",
            width=layout.text_widths.get(position),
            no_wrap=not wraps,
            overflow="fold" if wraps else "crop",
        )
    for row in document.rows:
        table.add_row(*(_cell(document.columns[position], row, position, layout) for position in layout.columns))
    return table


def _cell(column: Column, row: Row, position: int, layout: _TableLayout) -> Text:
    text = _text(column, row.cells[position], layout.type_width)
    if column.kind == "name":
        guides = len(row.cells[position].guides)
        text.stylize(DIM, 0, guides)
        text.stylize(TERMINAL_STYLES[row.style], guides)
    elif column.kind == "bar":
        text.stylize(TERMINAL_BAR)
    else:
        text.stylize(DIM if column.kind == "share" or text.plain == numbers.NOTHING else TERMINAL_STYLES[row.style])
    return text


def _text(column: Column, value: Any, type_width: int | None = None) -> Text:
    """Returns the text of a value; it is never markup, because names come from users' code."""
    if isinstance(value, NameCell):
        return Text(value.guides + printable(value.marked))
    if isinstance(value, TypeCell):
        return Text(printable(_type(value, type_width)))
    return Text(printable(cell_text(column, value)))


def _type(cell: TypeCell, width: int | None) -> str:
    """Returns the type with as many of its hyperparameters as fit."""
    details = list(cell.details)
    while True:
        text = " ".join((cell.name, ", ".join(details))).strip()
        if details and len(details) < len(cell.details):
            text += ", …"
        if width is None or cell_len(text) <= width:
            return text
        if not details:
            return text[: width - 1] + "…"
        details.pop()


def cell_text(column: Column, value: Any) -> str:
    """Returns the text of a value of any kind but a name; a dot if there is no value."""
    if isinstance(value, TypeCell):
        return value.text
    if column.kind in ("share", "bar"):
        part, whole = value or (0, 0)
        return numbers.share(part, whole) if column.kind == "share" else numbers.bar(part, whole, BAR_WIDTH)
    if column.kind == "change":
        return numbers.change(*(value or (0, 0)))
    if isinstance(value, AtLeast):
        return f"≥ {cell_text(column, value.value)}" if value.value else "≥ 0"
    if not value and not (column.kind == "figure" and value == 0):
        return "" if column.kind in ("type", "text") else numbers.NOTHING
    shown: dict[str, Callable[[Any], str]] = {
        "count": numbers.count,
        "flops": numbers.scaled,
        "bytes": numbers.size,
        "shape": _shapes,
        "delta": numbers.signed,
        "delta-flops": numbers.signed_scaled,
        "figure": numbers.figure,
        "rate": numbers.rate,
        "seconds": numbers.seconds,
        "fraction": numbers.fraction,
        "margin": numbers.margin,
        "percent": numbers.percent,
    }
    return shown.get(column.kind, str)(value)


def _shapes(value: Any) -> str:
    """Returns the text of shapes; the value may also be words in place of shapes."""
    return value if isinstance(value, str) else numbers.shapes(value)


def _print_facts(console: Console, document: Document) -> None:
    if not document.facts:
        return
    console.print()
    label_width = max(cell_len(printable(label)) for label, _ in document.facts) + GAP
    grid = Table.grid(padding=0)
    grid.add_column(width=label_width, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in document.facts:
        grid.add_row(Text(printable(label), style=DIM), Text(printable(text)))
    console.print(grid)
