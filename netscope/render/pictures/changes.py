"""The changes between two architectures, as bars of the parameters and FLOPs that each layer gained or lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netscope.render import numbers
from netscope.render.colors import COLORS
from netscope.render.diff import describe_change
from netscope.render.diff_tree import DiffNode, build_trees, fold_tree, walk
from netscope.render.pictures.drawing import (
    EDGE,
    INK,
    LINE,
    SOFT,
    WIDTH,
    Panel,
    change_color,
    change_sign,
    mixed,
    shortened,
)
from netscope.schema import ModelDiff

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_HEIGHT = 0.2
MOST = 30
"""The maximum number of changes that are drawn; the largest ones are."""

_SIZE = 6.5
_NAME = 1.9
_WHAT = 2.5
_SIDES = ((4.6, 7.15), (7.45, WIDTH))
"""The left and right ends of the bars of parameters, and of the bars of FLOPs."""

_FIGURE = 0.72
"""Inches for the number next to a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """The position of zero, and the inches per parameter or FLOP."""

    zero: float
    inch: float


def _axis(side: tuple[float, float], values: Sequence[int]) -> _Axis:
    """Returns the axis: losses go left and gains go right, and each side has the room that it needs."""
    went, came = max(0, -min(values)), max(0, *values)
    left, right = side[0] + (_FIGURE if went else 0.1), side[1] - (_FIGURE if came else 0.1)
    inch = (right - left) / (went + came) if went + came else 0.0
    return _Axis(zero=left + went * inch, inch=inch)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangeLine:
    """A line of the picture: a module, or several with the same change, and the differences that it makes."""

    node: DiffNode
    params: int
    flops: int


def changes_panel(diff: ModelDiff) -> Iterator[Panel]:
    """Yields the panel of all changes and the modules that they affect; repeated changes are one line."""
    found = [line for tree in build_trees(diff) for _, node in walk([fold_tree(tree)]) if (line := _line(node))]
    if not found:
        return
    largest = {id(line) for line in sorted(found, key=lambda line: -_weight(line, diff))[:MOST]}
    shown = [line for line in found if id(line) in largest]
    params = _axis(_SIDES[0], [line.params for line in shown])
    flops = _axis(_SIDES[1], [line.flops for line in shown])

    def draw(axes: "Axes", top: float) -> None:
        for axis, title in ((params, "Δ parameters"), (flops, "Δ FLOPs")):
            axes.text(axis.zero, top + LINE_HEIGHT / 2, title, fontsize=_SIZE, color=SOFT, ha="center", va="center")
        for number, line in enumerate(shown, start=1):
            y = top + LINE_HEIGHT * number
            _draw_change(axes, line.node, y)
            _draw_bar(axes, params, y, line.params, numbers.signed(line.params))
            _draw_bar(axes, flops, y, line.flops, numbers.signed(line.flops, numbers.scaled))

    note = f"the {MOST} largest of {len(found)} changes" if len(found) > len(shown) else ""
    yield Panel(title="What changed", height=LINE_HEIGHT * (len(shown) + 1), draw=draw, note=note)


def _line(node: DiffNode) -> _ChangeLine | None:
    """Returns the line of a node: with its own differences if its children are shown, otherwise with all below it."""
    if node.equal_count:
        return None
    (before, after), copies = (node.change.own_figures, node.copies) if node.children else (node.figures, 1)
    delta = after - before
    line = _ChangeLine(node=node, params=copies * delta.params, flops=copies * delta.flops)
    is_change = node.change.kind != "same" and not (node.children and node.change.kind != "changed")
    return line if is_change or line.params or line.flops else None


def _weight(line: _ChangeLine, diff: ModelDiff) -> float:
    """Returns the difference as a share of the total parameters or FLOPs, whichever is larger."""
    before, after = diff.before.totals, diff.after.totals
    return max(
        abs(line.params) / max(before.params, after.params, 1), abs(line.flops) / max(before.flops, after.flops, 1)
    )


def _draw_change(axes: "Axes", node: DiffNode, top: float) -> None:
    kind = node.change.kind
    middle = top + LINE_HEIGHT / 2
    axes.plot((0, WIDTH), (top, top), color=LINE, linewidth=0.5, zorder=0)
    axes.text(
        0.05, middle, change_sign(kind),
        fontsize=8, fontweight="bold", color=change_color(kind), ha="center", va="center",
    )  # fmt: skip
    above = node.change.row.path.rpartition(".")[0]
    mark = f" ×{node.copies}" if node.copies > 1 else ""
    name = shortened(f"{above}.{node.label}{mark}".lstrip("."), _NAME, _SIZE)
    axes.text(0.17, middle, name, fontsize=_SIZE, color=INK, va="center")
    text = describe_change(node) or "follows from other changes"
    axes.text(0.25 + _NAME, middle, shortened(text, _WHAT - 0.3, _SIZE), fontsize=_SIZE, color=SOFT, va="center")


def _draw_bar(axes: "Axes", axis: _Axis, top: float, value: int, text: str) -> None:
    """Draws a bar with its number at its end."""
    from matplotlib.patches import Rectangle

    middle = top + LINE_HEIGHT / 2
    axes.plot((axis.zero, axis.zero), (top, top + LINE_HEIGHT), color=EDGE, linewidth=0.6)
    color = mixed(COLORS["more" if value > 0 else "less"].light, 0.75)
    width = abs(value) * axis.inch
    left = axis.zero if value > 0 else axis.zero - width
    axes.add_patch(Rectangle((left, middle - 0.055), width, 0.11, facecolor=color, edgecolor="none"))
    if value:
        x, side = (axis.zero + width + 0.04, "left") if value > 0 else (left - 0.04, "right")
        axes.text(x, middle, text, fontsize=_SIZE, color=INK, va="center", ha=side)
