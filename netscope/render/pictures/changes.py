"""What changed, as bars: of each layer how many parameters and FLOPs came or went."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netscope.render import numbers
from netscope.render.diff import describe_change
from netscope.render.diff_tree import DiffNode, build_trees, fold_tree, get_own_figures, walk
from netscope.render.pictures.drawing import (
    CHANGE_COLORS,
    INK,
    LINE,
    PALE,
    SIGNS,
    SOFT,
    WIDTH,
    Panel,
    mixed,
    shortened,
)
from netscope.schema import ModelDiff

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_HEIGHT = 0.2
MOST = 30
"""Of the changes that cost most, how many are drawn."""

_SIZE = 6.5
_NAME = 1.9
_WHAT = 2.5
_SIDES = ((4.6, 7.15), (7.45, WIDTH))
"""From where to where the bars of parameters go, and those of FLOPs."""

_FIGURE = 0.72
"""Inches for the figure beside a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Where bars start, and how many inches one of what they show is."""

    zero: float
    inch: float


def _axis(side: tuple[float, float], values: Sequence[int]) -> _Axis:
    """Bars go left for what went and right for what came; each side has the room that it needs."""
    went, came = max(0, -min(values)), max(0, *values)
    left, right = side[0] + (_FIGURE if went else 0.1), side[1] - (_FIGURE if came else 0.1)
    inch = (right - left) / (went + came) if went + came else 0.0
    return _Axis(zero=left + went * inch, inch=inch)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A line of the picture: a module, or several that changed alike, with what it costs."""

    node: DiffNode
    params: int
    flops: int


def changes_panel(diff: ModelDiff) -> Iterator[Panel]:
    """What came, went, changed or moved, and whose figures follow from that; repetitions are one line."""
    found = [told for tree in build_trees(diff) for _, node in walk([fold_tree(tree)]) if (told := _told(node))]
    if not found:
        return
    heaviest = {id(told) for told in sorted(found, key=lambda told: -_weight(told, diff))[:MOST]}
    shown = [told for told in found if id(told) in heaviest]
    params = _axis(_SIDES[0], [told.params for told in shown])
    flops = _axis(_SIDES[1], [told.flops for told in shown])

    def draw(axes: "Axes", top: float) -> None:
        for axis, title in ((params, "Δ parameters"), (flops, "Δ FLOPs")):
            axes.text(axis.zero, top + LINE_HEIGHT / 2, title, fontsize=_SIZE, color=SOFT, ha="center", va="center")
        for number, told in enumerate(shown, start=1):
            y = top + LINE_HEIGHT * number
            _draw_change(axes, told.node, y)
            _draw_bar(axes, params, y, told.params, numbers.signed(told.params))
            _draw_bar(axes, flops, y, told.flops, numbers.signed_scaled(told.flops))

    note = f"the {MOST} of {len(found)} changes that make most difference" if len(found) > len(shown) else ""
    yield Panel(title="What changed", height=LINE_HEIGHT * (len(shown) + 1), draw=draw, note=note)


def _told(node: DiffNode) -> _Told | None:
    """A node with its own figures, or if nothing is shown below it with all that is there."""
    if node.equal_count:
        return None
    (before, after), copies = (get_own_figures(node.change), node.copies) if node.children else (node.figures, 1)
    delta = after - before
    told = _Told(node=node, params=copies * delta.params, flops=copies * delta.flops)
    is_change = node.change.kind != "same" and not (node.children and node.change.kind != "changed")
    return told if is_change or told.params or told.flops else None


def _weight(told: _Told, diff: ModelDiff) -> float:
    """The larger share of either total."""
    before, after = diff.before.totals, diff.after.totals
    return max(
        abs(told.params) / max(before.params, after.params, 1), abs(told.flops) / max(before.flops, after.flops, 1)
    )


def _draw_change(axes: "Axes", node: DiffNode, top: float) -> None:
    kind = node.change.kind
    middle = top + LINE_HEIGHT / 2
    axes.plot((0, WIDTH), (top, top), color=PALE, linewidth=0.5, zorder=0)
    axes.text(
        0.05, middle, SIGNS[kind],
        fontsize=8, fontweight="bold", color=CHANGE_COLORS[kind], ha="center", va="center",
    )  # fmt: skip
    above = node.change.row.path.rpartition(".")[0]
    mark = f" ×{node.copies}" if node.copies > 1 else ""
    name = shortened(f"{above}.{node.label}{mark}".lstrip("."), _NAME, _SIZE)
    axes.text(0.17, middle, name, fontsize=_SIZE, color=INK, va="center")
    told = describe_change(node) or "follows from the others"
    axes.text(0.25 + _NAME, middle, shortened(told, _WHAT - 0.3, _SIZE), fontsize=_SIZE, color=SOFT, va="center")


def _draw_bar(axes: "Axes", axis: _Axis, top: float, value: int, text: str) -> None:
    """With its figure at its end."""
    from matplotlib.patches import Rectangle

    middle = top + LINE_HEIGHT / 2
    axes.plot((axis.zero, axis.zero), (top, top + LINE_HEIGHT), color=LINE, linewidth=0.6)
    color = mixed(CHANGE_COLORS["added" if value > 0 else "removed"], 0.75)
    width = abs(value) * axis.inch
    left = axis.zero if value > 0 else axis.zero - width
    axes.add_patch(Rectangle((left, middle - 0.055), width, 0.11, facecolor=color, edgecolor="none"))
    if value:
        x, side = (axis.zero + width + 0.04, "left") if value > 0 else (left - 0.04, "right")
        axes.text(x, middle, text, fontsize=_SIZE, color=INK, va="center", ha=side)
