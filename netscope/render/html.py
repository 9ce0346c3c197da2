"""``Document`` → HTML: a tree that folds, or a table. One file with everything in it, no script and no network.

A tree is nested ``<details>``, which browsers fold by themselves, in rows of a grid whose columns are as wide as their
longest text: all rows agree on that without a table around them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any

from rich.cells import cell_len

from netscope.render import numbers
from netscope.render.document import RIGHT, Canvas, Column, Document, NameCell, Row, TypeCell, printable
from netscope.render.stylesheet import PAGE_STYLE, STYLE
from netscope.render.terminal import cell_text

OPEN_LEVELS = 2
"""Of a tree, how many are open at first."""

_GUIDE_WIDTH = 3
_INDENT_CH = 2
_MARKER_CH = 3
_GAP_CH = 2
_SHARE_CH = 9
_LONGEST_CH = {"name": 48, "type": 34, "text": 44}
_SHORTEST_CH = {"name": 16, "type": 16, "text": 14}
"""Between which widths a column of names or running text may be; figures are as wide as they are."""

_WIDER = 6
"""Bold letters and × are wider than digits: text gets one more in so many."""


def render_html(document: Document, _canvas: Canvas) -> str:
    """A fragment for another page, such as a notebook: its style is scoped, its colours are the page's."""
    return f"<style>{STYLE}</style>\n{_body(document)}"


def render_page(document: Document, _canvas: Canvas) -> str:
    """The same as a page of its own."""
    title = _escaped(document.heading[0] if document.heading else "netscope")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{PAGE_STYLE}{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{_body(document)}</main>\n</body>\n</html>\n"
    )


def _body(document: Document) -> str:
    parts = _section(document, level=1)
    return "\n".join(('<div class="netscope">', *parts, "</div>\n"))


def _section(document: Document, *, level: int) -> Iterator[str]:
    """Heading, table and facts, then what is folded and what is attached."""
    yield from _table(document, "".join(_heading(document.heading, level)))
    if document.facts:
        yield f'<dl class="netscope-facts">{"".join(_facts(document.facts))}</dl>'
    if document.folded is not None:
        title, *_ = document.folded.heading or ("More",)
        yield f'<details class="netscope-folded"><summary>{_escaped(title)}</summary>'
        yield from _table(document.folded, "")
        yield "</details>"
    for attached in document.attached:
        yield '<div class="netscope-attached">'
        yield from _section(attached, level=level + 1)
        yield "</div>"


def _heading(lines: Sequence[str], level: int) -> Iterator[str]:
    """No ``<h1>``: a notebook would list each output in its table of contents."""
    for position, line in enumerate(lines):
        if position == 0:
            yield f'<p class="netscope-title" role="heading" aria-level="{level}">{_escaped(line)}</p>'
        else:
            yield f'<p class="netscope-line">{_escaped(line)}</p>'


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """One without a label goes on where the one before ended."""
    for position, (label, text) in enumerate(facts):
        if label or position == 0:
            yield f"<dt>{_escaped(label)}</dt>"
        yield f"<dd>{_escaped(text)}</dd>"


def _table(document: Document, heading: str) -> Iterator[str]:
    positions = _shown(document.columns)
    if not positions:
        yield heading
    elif any(isinstance(cell, NameCell) and cell.guides for row in document.rows for cell in row.cells):
        yield heading
        yield from _tree(document, positions)
    else:
        yield from _plain_table(document, positions, heading)


def _shown(columns: Sequence[Column]) -> list[int]:
    """All but the bars behind a share, which is drawn as one itself."""
    kinds = [None, *(column.kind for column in columns)]
    return [position for position, pair in enumerate(pairwise(kinds)) if pair != ("share", "bar")]


def _plain_table(document: Document, positions: Sequence[int], heading: str) -> Iterator[str]:
    yield '<div class="netscope-scroll" tabindex="0"><table class="netscope-table">'
    if heading:
        yield f"<caption>{heading}</caption>"
    columns = [document.columns[position] for position in positions]
    if any(map(_title, columns)):
        titles = (f'<th scope="col"{_class(_side(column))}>{_escaped(_title(column))}</th>' for column in columns)
        yield f"<thead><tr>{''.join(titles)}</tr></thead>"
    yield "<tbody>"
    for row in document.rows:
        cells = [_cell(column, row.cells[position]) for column, position in zip(columns, positions, strict=True)]
        tags = (_table_cell(column, cell) for column, cell in zip(columns, cells, strict=True))
        yield f"<tr{_class(_style(row))}>{''.join(tags)}</tr>"
    yield "</tbody></table></div>"


def _table_cell(column: Column, content: str) -> str:
    if column.kind == "name":
        return f'<th scope="row">{content}</th>'
    return f"<td{_class(_side(column))}>{content}</td>"


@dataclass(slots=True)
class _FoldedRow:
    """A row and those below it."""

    row: Row
    depth: int
    children: list["_FoldedRow"] = field(default_factory=list)


