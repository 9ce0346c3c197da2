"""What a terminal has room for: which columns of a table are drawn, how wide, and how short their figures are.

A table that is too wide gets narrower in this order, and no more than it needs to:

1. Text that may wrap at words is wrapped, and sentences are wrapped at 40 characters.
2. Bars leave.
3. Figures are shortened to three decimals: ``6,738,415,616`` is ``6.738 B``.
4. Shares leave.
5. Columns with a rank leave, the highest rank first.
6. Hyperparameters leave, the last of each layer first.
7. The lines of the tree take two columns per level instead of three.
8. Figures are shortened to three digits: ``6.74 B``, ``17.4 G``, ``148 MiB``.
9. Types keep their last words: ``…Attention``.
10. Text is wrapped to the width of its longest word.
11. Former names leave.
12. Further columns leave: shapes, types, then figures from the right.

Columns that leave are named below the table, unless others say the same, as a share does.

Names, figures and shapes are never cut. If room is left, figures are exact after all, as long as no type or sentence
has to give way for them; then hyperparameters and sentences get it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rich.cells import cell_len

from netscope.render.cells import BREVITIES, cell_text, last_word, shorten_type
from netscope.render.document import Column, Document, NameCell, TypeCell, printable

GAP = 2
_GUIDE_WIDTH = 3
_SHORTEST_TEXT = 20
_SENTENCE = 40
_LONGEST_WORD = 24
"""Words that are longer may be broken, at a dot or an underscore."""

_UNIT = re.compile(r"(?<=\d) (?=(?:[KMGTPB]|[KMGT]iB|[KMGTP]?(?:MACs|FLOPs|FLOP/s|B/s)|params|ms|µs|s)\b)")
"""The space between a figure and its unit, which are never on two lines."""


def wrap(text: str, width: int) -> list[str]:
    """Returns the lines of a text, wrapped between words; a word that is too long is broken at a dot or underscore."""
    lines = [""]
    for word in _UNIT.sub("\N{NO-BREAK SPACE}", text).split(" "):
        pieces = [word] if cell_len(word) <= width else _break(word, width)
        for position, piece in enumerate(pieces):
            joint = "" if position or not lines[-1] else " "
            if cell_len(lines[-1] + joint + piece) <= width or not lines[-1]:
                lines[-1] += joint + piece
            else:
                lines.append(piece)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _break(word: str, width: int) -> list[str]:
    """Returns the parts of a word: the names of a path, the words of a name that is too long, or what fits."""
    parts = [word]
    for ends in (r"[./]", "_", "."):
        parts = [
            piece
            for part in parts
            for piece in (re.findall(f".*?{ends}|.+", part) if cell_len(part) > width else [part])
        ]
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a table is drawn.

    Attributes:
        widths: the width of each drawn column, by its position.
        hidden: the positions of columns that left, and are named below the table.
        brevity: how short figures are, as in ``cell_text``.
        has_narrow_tree: whether the lines of the tree are narrow.
        has_former_names: whether former names are drawn.
    """

    widths: Mapping[int, int]
    hidden: tuple[int, ...] = ()
    brevity: int = 0
    has_narrow_tree: bool = False
    has_former_names: bool = True

    @property
    def width(self) -> int:
        """The width of the table."""
        return sum(self.widths.values()) + GAP * (len(self.widths) - 1)


def fit(document: Document, width: int | None) -> Layout:
    """Returns the layout of a document's table for a width; None if it is unlimited."""
    table = _Table(document)
    if width is None:
        return table.lay_out(0)
    steps = table.shrink()
    while table.measure() > width and next(steps, False):
        pass
    if not table.has_last_words:
        for brevity in range(table.brevity):
            if table.measure(brevity) <= width:
                table.brevity = brevity
                break
    return table.lay_out(width - table.measure())


