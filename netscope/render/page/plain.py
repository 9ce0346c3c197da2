"""A document as a plain HTML table, for browsers without scripts."""

from collections.abc import Iterator
from typing import Any

from netscope.render.document import Document, NameCell, TypeCell, printable
from netscope.render.page.header import text
from netscope.render.terminal import cell_text

MOST_ROWS = 2000


def plain_table(document: Document) -> str:
    """The table, without its bars."""
    return "\n".join(_lines(document))


def _lines(document: Document) -> Iterator[str]:
    shown = [position for position, column in enumerate(document.columns) if column.kind != "bar"]
    yield '<div class="scroll"><table class="plain"><thead><tr>'
    yield "".join(f"<th>{text(document.columns[position].title)}</th>" for position in shown)
    yield "</tr></thead><tbody>"
    for row in document.rows[:MOST_ROWS]:
        cells = (text(cell_as_text(document, position, row.cells[position])) for position in shown)
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table></div>"
    if len(document.rows) > MOST_ROWS:
        yield f"<p>and {len(document.rows) - MOST_ROWS:,} more rows</p>"


def cell_as_text(document: Document, position: int, value: Any) -> str:
    """A cell as it is read."""
    if isinstance(value, NameCell):
        return printable(value.guides + value.marked)
    if isinstance(value, TypeCell):
        return printable(" ".join((value.name, ", ".join(value.details))).strip())
    return printable(cell_text(document.columns[position], value))
