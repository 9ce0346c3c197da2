"""``ComparisonTable`` → a page: a scatter plot of accuracy against cost, and the table."""

from typing import Any

from netscope.render.compare import COMPARED_COLUMNS, CompareView, comparison_document, format_title
from netscope.render.document import RIGHT, Column, Document, DocumentRequest, printable
from netscope.render.page.assembly import assemble
from netscope.render.page.payload import exact
from netscope.render.page.plain import cell_as_text
from netscope.schema import ComparedArchitecture, ComparisonTable

SCRIPTS = ("dom", "numbers", "theme", "scatter", "comparison")


def comparison_page(table: ComparisonTable, view: CompareView | None = None) -> str:
    """Returns a self-contained HTML file that shows the table.

    Args:
        table: the comparison.
        view: which columns are shown, in which order.

    Raises:
        UsageError: the view names an unknown column or order.
    """
    document = comparison_document(table, DocumentRequest(view=view))
    return assemble(
        "page.html",
        title=document.heading[0],
        notes=[f"{label}: {text}" for label, text in document.facts],
        document=document,
        payload={
            "columns": _columns(document),
            "rows": _rows(document, table),
            "points": list(map(_point, table.rows)),
        },
        scripts=SCRIPTS,
        uses_libraries=False,
    )


def _columns(document: Document) -> list[dict[str, Any]]:
    return [
        {"title": column.title, "right": column.kind in RIGHT or column.key == "year"} for column in document.columns
    ]


def _rows(document: Document, table: ComparisonTable) -> list[dict[str, Any]]:
    """Returns, of each row, the texts of its cells, its sort keys, and the reason if it failed."""
    compared = {format_title(row): row for row in table.rows}
    found = []
    for row in document.rows:
        compared_row = compared[row.cells[0].path]
        found.append(
            {
                "failed": bool(compared_row.error),
                "reason": printable(compared_row.error.removeprefix(f"{compared_row.spec}: ")),
                "cells": [cell_as_text(document, position, cell) for position, cell in enumerate(row.cells)],
                "keys": [
                    _key(column, cell, compared_row) for column, cell in zip(document.columns, row.cells, strict=True)
                ],
            }
        )
    return found


def _key(column: Column, cell: Any, row: ComparedArchitecture) -> Any:
    """Returns the sort key of a cell: a number or a word; None without a value."""
    known = COMPARED_COLUMNS.get(column.key)
    if known is None:
        return printable(cell.path.lower() if column.kind == "name" else str(cell or "").lower()) or None
    found = None if row.error else known.sorted_value(row)
    if isinstance(found, str):
        return printable(found.lower()) or None
    return found if isinstance(found, float) else exact(found) if isinstance(found, int) else None


def _point(row: ComparedArchitecture) -> dict[str, Any]:
    return {
        "name": printable(format_title(row)),
        "idea": printable(row.idea),
        "year": row.year,
        "params": exact(COMPARED_COLUMNS["params"].sorted_value(row)),
        "flops": exact(COMPARED_COLUMNS["flops"].sorted_value(row)),
        "activations": exact(row.peak_activation_bytes),
        "bound": row.is_lower_bound,
        "top1": row.top1,
        "failed": bool(row.error),
    }
