"""The chain of feature maps, drawn to scale: boxes as high as they are in pixels, as wide as they have channels."""

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
"""Inches for the channels of a whole chain together."""

_NARROWER = (1.0, 0.8, 0.6, 0.4)
"""How much narrower channels may be, if a chain then stands on one line."""

VECTOR = 0.09
_LEAST_MM = 0.6
LEAST = _LEAST_MM / 25.4
"""What is thinner could not be seen."""

RECESSION = (0.27, 0.23)
"""Of an inch that recedes, how much goes right and up."""

GAP = 0.2
LABELS = 0.5
MOST_STAGES = 48
_NAME, _SHAPE = 5.6, 6.6
_NAME_WIDTH = 1.0
_CM = 2.54

_MAP, _CHANNELS_LAST, _VOLUME, _SEQUENCE, _VECTOR = "map", "channels last", "volume", "sequence", "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solid:
    """A stage's sizes as they are drawn: rows recede by columns, channels go right.

    Attributes:
        kind: how its shape is read.
        rows: its height.
        columns: its depth; 0 for what is flat.
        channels: its width; for a vector its length, which stands upright.
    """

    kind: str
    rows: int
    columns: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """How many inches one position, one channel and one element of a vector are."""

    position: float
    channel: float
    element: float

    def size(self, solid: _Solid) -> tuple[float, float, float, float]:
        """Width, height, and how far its back is to the right and up."""
        if solid.kind == _VECTOR:
            return VECTOR, max(solid.channels * self.element, LEAST), 0.0, 0.0
        back = solid.columns * self.position
        height = max(solid.rows * self.position, LEAST)
        return max(solid.channels * self.channel, LEAST), height, back * RECESSION[0], back * RECESSION[1]

    def is_thickened(self, solid: _Solid) -> bool:
        """Whether it would be thinner than can be seen."""
        if solid.kind == _VECTOR:
            return solid.channels * self.element < LEAST
        return min(solid.rows * self.position, solid.channels * self.channel) < LEAST

    @property
    def told(self) -> str:
        """In words, for a picture that is printed as large as it is."""
        parts = {"positions high": self.position, "channels wide": self.channel, "elements of a vector": self.element}
        told = ", ".join(f"{_rounded(1 / inches / _CM)} {name}" for name, inches in parts.items() if inches)
        return f"to scale: 1 cm = {told}"


def _rounded(value: float) -> str:
    """To three digits."""
    return f"{float(f'{value:.3g}'):,g}"


def _solid(shape: Shape, *, has_channels_first: bool) -> _Solid:
    """How a shape is read. The batch is left out; three equal sizes are told apart as PyTorch's modules have them.

    Args:
        shape: with the batch.
        has_channels_first: whether two sizes are C×L and not L×D.
    """
    sizes = tuple(max(size, 1) for size in shape[1:])
    if len(sizes) == 3:  # noqa: PLR2004 - C×H×W
        if sizes[0] == sizes[1] != sizes[2]:
            return _Solid(kind=_CHANNELS_LAST, rows=sizes[0], columns=sizes[1], channels=sizes[2])
        return _Solid(kind=_MAP, rows=sizes[1], columns=sizes[2], channels=sizes[0])
    if len(sizes) >= 4:  # noqa: PLR2004 - C×T×H×W
        return _Solid(kind=_VOLUME, rows=sizes[-2], columns=sizes[-1], channels=sizes[0])
    if len(sizes) == 2 and has_channels_first:  # noqa: PLR2004 - C×L
        return _Solid(kind=_SEQUENCE, rows=sizes[1], columns=0, channels=sizes[0])
    if len(sizes) == 2:  # noqa: PLR2004 - L×D
        return _Solid(kind=_SEQUENCE, rows=sizes[0], columns=0, channels=sizes[1])
    return _Solid(kind=_VECTOR, rows=1, columns=0, channels=sizes[0] if sizes else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SolidStage:
    """A stage, and how its shape is read."""

    stage: ChainStage
    solid: _Solid


def _read(report: ArchitectureReport) -> list[_SolidStage]:
    """The chain's stages."""
    return [
        _SolidStage(stage=stage, solid=_solid(stage.shape, has_channels_first=is_first))
        for stage, is_first in zip(report.chain, have_channels_first(report), strict=True)
    ]


def _scale(chains: Sequence[Sequence[_SolidStage]]) -> _Scale:
    """One for all of them, so that they can be compared."""
    solids = [[read.solid for read in chain] for chain in chains]
    every = [solid for chain in solids for solid in chain]
    bodies = [solid for solid in every if solid.kind != _VECTOR]
    vectors = [solid.channels for solid in every if solid.kind == _VECTOR]
    most = max((sum(solid.channels for solid in chain if solid.kind != _VECTOR) for chain in solids), default=0)
    widest = max((solid.channels for solid in bodies), default=0)
    scale = _Scale(
        position=HIGHEST / max(solid.rows for solid in bodies) if bodies else 0.0,
        channel=min(ALL_CHANNELS / most, WIDEST / widest) if bodies else 0.0,
        element=HIGHEST / max(vectors) if vectors else 0.0,
    )
    narrower = (replace(scale, channel=scale.channel * share) for share in _NARROWER)
    on_one_line = (tried for tried in narrower if not any(_placed(chain, tried)[-1].line for chain in chains))
    return next(on_one_line, scale)


def stage_name(paths: Sequence[str]) -> str:
    """``features.0 … 1``: the first and the last, without what they have in common."""
    first, last = paths[0] or "the root", paths[-1]
    if len(paths) == 1:
        return first
    parts = zip(first.split(".")[:-1], last.split(".")[:-1], strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], parts))
    return f"{first} … {'.'.join(last.split('.')[same:])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A stage in its place: from where to where its slot goes, and the row that it stands in."""

    stage: ChainStage
    solid: _Solid
    x: float
    slot: float
    line: int


