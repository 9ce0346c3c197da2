"""The dataflow from left to right, folded by module, in lines like text."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from netscope.render import numbers
from netscope.render.document import printable
from netscope.render.pictures.chain import stage_name
from netscope.render.pictures.drawing import ACCENT, EDGE, INK, SOFT, WIDTH, Panel, color_of, fits, mixed, shortened
from netscope.render.pictures.folding import FlowNode, fold_flow
from netscope.render.pictures.layering import GraphLayout, PlacedItem, lay_out
from netscope.schema import ArchitectureReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NODE = (0.98, 0.36)
_ROOM = NODE[0] - 0.08
_NAME_SIZE = 6.0

OP = 0.2
"""The diameter of the circle of an op."""

COLUMN = 1.24
ROW = 0.44
LANE = 0.14
GUTTER = 0.2
TRACK = 0.07
"""Inches between two lines, and for each edge from one to the next."""

COLUMNS = int((WIDTH - NODE[0]) / COLUMN) + 1
FEWEST = COLUMNS - 4
"""The least columns of a line that is broken early, where fewer edges continue in the next line."""

MOST_DRAWN = 80
"""The maximum number of nodes in a readable picture."""

_CONCATENATES = "‖"
_SIGNS = {
    "add": "+",
    "add_": "+",
    "mul": "×",
    "mul_": "×",
    "sub": "−",
    "div": "÷",
    "cat": _CONCATENATES,
    "matmul": "@",
    "bmm": "@",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of successive layers.

    Attributes:
        first: number of the first layer.
        top: upper end, from the top of the panel.
        shift: offset between heights in the layout and in the panel.
    """

    first: int
    top: float
    shift: float


def flow_panel(report: ArchitectureReport) -> Iterator[Panel]:
    """Yields the panel of the dataflow between modules, if it is known."""
    if not report.dataflow:
        return
    nodes = fold_flow(report.summary, report.dataflow)
    if len(nodes) > MOST_DRAWN:
        note = f"not drawn: with its outermost modules alone it has {len(nodes)} nodes"
        yield Panel(title="Dataflow", height=0.0, draw=lambda _axes, _top: None, note=note)
        return
    layout = lay_out([node.reads for node in nodes], ROW, LANE)
    lines, height = _lines(layout)
    skips = skips_of([node.reads for node in nodes], {n for n, node in enumerate(nodes) if node.types == ("input",)})

    def draw(axes: "Axes", top: float) -> None:
        tracks: dict[int, list[tuple[PlacedItem, PlacedItem]]] = {}
        for edge in layout.edges:
            is_skip = (edge[-1].node, edge[0].node) in skips
            _draw_edge(axes, edge, lines, nodes, top, tracks, is_skip=is_skip)
        for layer in layout.layers:
            for item in layer:
                if item.node is not None:
                    _draw_node(axes, nodes[item.node], *_position(item, lines), top)

    yield Panel(
        title="Dataflow", height=height, draw=draw, note="; ".join(_notes(nodes, has_skips=bool(skips))),
        families=sorted({node.family for node in nodes}),
    )  # fmt: skip


def skips_of(reads: Sequence[Sequence[int]], inputs: Collection[int] = ()) -> set[tuple[int, int]]:
    """Returns the edges between whose ends there is also a longer path, as pairs of reader and source.

    Args:
        reads: for each node, the earlier nodes that lead to it.
        inputs: nodes from which no edge is a skip connection.
    """
    before: list[set[int]] = []
    for sources in reads:
        before.append(set(sources).union(*(before[source] for source in sources)))
    return {
        (node, source)
        for node, sources in enumerate(reads)
        for source in sources
        if source not in inputs and any(source in before[other] for other in sources)
    }


def _notes(nodes: Sequence[FlowNode], *, has_skips: bool) -> Iterator[str]:
    yield "folded by module"
    if has_skips:
        yield "skips are blue"
    if any(node.copies > 1 for node in nodes):
        yield "×n: n identical modules in a row"
    if any(_SIGNS.get(_op_name(node)) == _CONCATENATES for node in nodes):
        yield f"{_CONCATENATES} concatenates"


def _lines(layout: GraphLayout) -> tuple[list[_Line], float]:
    """Returns the lines and their total height; lines are broken where fewest edges cross, near their full length."""
    lines: list[_Line] = []
    first, top = 0, 0.0
    while first < len(layout.layers):
        end = _end(layout, first)
        items = [item for layer in layout.layers[first:end] for item in layer]
        low = min(item.y - item.size / 2 for item in items)
        high = max(item.y + item.size / 2 for item in items)
        top += TRACK * sum(len(item.before) for item in layout.layers[first])
        lines.append(_Line(first=first, top=top, shift=top - low))
        top += high - low + GUTTER
        first = end
    return lines, top - GUTTER


def _end(layout: GraphLayout, first: int) -> int:
    longest = first + COLUMNS
    if longest >= len(layout.layers):
        return len(layout.layers)

    def crossing(end: int) -> tuple[int, int]:
        return sum(len(item.after) for item in layout.layers[end - 1]), -end

    return min(range(first + FEWEST, longest + 1), key=crossing)


