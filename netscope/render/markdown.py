"""``Document`` → GitHub's Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape as escape_html

from netscope.render.cells import cell_text, list_facts
from netscope.render.document import RIGHT, Canvas, Column, Document, NameCell, printable

_LIVE = r"(?<!\S)\S*(?:[@#]|://|www\.|\bgh-\d)\S*?(?=[:;,.)]*(?:\s|$))"
_LIVE_WORD = re.compile(f"({_LIVE})", re.IGNORECASE)
_MARKUP = re.compile(rf"(?P<live>{_LIVE})|[\\`*_\[\]<>&]", re.IGNORECASE)
"""A word that GitHub turns into a link or a mention, which no backslash prevents, or a character of markup."""


def render_markdown(document: Document, _canvas: Canvas) -> str:
    """Returns heading, table and facts. Paths replace the tree, bars are omitted, and names cannot become markup."""
    lines = []
    if document.heading:
        title, *others = document.heading
        lines += [f"**{escape(title)}**", ""]
        lines += [*(f"{escape(line)}  " for line in others), ""] if others else []
    lines += format_table(document)
    lines += ["", *_list(list_facts(document))]
    if document.folded is not None:
        summary = escape_in_html(document.folded.heading[0])
        lines += ["", f"<details><summary>{summary}</summary>", "", *format_table(document.folded), "", "</details>"]
    for attached in document.attached:
        lines += ["", render_markdown(attached, _canvas)]
    return "\n".join(lines).rstrip() + "\n"


def _list(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yields an item for each fact; one without a label is a further line of the item before it."""
    for position, (label, text) in enumerate(facts):
        item = f"- **{escape(label)}**: {escape(text)}" if label else f"  {escape(text)}"
        goes_on = position + 1 < len(facts) and not facts[position + 1][0]
        yield item + ("  " if goes_on else "")


def format_table(document: Document) -> list[str]:
    """Returns the lines of a document's table, its header and separator first; none without columns."""
    positions = [position for position, column in enumerate(document.columns) if column.kind != "bar"]
    columns = [document.columns[position] for position in positions]
    if not columns:
        return []
    return [
        format_line(column.heading for column in columns),
        format_line("---:" if column.kind in RIGHT else "---" for column in columns),
        *(
            format_line(_cell(column, row.cells[position]) for column, position in zip(columns, positions, strict=True))
            for row in document.rows
        ),
    ]


def format_line(cells: Iterable[str]) -> str:
    """Returns a line of the table; a pipe must be escaped in code spans, too: https://github.github.com/gfm/#example-200."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _cell(column: Column, value: object) -> str:
    if isinstance(value, NameCell):
        name = format_code(value.path or value.label)
        return " ".join((name, *(escape(text) for text in (value.mark, value.former) if text)))
    return escape(cell_text(column, value))


def format_code(text: str) -> str:
    """Returns a code span, with more backticks than its text has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{printable(text)}{space}{fence}"


def escape(text: str) -> str:
    """Returns text without markup: its characters after backslashes, words that would become links in code spans."""
    return _MARKUP.sub(lambda found: format_code(found[0]) if found["live"] else f"\\{found[0]}", printable(text))


def escape_in_html(text: str) -> str:
    """Returns text for a line of HTML, in which GitHub reads no Markdown but still makes links and mentions."""
    parts = map(escape_html, _LIVE_WORD.split(printable(text)))
    return "".join(f"<code>{part}</code>" if position % 2 else part for position, part in enumerate(parts))