def _placed(chain: Sequence[_SolidStage], scale: _Scale) -> list[_Drawn]:
    """From left to right, and on a further line where there is no room left."""
    placed: list[_Drawn] = []
    x, line = 0.0, 0
    for read in _some(chain):
        stage, solid = read.stage, read.solid
        width, _, right, _ = scale.size(solid)
        name = min(text_width(stage_name(stage.paths), _NAME), _NAME_WIDTH)
        slot = max(width + right, name, text_width(numbers.shape(stage.shape[1:]), _SHAPE))
        if placed and x + slot > WIDTH:
            x, line = 0.0, line + 1
        placed.append(_Drawn(stage=stage, solid=solid, x=x, slot=slot, line=line))
        x += slot + GAP
    return placed


def _some(chain: Sequence[_SolidStage]) -> Sequence[_SolidStage]:
    """All of them, or the first and the last ones of very many."""
    half = MOST_STAGES // 2
    return chain if len(chain) <= MOST_STAGES else (*chain[:half], *chain[-half:])


def _line_heights(placed: Sequence[_Drawn], scale: _Scale) -> list[tuple[float, float]]:
    """Of each line, how far it goes above its middle and below."""
    heights: list[tuple[float, float]] = []
    for item in placed:
        _, height, _, up = scale.size(item.solid)
        if item.line == len(heights):
            heights.append((0.0, 0.0))
        above, below = heights[item.line]
        heights[item.line] = (max(above, height / 2 + up), max(below, height / 2))
    return heights


Colors = Callable[[ChainStage], tuple[str, str]]
"""A stage's colour and the mark above it."""


def _panel(
    title: str, chain: Sequence[_SolidStage], scale: _Scale, told: str, colors: Colors, families: Sequence[Family] = ()
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

    left_out = len(chain) - len(placed)
    notes = [told]
    if any(scale.is_thickened(item.solid) for item in placed):
        notes.append(f"what is thinner than {_LEAST_MM} mm is drawn as {_LEAST_MM} mm")
    if left_out:
        notes.append(f"{left_out} stages in the middle are left out")
    return Panel(
        title=title,
        height=sum(above + below + 0.1 + LABELS for above, below in heights),
        draw=draw,
        note="; ".join(notes),
        families=families,
    )


def _draw_stage(axes: "Axes", item: _Drawn, scale: _Scale, middle: float, colors: tuple[str, str]) -> None:
    from matplotlib.patches import Polygon

    color, mark = colors
    width, height, right, up = scale.size(item.solid)
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


def _draw_arrow(axes: "Axes", item: _Drawn, following: _Drawn, scale: _Scale, middle: float) -> None:
    width, _, right, up = scale.size(item.solid)
    start = item.x + (item.slot + width) / 2 + right / 2
    next_width, _, next_right, _ = scale.size(following.solid)
    end = following.x + (following.slot - next_width - next_right) / 2
    axes.annotate(
        "",
        xy=(end - 0.02, middle),
        xytext=(start + 0.02 - (right / 2 if up else 0), middle),
        arrowprops={"arrowstyle": "->", "color": EDGE, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        zorder=0,
    )


def chain_panel(report: ArchitectureReport) -> Iterator[Panel]:
    """The shapes on the way from input to output; nothing where none are known."""
    if len(report.chain) <= 1:
        return
    families = families_of(report.summary)

    def family(stage: ChainStage) -> Family:
        return min(families.get(path, Family.OTHER) for path in stage.paths)

    chain = _read(report)
    scale = _scale([chain])
    yield _panel(
        "Feature maps",
        chain,
        scale,
        scale.told,
        lambda stage: (color_of(family(stage)), ""),
        sorted({family(stage) for stage in report.chain}),
    )


def diff_chain_panels(report: DiffReport) -> Iterator[Panel]:
    """Both chains to one scale, the stages in which something changed in colour and with its sign."""
    sides = [side for side in (report.before, report.after) if len(side.chain) > 1]
    chains = [_read(side) for side in sides]
    scale = _scale(chains) if sides else None
    for side, chain in zip(sides, chains, strict=True):
        if scale is not None:
            kinds = _kinds(report.diff, is_before=side is report.before)
            title = shortened(side.summary.architecture.title, 3.0, 8.5)
            told = scale.told if side is sides[0] else "to the same scale"
            yield _panel(title, chain, scale, told, partial(_changed, kinds))


def _kinds(diff: ModelDiff, *, is_before: bool) -> dict[str, set[ChangeKind]]:
    """Path → the kinds of change in the module and below it, on one side."""
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
