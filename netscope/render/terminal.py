"""``Document`` → a table for the terminal, or for a pipe."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from netscope.render import numbers
from netscope.render.cells import list_facts, shorten_type
from netscope.render.colors import TERMINAL_BAR, TERMINAL_STYLES
from netscope.render.document import RIGHT, Canvas, Column, Document, NameCell, Row, TypeCell, printable
from netscope.render.layout import GAP, Layout, draw_cell, fit, wrap

DIM = TERMINAL_STYLES["faint"]
UNLIMITED = 100_000


def render_terminal(document: Document, canvas: Canvas) -> str:
    """Returns the document as text.

    What a narrow canvas leaves out or shortens, and in which order, is written in ``netscope.render.layout``.
    """
    output = StringIO()
    console = _console(output, canvas, canvas.width or UNLIMITED)
    layout = fit(document, canvas.width)
    title, *others = document.heading or ("",)
    for text, style in ((title, TERMINAL_STYLES["strong"]), *((line, DIM) for line in others)):
        console.print(Text("\n".join(wrap(printable(text), console.width)), style=style))
    if document.columns:
        console.print()
        # A table that cannot fit is wider than the canvas, not cut. The last column has a gap, too: without one,
        # versions of rich disagree on its width.
        _console(output, canvas, layout.width + GAP).print(_table(document, layout))
    _print_facts(console, (*list_facts(document, layout.widths), *_name_hidden(document, layout)))
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


def _table(document: Document, layout: Layout) -> Table:
    titled = any(document.columns[position].title for position in layout.widths)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=True, header_style="", show_edge=False, show_header=titled)
    for position, width in layout.widths.items():
        column = document.columns[position]
        table.add_column(
            Text(column.title, style=DIM),  # a separate Text, so that the gap after it is plain and can be stripped
            justify="right" if column.kind in RIGHT else "left",
            width=width,
            no_wrap=True,
            overflow="crop",
        )
    for row in document.rows:
        table.add_row(*(_cell(document.columns[position], row, position, layout) for position in layout.widths))
    return table


def _cell(column: Column, row: Row, position: int, layout: Layout) -> Text:
    value, width = row.cells[position], layout.widths[position]
    if isinstance(value, NameCell) and not layout.has_former_names:
        value = replace(value, former="")
    shown, style = draw_cell(column, value, layout.brevity, has_narrow_tree=layout.has_narrow_tree), row.style
    if isinstance(value, TypeCell):
        shown = printable(shorten_type(value, width))
    elif column.kind == "text":
        shown = "\n".join(wrap(shown, width))
    guides = len(shown) - len(printable(value.marked)) if isinstance(value, NameCell) else 0
    if column.kind == "share" or shown == numbers.NOTHING:
        style = "faint"
    text = Text(shown)  # styled below: the style of a whole Text would reach into the gap after it
    text.stylize(DIM, 0, guides)
    text.stylize(TERMINAL_BAR if column.kind == "bar" else TERMINAL_STYLES[style], guides)
    return text


def _name_hidden(document: Document, layout: Layout) -> Iterator[tuple[str, str]]:
    names = [document.columns[position].heading or document.columns[position].key for position in layout.hidden]
    names += [] if layout.has_former_names else ["former names"]
    if names:
        yield "Hidden", f"{', '.join(names)}: not enough room; a wider terminal, a pipe or -o FILE shows all columns"


def _print_facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    if not facts:
        return
    console.print()
    label_width = max(cell_len(printable(label)) for label, _ in facts) + GAP
    grid = Table.grid(padding=0)
    grid.add_column(width=label_width, no_wrap=True)
    grid.add_column(no_wrap=True, overflow="fold")
    for label, text in facts:
        lines = wrap(printable(text), max(console.width - label_width, 1))
        grid.add_row(Text(printable(label), style=DIM), Text("\n".join(lines)))
    console.print(grid)
