"""What all panels share: sizes in inches, colours, and how text is made to fit."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from netscope.render.colors import COLORS
from netscope.render.diff import SIGNS
from netscope.render.document import printable
from netscope.render.families import Family
from netscope.schema import ChangeKind, LayerRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 10.0
LEGEND_HEIGHT = 0.2
POINTS = 72
"""Points in an inch."""

INK, SOFT, ACCENT, LINE = (COLORS[role].light for role in ("ink", "soft", "accent", "line"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of several.

    Attributes:
        title: above it.
        height: in inches, without the title.
        draw: draws it into axes whose unit is an inch, from this height down.
        note: such as its scale, beside the title.
        families: of the layers in it, for the legend.
    """

    title: str
    height: float
    draw: "Callable[[Axes, float], None]"
    note: str = ""
    families: Collection[Family] = ()


def color_of(family: Family) -> str:
    """Returns the color of the layers of a family."""
    return COLORS[f"family-{family.label}"].light


def change_color(kind: ChangeKind) -> str:
    """Returns the color of a kind of change."""
    return COLORS[kind].light


def change_sign(kind: ChangeKind) -> str:
    """Returns the sign of a kind of change; empty for what stayed the same."""
    return "" if kind == "same" else SIGNS[kind]


def mixed(color: str, share: float) -> str:
    """The colour with so much of it, the rest white."""
    parts = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float) -> float:
    """In inches, in the font of the pictures."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / POINTS


def fits(text: str, width: float, size: float) -> bool:
    """Whether it is no wider than so many inches."""
    return text_width(text, size) <= width


def shortened(text: str, width: float, size: float) -> str:
    """The text on one line, its middle left out where it is wider than so many inches."""
    text = printable(text)
    if fits(text, width, size):
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if fits(_cut(text, kept), width, size) else (low, kept - 1)
    return _cut(text, low)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """The text on as many lines as it takes."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and not fits(longer, width, size):
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, width, size) for line in lines]


def _cut(text: str, kept: int) -> str:
    """Its end says more than its beginning, which layers have in common."""
    start = kept // 3
    return f"{text[:start]}…{text[len(text) - (kept - start) :]}"


def children_of(rows: Collection[LayerRow]) -> dict[str, list[LayerRow]]:
    """Path → the rows directly below it, in order."""
    below: dict[str, list[LayerRow]] = {row.path: [] for row in rows}
    for row in rows:
        if row.path:
            below.setdefault(row.path.rpartition(".")[0], []).append(row)
    return below


def draw_legend(axes: "Axes", top: float, families: Collection[Family]) -> None:
    """Colour → family."""
    from matplotlib.patches import Rectangle

    x = 0.0
    for family in families:
        axes.add_patch(Rectangle((x, top + 0.03), 0.1, 0.1, facecolor=color_of(family), edgecolor="none"))
        axes.text(x + 0.14, top + 0.08, family.label, fontsize=6.5, color=SOFT, va="center")
        x += 0.14 + text_width(family.label, 6.5) + 0.2


EDGE = mixed(SOFT, 0.75)
"""The color of the dataflow's edges and of outlines, as strong as on the page."""