@dataclass(slots=True)
class _Table:
    """A table while it gets narrower."""

    document: Document
    columns: list[int] = field(init=False)
    hidden: list[int] = field(default_factory=list)
    brevity: int = 0
    wraps: bool = False
    has_bare_types: bool = False
    has_narrow_tree: bool = False
    has_last_words: bool = False
    wraps_everywhere: bool = False
    has_former_names: bool = True
    _widths: dict[tuple[int, int, bool, bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = list(range(len(self.document.columns)))

    def shrink(self) -> Iterator[bool]:
        """Makes the table narrower, by one step of the order above at a time."""
        self.wraps = True
        yield True
        yield from self._remove(self._find_kind("bar"))
        self.brevity = 1
        yield True
        yield from self._remove(self._find_kind("share"))
        ranks = {position: self.document.columns[position].rank for position in self.columns}
        for position in sorted((p for p in self.columns if ranks[p]), key=lambda p: -ranks[p]):
            if self.document.columns[position].is_named:
                self.hidden.append(position)
            yield from self._remove([position])
        self.has_bare_types = True
        yield True
        self.has_narrow_tree = True
        yield True
        self.brevity = BREVITIES - 1
        yield True
        self.has_last_words = True
        yield True
        self.wraps_everywhere = True
        yield True
        self.has_former_names = False
        yield True
        others = [p for p in reversed(self.columns) if self.document.columns[p].kind not in ("name", "text")]
        for position in dict.fromkeys((*self._find_kind("shape"), *self._find_kind("type"), *others)):
            self.hidden.append(position)
            yield from self._remove([position])

    def _find_kind(self, kind: str) -> list[int]:
        return [position for position in self.columns if self.document.columns[position].kind == kind]

    def _remove(self, positions: list[int]) -> Iterator[bool]:
        for position in positions:
            self.columns.remove(position)
            yield True

    def measure(self, brevity: int | None = None) -> int:
        """Returns the least width of the table, with figures of the given brevity or its own."""
        shown = self.brevity if brevity is None else brevity
        return sum(self._least(position, shown) for position in self.columns) + GAP * (len(self.columns) - 1)

    def lay_out(self, spare: int) -> Layout:
        """Returns the layout, in which texts and types share the spare room: each cell to the one with most lines."""
        whole = {position: self._measure(position, self.brevity) for position in self.columns}
        widths = {position: self._least(position, self.brevity) for position in self.columns}
        for _ in range(spare):
            narrow = [position for position in self.columns if widths[position] < whole[position]]
            if not narrow:
                break
            widths[max(narrow, key=lambda position: whole[position] / widths[position])] += 1
        for position in self.columns:
            if widths[position] < whole[position]:
                widths[position] = self._tighten(position, widths[position])
        return Layout(
            widths=widths,
            hidden=tuple(sorted(self.hidden)),
            brevity=self.brevity,
            has_narrow_tree=self.has_narrow_tree,
            has_former_names=self.has_former_names,
        )

    def _least(self, position: int, brevity: int) -> int:
        column, whole = self.document.columns[position], self._measure(position, brevity)
        if column.kind == "type" and self.has_bare_types:
            cells = [row.cells[position] for row in self.document.rows if row.cells[position] is not None]
            names = (printable(last_word(cell) if self.has_last_words else cell.name) for cell in cells)
            return max(map(cell_len, (column.title, *names)))
        if column.kind == "text" and self.wraps:
            texts = (printable(cell_text(column, row.cells[position])) for row in self.document.rows)
            words = min(max(map(cell_len, " ".join(texts).split()), default=0), _LONGEST_WORD)
            preferred = 0 if self.wraps_everywhere else _SHORTEST_TEXT if column.wraps else _SENTENCE
            return min(whole, max(words, preferred, cell_len(column.title)))
        return whole

    def _tighten(self, position: int, width: int) -> int:
        """Returns the width that a column of types or wrapped texts uses of the given one."""
        column = self.document.columns[position]
        cells = [row.cells[position] for row in self.document.rows]
        lines = (
            line
            for cell in cells
            for line in (
                [shorten_type(cell, width)] if isinstance(cell, TypeCell) else wrap(draw_cell(column, cell, 0), width)
            )
        )
        return max(map(cell_len, (column.title, *lines)))

    def _measure(self, position: int, brevity: int) -> int:
        """Returns the width of a column's longest text."""
        column = self.document.columns[position]
        key = position, brevity, self.has_narrow_tree, self.has_former_names
        if key not in self._widths:
            texts = (
                draw_cell(
                    column,
                    row.cells[position],
                    brevity,
                    has_narrow_tree=self.has_narrow_tree,
                    has_former_names=self.has_former_names,
                )
                for row in self.document.rows
            )
            self._widths[key] = max(map(cell_len, (column.title, *texts)))
        return self._widths[key]


def draw_cell(
    column: Column, value: Any, brevity: int, *, has_narrow_tree: bool = False, has_former_names: bool = True
) -> str:
    """Returns the text of a cell on one line; it is never markup, because names come from users' code."""
    if isinstance(value, NameCell):
        guides = value.guides
        if has_narrow_tree:
            guides = "".join(f"{guides[start]} " for start in range(0, len(guides), _GUIDE_WIDTH))
        return guides + printable(value.marked if has_former_names else replace(value, former="").marked)
    return printable(cell_text(column, value, brevity))
