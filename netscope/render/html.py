"""``Document`` → HTML: a tree that folds, or a table. The file contains everything, without scripts or network.

A tree is nested ``<details>``, which browsers fold without scripts. Its rows are grids with the same column widths, so
they align without a table around them.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup
from rich.cells import cell_len

from netscope.render import numbers
from netscope.render.cells import cell_text, list_facts
from netscope.render.colors import COLORS, css_properties
from netscope.render.document import RIGHT, Canvas, Column, Document, NameCell, printable
from netscope.render.templating import asset, render_template

OPEN_LEVELS = 2
"""The levels of a tree that are open at first."""

_GUIDE_WIDTH = 3
_INDENT_CH = 2
_MARKER_CH = 3
_GAP_CH = 2
_SHARE_CH = 9
_LONGEST_CH = {"name": 48, "type": 34, "text": 44}
_SHORTEST_CH = {"name": 16, "type": 16, "text": 14}
"""The limits of the widths of columns with names or text, in digits; columns of numbers fit their content."""

_WIDER = 6
"""Letters are wider than digits: text gets one more digit's width for so many characters."""

_COLORS = ("ink", "soft", "surface", "line", "hover", "bar", "added-text", "removed-text", "changed-text")


def render_html(document: Document, _canvas: Canvas) -> str:
    """Returns a fragment for another page, such as a notebook's; its style is scoped and follows the page's theme."""
    return render_template("fragment.html", style=_style(), section=_section(document))


def render_page(document: Document, _canvas: Canvas) -> str:
    """Returns a page with the same content as the fragment."""
    surface = COLORS["surface"].css
    return render_template("standalone.html", style=_style(), section=_section(document), background=surface)


def _style() -> Markup:
    """Returns the style; every rule is scoped by the prefix of its classes."""
    return Markup(".netscope{%s}\n") % css_properties("netscope-", _COLORS) + asset("templates/document.css")


def _section(document: Document) -> dict[str, Any]:
    """Returns the document as ``document.html`` needs it."""
    return {
        "heading": document.heading,
        "table": _table(document),
        "facts": list_facts(document),
        "folded": None if document.folded is None else _section(document.folded),
        "attached": list(map(_section, document.attached)),
    }


def _table(document: Document) -> dict[str, Any]:
    """Returns the table; it is a tree if its names have guides."""
    kinds = [None, *(column.kind for column in document.columns)]
    # The bar after a share is left out: the share itself is drawn as one.
    positions = [position for position, pair in enumerate(pairwise(kinds)) if pair != ("share", "bar")]
    columns = [_column(document.columns[position]) for position in positions]
    rows = [
        {
            "cells": [
                (column, *_cell(document.columns[position], row.cells[position]))
                for column, position in zip(columns, positions, strict=True)
            ],
            "style": "" if row.style == "plain" else f"netscope-{row.style}",
        }
        for row in document.rows
    ]
    widths = [_width(document, position) for position in positions]
    return {
        "columns": columns,
        "rows": rows,
        "has_titles": any(column["title"] for column in columns),
        "is_tree": _set_levels(document, rows),
        "open_levels": OPEN_LEVELS,
        "least": sum(shortest for shortest, _ in widths) + _GAP_CH * (len(widths) - 1),
        "tracks": " ".join(f"{low}ch" if low == high else f"minmax({low}ch,{high}ch)" for low, high in widths),
    }


def _set_levels(document: Document, rows: Sequence[dict[str, Any]]) -> bool:
    """Sets which rows are below which, by the lengths of their guides; returns whether there are any guides.

    Each row gets its level, whether it opens a further one, and the number of levels that end after it.
    """
    depths = [next((len(cell.guides) for cell in row.cells if isinstance(cell, NameCell)), 0) for row in document.rows]
    above: list[int] = []
    for row, depth in zip(rows, depths, strict=True):
        while above and above[-1] >= depth:
            above.pop()
        row["level"] = len(above)
        above.append(depth)
    levels = [*(row["level"] for row in rows), 0]
    for row, following in zip(rows, levels[1:], strict=True):
        row["opens"] = following > row["level"]
        row["closes"] = max(row["level"] - following, 0)
    return any(depths)


def _width(document: Document, position: int) -> tuple[int, int]:
    """Returns the least and the greatest width of a column, in digits."""
    column = document.columns[position]
    if column.kind in ("share", "bar"):
        return _SHARE_CH, _SHARE_CH
    longest = max([cell_len(column.heading), *(_length(column, row.cells[position]) for row in document.rows)])
    longest += 1 if column.kind in RIGHT else -(-longest // _WIDER)
    if column.kind not in _LONGEST_CH or longest <= _SHORTEST_CH[column.kind]:
        return longest, longest
    return _SHORTEST_CH[column.kind], min(longest, _LONGEST_CH[column.kind])


def _length(column: Column, value: Any) -> int:
    if isinstance(value, NameCell):
        level = -(-len(value.guides) // _GUIDE_WIDTH)
        return _INDENT_CH * level + _MARKER_CH + cell_len(printable(value.marked))
    return cell_len(printable(cell_text(column, value)))


def _column(column: Column) -> dict[str, Any]:
    """Returns a column's titles, and the classes of its cells in a table and in a tree, where texts may wrap."""
    side = "share" if column.kind in ("share", "bar") else "right" if column.kind in RIGHT else ""
    tree_class = column.kind if column.kind in _LONGEST_CH else side
    return {
        "title": column.heading,
        "label": column.title,
        "is_name": column.kind == "name",
        "table_class": f"netscope-{side}" if side else "",
        "tree_class": f"netscope-{tree_class}" if tree_class else "",
    }


def _cell(column: Column, value: Any) -> tuple[str, str, str]:
    """Returns the text of a cell, its kind, and the mark after a name or the width of a share's bar."""
    if isinstance(value, NameCell):
        return value.label, "name", " ".join(filter(None, (value.mark, value.former)))
    if column.kind in ("share", "bar"):
        part, whole = value or (0, 0)
        text = numbers.share(part, whole)
        return text, "share", f"{100 * min(part / whole, 1):.1f}%" if text else ""
    text = cell_text(column, value)
    return text, "nothing" if text == numbers.NOTHING else "value", ""
