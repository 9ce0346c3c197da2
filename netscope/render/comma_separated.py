"""``Document`` → CSV with exact integers."""

import csv
import re
from io import StringIO
from typing import Any

from netscope.render.document import INEXACT, AtLeast, Canvas, Column, Document, NameCell, TypeCell, printable

_FORMULA = re.compile("[=+@＝＋－＠-]")
"""The start of a formula in spreadsheets: https://owasp.org/www-community/attacks/CSV_Injection."""


def render_csv(document: Document, _canvas: Canvas) -> str:
    """Returns the table: keys as header, paths as names, shapes as ``1x3x224x224``, without shares and bars.

    Text that a spreadsheet would compute is preceded by an apostrophe.
    """
    positions = [p for p, column in enumerate(document.columns) if column.kind not in INEXACT]
    output = StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(document.columns[position].key for position in positions)
    for row in document.rows:
        writer.writerow(guard_formula(_raw(document.columns[position], row.cells[position])) for position in positions)
    return output.getvalue()


def guard_formula(value: Any) -> Any:
    """Returns numbers unchanged, and text so that no spreadsheet computes it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _raw(column: Column, value: Any) -> Any:
    if isinstance(value, NameCell):
        return value.path
    if isinstance(value, TypeCell):
        return value.name
    if isinstance(value, AtLeast):
        return value.value
    if column.kind == "figure" and isinstance(value, tuple):
        return "x".join(map(str, value))
    if column.kind == "shape":
        value = () if isinstance(value, str) else value
        return ";".join("x".join(map(str, shape)) for shape in value or ())
    return value
