"""The chain of feature maps, drawn to scale: boxes are as high as the maps and as wide as their channels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from netscope.render import numbers
from netscope.render.channels import have_channels_first
from netscope.render.families import Family, families_of
from netscope.render.pictures.drawing import (
    EDGE,
    INK,
    SOFT,
    WIDTH,
    Panel,
    change_color,
    change_sign,
    color_of,
    mixed,
    shortened,
    text_width,
)
from netscope.schema import ArchitectureReport, ChainStage, ChangeKind, DiffReport, ModelDiff, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST = 1.3
WIDEST = 1.5
ALL_CHANNELS = 5.0
"""Inches for the channels of all stages of a chain together."""

_NARROWER = (1.0, 0.8, 0.6, 0.4)
"""The factors by which channels may be narrower, if a chain then fits on one line."""

VECTOR = 0.09
_LEAST_MM = 0.6
LEAST = _LEAST_MM / 25.4
"""The smallest visible size, in inches."""

RECESSION = (0.27, 0.23)
"""The parts of an inch of depth that go right and up."""

GAP = 0.2
LABELS = 0.5
MOST_STAGES = 48
_NAME, _SHAPE = 5.6, 6.6
_NAME_WIDTH = 1.0
_CM = 2.54

_MAP, _CHANNELS_LAST, _VOLUME, _SEQUENCE, _VECTOR = "map", "channels last", "volume", "sequence", "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """The sizes of a stage's box.

    Attributes:
        kind: how the shape is read.
        rows: height of the box.
        columns: depth of the box; 0 for flat ones.
        channels: width of the box; for a vector its length, which is drawn upright.
    """

    kind: str
    rows: int
    columns: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrawingScale:
    """The inches per position, per channel and per element of a vector."""

    position: float
    channel: float
    element: float

    def size(self, box: _Box) -> tuple[float, float, float, float]:
        """Returns width and height of the front, and the offset of the back to the right and up."""
        if box.kind == _VECTOR:
            return VECTOR, max(box.channels * self.element, LEAST), 0.0, 0.0
        back = box.columns * self.position
        height = max(box.rows * self.position, LEAST)
        return max(box.channels * self.channel, LEAST), height, back * RECESSION[0], back * RECESSION[1]

    def is_thickened(self, box: _Box) -> bool:
        """Whether the box is drawn thicker than to scale, because it would be invisible."""
        if box.kind == _VECTOR:
            return box.channels * self.element < LEAST
        return min(box.rows * self.position, box.channels * self.channel) < LEAST

    @property
    def text(self) -> str:
        """The scale in words, for a picture that is printed in its own size."""
        parts = {"positions high": self.position, "channels wide": self.channel, "elements of a vector": self.element}
        texts = ", ".join(f"{_rounded(1 / inches / _CM)} {name}" for name, inches in parts.items() if inches)
        return f"to scale: 1 cm = {texts}"


def _rounded(value: float) -> str:
    """Returns a number with three significant digits."""
    return f"{float(f'{value:.3g}'):,g}"


def _box(shape: Shape, *, has_channels_first: bool) -> _Box:
    """Returns the box of a shape without its batch dimension; C, H and W are distinguished as PyTorch orders them.

    Args:
        shape: shape with the batch dimension.
        has_channels_first: whether two sizes are C×L rather than L×D.
    """
    sizes = tuple(max(size, 1) for size in shape[1:])
    if len(sizes) == 3:  # noqa: PLR2004 - C×H×W
        if sizes[0] == sizes[1] != sizes[2]:
            return _Box(kind=_CHANNELS_LAST, rows=sizes[0], columns=sizes[1], channels=sizes[2])
        return _Box(kind=_MAP, rows=sizes[1], columns=sizes[2], channels=sizes[0])
    if len(sizes) >= 4:  # noqa: PLR2004 - C×T×H×W
        return _Box(kind=_VOLUME, rows=sizes[-2], columns=sizes[-1], channels=sizes[0])
    if len(sizes) == 2 and has_channels_first:  # noqa: PLR2004 - C×L
        return _Box(kind=_SEQUENCE, rows=sizes[1], columns=0, channels=sizes[0])
    if len(sizes) == 2:  # noqa: PLR2004 - L×D
        return _Box(kind=_SEQUENCE, rows=sizes[0], columns=0, channels=sizes[1])
    return _Box(kind=_VECTOR, rows=1, columns=0, channels=sizes[0] if sizes else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _BoxedStage:
    """A stage and its box."""

    stage: ChainStage
    box: _Box


def _stage_boxes(report: ArchitectureReport) -> list[_BoxedStage]:
    """Returns the stages of the chain with their boxes."""
    return [
        _BoxedStage(stage=stage, box=_box(stage.shape, has_channels_first=is_first))
        for stage, is_first in zip(report.chain, have_channels_first(report), strict=True)
    ]


def _scale(chains: Sequence[Sequence[_BoxedStage]]) -> _DrawingScale:
    """Returns one scale for all chains, so that they can be compared."""
    boxes = [[read.box for read in chain] for chain in chains]
    every = [box for chain in boxes for box in chain]
    bodies = [box for box in every if box.kind != _VECTOR]
    vectors = [box.channels for box in every if box.kind == _VECTOR]
    most = max((sum(box.channels for box in chain if box.kind != _VECTOR) for chain in boxes), default=0)
    widest = max((box.channels for box in bodies), default=0)
    scale = _DrawingScale(
        position=HIGHEST / max(box.rows for box in bodies) if bodies else 0.0,
        channel=min(ALL_CHANNELS / most, WIDEST / widest) if bodies else 0.0,
        element=HIGHEST / max(vectors) if vectors else 0.0,
    )
    narrower = (replace(scale, channel=scale.channel * share) for share in _NARROWER)
    on_one_line = (tried for tried in narrower if not any(_placed(chain, tried)[-1].line for chain in chains))
    return next(on_one_line, scale)


def stage_name(paths: Sequence[str]) -> str:
    """Returns the first and the last path, this one without their common start: ``features.0 … 1``."""
    first, last = paths[0] or "the root", paths[-1]
    if len(paths) == 1:
        return first
    parts = zip(first.split(".")[:-1], last.split(".")[:-1], strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], parts))
    return f"{first} … {'.'.join(last.split('.')[same:])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlacedStage:
    """A stage with its position: the left end and width of its slot, and its line."""

    stage: ChainStage
    box: _Box
    x: float
    slot: float
    line: int


def _placed(chain: Sequence[_BoxedStage], scale: _DrawingScale) -> list[_PlacedStage]:
    """Returns the stages with their positions, from left to right, in as many lines as needed."""
    placed: list[_PlacedStage] = []
    x, line = 0.0, 0
    for read in _some(chain):
        stage, box = read.stage, read.box
        width, _, right, _ = scale.size(box)
        name = min(text_width(stage_name(stage.paths), _NAME), _NAME_WIDTH)
        slot = max(width + right, name, text_width(numbers.shape(stage.shape[1:]), _SHAPE))
        if placed and x + slot > WIDTH:
            x, line = 0.0, line + 1
        placed.append(_PlacedStage(stage=stage, box=box, x=x, slot=slot, line=line))
        x += slot + GAP
    return placed


def _some(chain: Sequence[_BoxedStage]) -> Sequence[_BoxedStage]:
    """Returns all stages, or only the first and the last ones if they are too many."""
    half = MOST_STAGES // 2
    return chain if len(chain) <= MOST_STAGES else (*chain[:half], *chain[-half:])


def _line_heights(placed: Sequence[_PlacedStage], scale: _DrawingScale) -> list[tuple[float, float]]:
    """Returns the height of each line above and below its middle."""
    heights: list[tuple[float, float]] = []
    for item in placed:
        _, height, _, up = scale.size(item.box)
        if item.line == len(heights):
            heights.append((0.0, 0.0))
        above, below = heights[item.line]
        heights[item.line] = (max(above, height / 2 + up), max(below, height / 2))
    return heights


Colors = Callable[[ChainStage], tuple[str, str]]
"""Returns the color of a stage and the mark above it."""


def _panel(
    title: str,
    chain: Sequence[_BoxedStage],
    scale: _DrawingScale,
    note: str,
    colors: Colors,
    families: Sequence[Family] = (),
) -> Panel:
    placed = _placed(chain, scale)
    heights = _line_heights(placed, scale)

    def draw(axes: "Axes", top: float) -> None:
        middles: list[float] = []
        for above, below in heights:
            middles.append(top + above + 0.1)
            top = middles[-1] + below + LABELS
        for item, following in zip(placed, (*placed[1:], None), strict=True):
            _draw_stage(axes, item, scale, middles[item.line], colors(item.stage))
            if following is not None and following.line == item.line:
                _draw_arrow(axes, item, following, scale, middles[item.line])

    unread_note = len(chain) - len(placed)
    notes = [note]
    if any(scale.is_thickened(item.box) for item in placed):
        notes.append(f"sizes below {_LEAST_MM} mm are drawn as {_LEAST_MM} mm")
    if unread_note:
        notes.append(f"{unread_note} stages in the middle are omitted")
    return Panel(
        title=title,
        height=sum(above + below + 0.1 + LABELS for above, below in heights),
        draw=draw,
        note="; ".join(notes),
        families=families,
    )


def _draw_stage(axes: "Axes", item: _PlacedStage, scale: _DrawingScale, middle: float, colors: tuple[str, str]) -> None:
    from matplotlib.patches import Polygon

    color, mark = colors
    width, height, right, up = scale.size(item.box)
    left = item.x + (item.slot - width - right) / 2
    x, y = left, middle - height / 2
    front = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    faces = [(front, mixed(color, 0.45))]
    if right:
        back_top, back_right = (x + right, y - up), (x + width + right, y - up)
        faces.append(([front[0], back_top, back_right, front[1]], mixed(color, 0.25)))
        faces.append(([front[1], back_right, (x + width + right, y + height - up), front[2]], mixed(color, 0.65)))
    for corners, fill in faces:
        axes.add_patch(Polygon(corners, closed=True, facecolor=fill, edgecolor=color, linewidth=0.5, joinstyle="round"))
    center = item.x + item.slot / 2
    below = middle + height / 2 + 0.06
    shape = numbers.shape(item.stage.shape[1:])
    axes.text(center, below, shape, fontsize=_SHAPE, color=INK, ha="center", va="top")
    name = shortened(stage_name(item.stage.paths), max(item.slot, _NAME_WIDTH), _NAME)
    axes.text(center, below + 0.13, name, fontsize=_NAME, color=SOFT, ha="center", va="top")
    types = shortened(", ".join(dict.fromkeys(item.stage.types)), item.slot + 0.75 * GAP, _NAME)
    axes.text(center, below + 0.24, types, fontsize=_NAME, color=SOFT, ha="center", va="top", fontstyle="italic")
    if mark:
        axes.text(
            center, middle - height / 2 - up - 0.03, mark,
            fontsize=9, fontweight="bold", color=color, ha="center", va="bottom",
        )  # fmt: skip


def _draw_arrow(axes: "Axes", item: _PlacedStage, following: _PlacedStage, scale: _DrawingScale, middle: float) -> None:
    width, _, right, up = scale.size(item.box)
    start = item.x + (item.slot + width) / 2 + right / 2
    next_width, _, next_right, _ = scale.size(following.box)
    end = following.x + (following.slot - next_width - next_right) / 2
    axes.annotate(
        "",
        xy=(end - 0.02, middle),
        xytext=(start + 0.02 - (right / 2 if up else 0), middle),
        arrowprops={"arrowstyle": "->", "color": EDGE, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        zorder=0,
    )


def chain_panel(report: ArchitectureReport) -> Iterator[Panel]:
    """Yields the panel of shapes from input to output, if they are known."""
    if len(report.chain) <= 1:
        return
    families = families_of(report.summary)

    def family(stage: ChainStage) -> Family:
        return min(families.get(path, Family.OTHER) for path in stage.paths)

    chain = _stage_boxes(report)
    scale = _scale([chain])
    yield _panel(
        "Feature maps",
        chain,
        scale,
        scale.text,
        lambda stage: (color_of(family(stage)), ""),
        sorted({family(stage) for stage in report.chain}),
    )


def diff_chain_panels(report: DiffReport) -> Iterator[Panel]:
    """Yields both chains to one scale; stages with changes have a color and a sign."""
    sides = [side for side in (report.before, report.after) if len(side.chain) > 1]
    chains = [_stage_boxes(side) for side in sides]
    scale = _scale(chains) if sides else None
    for side, chain in zip(sides, chains, strict=True):
        if scale is not None:
            kinds = _kinds(report.diff, is_before=side is report.before)
            title = shortened(side.summary.architecture.title, 3.0, 8.5)
            note = scale.text if side is sides[0] else "to the same scale"
            yield _panel(title, chain, scale, note, partial(_changed, kinds))


def _kinds(diff: ModelDiff, *, is_before: bool) -> dict[str, set[ChangeKind]]:
    """Returns, by path, the kinds of change in a module and below it, on one side."""
    found: dict[str, set[ChangeKind]] = {}
    for change in diff.changes:
        row = change.before if is_before else change.after
        if row is None:
            continue
        path = row.path
        while True:
            found.setdefault(path, set()).add(change.kind)
            if not path:
                break
            path = path.rpartition(".")[0]
    return found


def _changed(kinds: dict[str, set[ChangeKind]], stage: ChainStage) -> tuple[str, str]:
    found: set[ChangeKind] = set().union(*(kinds.get(path, {"same"}) for path in stage.paths))
    kind = found.pop() if len(found) == 1 else "changed"
    return change_color(kind), change_sign(kind)
