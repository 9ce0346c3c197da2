"""``Document`` → GitHub's Markdown."""

import re
from collections.abc import Iterable

from netscope.render.document import Canvas, Column, Document, NameCell, TypeCell
from netscope.render.terminal import cell_text

_RIGHT = ("count", "flops", "bytes", "share")


def render_markdown(document: Document, _canvas: Canvas) -> str:
    """Heading, table and facts. Paths stand for the tree, bars are left out, and names are no markup."""
    positions = [position for position, column in enumerate(document.columns) if column.kind != "bar"]
    columns = [document.columns[position] for position in positions]
    lines = []
    if document.heading:
        title, *others = document.heading
        lines += [f"**{_escaped(title)}**", "", *(f"{_escaped(line)}  " for line in others), ""]
    lines.append(_line(column.title or "%" for column in columns))
    lines.append(_line("---:" if column.kind in _RIGHT else "---" for column in columns))
    for row in document.rows:
        lines.append(
            _line(_cell(column, row.cells[position]) for column, position in zip(columns, positions, strict=True))
        )
    lines += ["", *(f"- **{label}**: {_escaped(text)}" for label, text in document.facts)]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, value: object) -> str:
    if isinstance(value, NameCell):
        name = _code(value.path or value.label)
        return f"{name} {value.mark}" if value.mark else name
    if isinstance(value, TypeCell):
        return _escaped(" ".join((value.name, ", ".join(value.details))).strip())
    return _escaped(cell_text(column, value))


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
