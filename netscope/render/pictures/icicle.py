"""Shares of parameters and FLOPs: the tree of modules from the top down, each as wide as its share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netscope.render import numbers
from netscope.render.document import printable
from netscope.render.families import Family, families_of
from netscope.render.pictures.drawing import INK, WIDTH, Panel, children_of, color_of, fits, mixed, shortened
from netscope.schema import LayerRow, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVEL = 0.25
DEEPEST = 4
THINNEST = 0.012
"""Inches below which a module has no border, because the border would cover it."""

_SIZE = 6.0
_PADDING = 0.04
_FEWEST = 4
"""The shortest abbreviation of a name that is still useful, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A module with its position."""

    row: LayerRow
    x: float
    width: float
    family: Family
    is_leaf: bool


def icicle_panels(summary: Summary) -> Iterator[Panel]:
    """Yields a panel of parameters and a panel of FLOPs, if there are any."""
    families = families_of(summary)
    bound = "≥ " if summary.is_lower_bound else ""
    totals = summary.totals
    if totals.params:
        yield _panel(f"Parameters: {numbers.count(totals.params)}", summary, lambda row: row.total.params, families)
    if totals.flops:
        note = "shares of what could be counted" if summary.is_lower_bound else ""
        title = f"FLOPs: {bound}{numbers.count(totals.flops)}"
        yield _panel(title, summary, lambda row: row.total.flops, families, note)


def _panel(
    title: str, summary: Summary, value_of: Callable[[LayerRow], int], families: dict[str, Family], note: str = ""
) -> Panel:
    cells = _cells(summary, value_of, families)
    whole = value_of(summary.rows[0])
    deepest = max(cell.row.depth for cell in cells)

    def draw(axes: "Axes", top: float) -> None:
        for cell in cells:
            _draw(axes, cell, top, numbers.share(value_of(cell.row), whole))

    is_cut = any(row.depth > DEEPEST and value_of(row) for row in summary.rows)
    cut = f"modules below level {DEEPEST} are not drawn" if is_cut else ""
    return Panel(
        title=title,
        height=LEVEL * (deepest + 1),
        draw=draw,
        note="; ".join(filter(None, (note, cut))),
        families=sorted({cell.family for cell in cells if cell.is_leaf}),
    )


def _cells(summary: Summary, value_of: Callable[[LayerRow], int], families: dict[str, Family]) -> list[_Cell]:
    """Returns the cells, each below its parent, in order of execution; own shares are free space on the right."""
    below = children_of(summary.rows)
    inch = WIDTH / value_of(summary.rows[0])
    cells: list[_Cell] = []

    def place(row: LayerRow, x: float) -> set[Family]:
        """Places a module and returns the families in it."""
        children = [child for child in below[row.path] if value_of(child)] if row.depth < DEEPEST else []
        found, start = set() if children else {families[row.path]}, x
        for child in children:
            found |= place(child, x)
            x += value_of(child) * inch
        family = Family.CONTAINER if len(found) > 1 else min(found)
        cells.append(_Cell(row=row, x=start, width=value_of(row) * inch, family=family, is_leaf=not children))
        return found

    place(summary.rows[0], 0.0)
    return cells


def _draw(axes: "Axes", cell: _Cell, top: float, share: str) -> None:
    from matplotlib.patches import Rectangle

    color = color_of(cell.family)
    y = top + LEVEL * cell.row.depth
    axes.add_patch(
        Rectangle(
            (cell.x, y), cell.width, LEVEL,
            facecolor=mixed(color, 0.5 if cell.is_leaf else 0.18),
            edgecolor="white" if cell.width > THINNEST else "none",
            linewidth=0.8,
        )
    )  # fmt: skip
    room = cell.width - 2 * _PADDING
    name = printable(cell.row.name or cell.row.type_name)
    label = next((text for text in (f"{name}  {share}", name) if fits(text, room, _SIZE)), "")
    if not label and room > 0:
        label = shortened(name, room, _SIZE)
    if label == name or len(label) > _FEWEST:
        axes.text(cell.x + _PADDING, y + LEVEL / 2, label, fontsize=_SIZE, color=INK, va="center")