def _tree(document: Document, positions: Sequence[int]) -> Iterator[str]:
    columns = [document.columns[position] for position in positions]
    widths = [_width(document, position) for position in positions]
    least = sum(shortest for shortest, _ in widths) + _GAP_CH * (len(widths) - 1)
    tracks = " ".join(f"{low}ch" if low == high else f"minmax({low}ch,{high}ch)" for low, high in widths)
    yield '<div class="netscope-scroll" tabindex="0">'
    yield f'<div class="netscope-tree" style="--netscope-columns:{tracks};min-width:{least}ch">'
    # The names of the columns stand hidden in each cell, where whoever hears the page needs them.
    titles = (f"<span{_class(_role(column))}>{_escaped(_title(column))}</span>" for column in columns)
    yield f'<div class="netscope-row netscope-head" aria-hidden="true">{"".join(titles)}</div>'
    yield from _branch(_nodes(document), columns, positions)
    yield "</div></div>"


def _nodes(document: Document) -> list[_FoldedRow]:
    """The rows as trees: each below the nearest one before it whose lines are shorter."""
    roots: list[_FoldedRow] = []
    above: list[_FoldedRow] = []
    for row in document.rows:
        guides = next((cell.guides for cell in row.cells if isinstance(cell, NameCell)), "")
        while above and above[-1].depth >= len(guides):
            above.pop()
        node = _FoldedRow(row=row, depth=len(guides))
        (above[-1].children if above else roots).append(node)
        above.append(node)
    return roots


def _branch(
    nodes: Sequence[_FoldedRow], columns: Sequence[Column], positions: Sequence[int], level: int = 0
) -> Iterator[str]:
    yield "<ul>"
    for node in nodes:
        cells = (
            _grid_cell(column, node.row.cells[position], level)
            for column, position in zip(columns, positions, strict=True)
        )
        row = " ".join(cells)
        classes = _class("row", _style(node.row))
        if node.children:
            yield f"<li><details{' open' if level < OPEN_LEVELS else ''}><summary{classes}>{row}</summary>"
            yield from _branch(node.children, columns, positions, level + 1)
            yield "</details></li>"
        else:
            yield f"<li><div{classes}>{row}</div></li>"
    yield "</ul>"


def _grid_cell(column: Column, value: Any, level: int) -> str:
    content = _cell(column, value)
    if column.kind == "name":
        return f'<span class="netscope-name" style="--netscope-level:{level}">{content}</span>'
    heard = f'<span class="netscope-heard">{_escaped(column.title)} </span>' if column.title and content else ""
    return f"<span{_class(_role(column))}>{heard}{content}</span>"


def _width(document: Document, position: int) -> tuple[int, int]:
    """The least and the greatest width of a column, in digits."""
    column = document.columns[position]
    if column.kind in ("share", "bar"):
        return _SHARE_CH, _SHARE_CH
    longest = max([cell_len(_title(column)), *(_length(column, row.cells[position]) for row in document.rows)])
    longest += 1 if column.kind in RIGHT else -(-longest // _WIDER)
    if column.kind not in _LONGEST_CH or longest <= _SHORTEST_CH[column.kind]:
        return longest, longest
    return _SHORTEST_CH[column.kind], min(longest, _LONGEST_CH[column.kind])


def _length(column: Column, value: Any) -> int:
    if isinstance(value, NameCell):
        level = -(-len(value.guides) // _GUIDE_WIDTH)
        return _INDENT_CH * level + _MARKER_CH + cell_len(printable(value.marked))
    if isinstance(value, TypeCell):
        return cell_len(printable(_type(value)))
    return cell_len(printable(cell_text(column, value)))


def _cell(column: Column, value: Any) -> str:
    """A raw value as it is shown, escaped: names come from users' code."""
    if isinstance(value, NameCell):
        mark = f' <span class="netscope-mark">{_escaped(value.mark)}</span>' if value.mark else ""
        return f"{_escaped(value.label)}{mark}"
    if isinstance(value, TypeCell):
        return _escaped(_type(value))
    if column.kind in ("share", "bar"):
        return _share(*(value or (0, 0)))
    text = _escaped(cell_text(column, value))
    return f'<span class="netscope-nothing">{text}</span>' if text == numbers.NOTHING else text


def _share(part: float, whole: float) -> str:
    text = _escaped(numbers.share(part, whole))
    return f'<i style="width:{100 * min(part / whole, 1):.1f}%"></i><b>{text}</b>' if text else ""


def _type(cell: TypeCell) -> str:
    return " ".join((cell.name, ", ".join(cell.details))).strip()


def _title(column: Column) -> str:
    return column.title or ("%" if column.kind in ("share", "change") else "")


def _side(column: Column) -> str:
    if column.kind in ("share", "bar"):
        return "share"
    return "right" if column.kind in RIGHT else ""


def _role(column: Column) -> str:
    """In a grid it matters as well what may be wrapped."""
    return column.kind if column.kind in _LONGEST_CH else _side(column)


def _style(row: Row) -> str:
    return "" if row.style == "plain" else row.style


def _class(*names: str) -> str:
    """The attribute with these names, if there are any."""
    classes = " ".join(f"netscope-{name}" for name in names if name)
    return f' class="{classes}"' if classes else ""


def _escaped(text: str) -> str:
    return escape(printable(text))
