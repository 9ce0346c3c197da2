"""A document as rows of plain text, for browsers without scripts and for the page's tables."""

from typing import Any

from netscope.render.cells import cell_text
from netscope.render.document import Document, NameCell, printable

MOST_ROWS = 2000


def plain_table(document: Document) -> dict[str, Any]:
    """Returns the titles, the first rows and the number of omitted rows of a table, without its bars."""
    shown = [position for position, column in enumerate(document.columns) if column.kind != "bar"]
    return {
        "titles": [document.columns[position].title for position in shown],
        "rows": [
            [cell_as_text(document, position, row.cells[position]) for position in shown]
            for row in document.rows[:MOST_ROWS]
        ],
        "omitted": max(len(document.rows) - MOST_ROWS, 0),
    }


def cell_as_text(document: Document, position: int, value: Any) -> str:
    """Returns the text of a cell."""
    if isinstance(value, NameCell):
        return printable(value.guides + value.marked)
    return printable(cell_text(document.columns[position], value))