def _position(item: PlacedItem, lines: Sequence[_Line]) -> tuple[float, float]:
    line = _line_of(item, lines)
    return NODE[0] / 2 + COLUMN * (item.layer - line.first), item.y + line.shift


def _line_of(item: PlacedItem, lines: Sequence[_Line]) -> _Line:
    return next(line for line in reversed(lines) if line.first <= item.layer)


def _half(item: PlacedItem, nodes: Sequence[FlowNode]) -> float:
    """Returns half the width of an item; passing edges are straight for a node's width, so they cross no corner."""
    return OP / 2 if item.node is not None and nodes[item.node].op else NODE[0] / 2


def _draw_edge(
    axes: "Axes",
    items: Sequence[PlacedItem],
    lines: Sequence[_Line],
    nodes: Sequence[FlowNode],
    top: float,
    tracks: dict[int, list[tuple[PlacedItem, PlacedItem]]],
    *,
    is_skip: bool,
) -> None:
    """Draws an edge as a curve through the items on its path, with an arrow at its end.

    Args:
        axes: axes to draw into.
        items: items on the path.
        lines: lines of the panel.
        nodes: nodes, for their widths.
        top: top of the panel.
        tracks: the connections into each line so far, to which those of this edge are added.
        is_skip: whether there is also a longer path.
    """
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for one, other in pairwise(items):
        (x, y), (end, end_y) = _position(one, lines), _position(other, lines)
        start = (x + _half(one, nodes), y + top)
        stop = (end - _half(other, nodes), end_y + top)
        points.append(start)
        codes.append(Path.LINETO if codes else Path.MOVETO)
        line = _line_of(other, lines)
        if line is _line_of(one, lines):
            bend = (stop[0] - start[0]) / 2
            points += [(start[0] + bend, start[1]), (stop[0] - bend, stop[1]), stop]
            codes += [Path.CURVE4] * 3
        else:
            # Down at the right margin, back between the lines, and in from the left, on a separate track for each edge.
            track = _track(one, other, tracks.setdefault(line.first, []))
            right = x + NODE[0] / 2 + 0.07 + TRACK * track
            left = max(-0.07 - 0.5 * TRACK * track, -0.18)
            gutter = line.top + top - 0.08 - TRACK * track
            points += [(right, start[1]), (right, gutter), (left, gutter), (left, stop[1]), stop]
            codes += [Path.LINETO] * 5
    color, linewidth, zorder = (ACCENT, 1.1, 1.1) if is_skip else (EDGE, 0.7, 1.0)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(points, codes), facecolor=color, edgecolor=color, linewidth=linewidth, zorder=zorder,
            arrowstyle="-|>,head_length=2.2,head_width=1.3", joinstyle="round",
        )
    )  # fmt: skip


def _track(one: PlacedItem, other: PlacedItem, taken: list[tuple[PlacedItem, PlacedItem]]) -> int:
    """Returns the number of a connection among those into the same line."""
    for number, (start, end) in enumerate(taken):
        if start is one and end is other:
            return number
    taken.append((one, other))
    return len(taken) - 1


def _draw_node(axes: "Axes", node: FlowNode, x: float, y: float, top: float) -> None:
    from matplotlib.patches import Ellipse, FancyBboxPatch

    y += top
    color = color_of(node.family)
    if node.op:
        name = _op_name(node)
        axes.add_patch(Ellipse((x, y), OP, OP, facecolor="white", edgecolor=color, linewidth=0.9, zorder=2))
        sign = _SIGNS.get(name)
        if sign:
            axes.text(x, y, sign, fontsize=8, color=INK, ha="center", va="center_baseline", zorder=3)
        else:
            axes.text(
                x,
                y + OP / 2 + 0.02,
                shortened(name, COLUMN, 5.5),
                fontsize=5.5,
                color=SOFT,
                ha="center",
                va="top",
                zorder=3,
            )
        return
    width, height = NODE
    is_input = node.types == ("input",)
    for behind in range(min(node.copies - 1, 2), -1, -1):
        shift = 0.03 * behind
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2 + shift, y - height / 2 - shift), width, height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor="white" if is_input else mixed(color, 0.22), edgecolor=EDGE if is_input else color,
                linewidth=0.8, zorder=2,
            )
        )  # fmt: skip
    for line, size, ink, shift in (
        (_name(node), _NAME_SIZE, INK, -0.09),
        (_kind(node), 5.4, SOFT, 0.02),
        (numbers.shape(node.shape[1:]), 5.4, SOFT, 0.12),
    ):
        axes.text(
            x, y + shift, shortened(line, _ROOM, size), fontsize=size, color=ink, ha="center", va="center", zorder=3
        )


def _op_name(node: FlowNode) -> str:
    return node.op.removeprefix("aten.")


def _name(node: FlowNode) -> str:
    """Returns as much of the end of a name as fits; its start is usually the same as the neighbors'."""
    if node.types == ("input",):
        return node.path or "input"
    name = full = stage_name((node.path, node.last) if node.last != node.path else (node.path,))
    while "." in full and not fits(printable(name), _ROOM, _NAME_SIZE):
        full = full.partition(".")[2]
        name = f"…{full}"
    return name


def _kind(node: FlowNode) -> str:
    types = ", ".join(dict.fromkeys(node.types))
    return f"{types} ×{node.copies}" if node.copies > 1 else types
