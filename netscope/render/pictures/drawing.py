"""Parts of all panels: sizes in inches, colors, and fitting text to a width."""

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
        title: the title above the panel.
        height: height in inches, without the title.
        draw: function that draws the panel into axes whose unit is an inch, from a height downward.
        note: text next to the title, such as the scale.
        families: families of the layers in the panel, for the legend.
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
    """Returns a mix of the color, with this share of it, and white."""
    parts = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)


EDGE = mixed(SOFT, 0.75)
"""The color of edges, arrows and axes: as light as the page's, which are translucent."""


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float) -> float:
    """Returns the width of text in inches, in the font of the pictures."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / POINTS


def fits(text: str, width: float, size: float) -> bool:
    """Whether text is at most this many inches wide."""
    return text_width(text, size) <= width


def shortened(text: str, width: float, size: float) -> str:
    """Returns the text on one line, without its middle if it is wider than this many inches."""
    text = printable(text)
    if fits(text, width, size):
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if fits(_cut(text, kept), width, size) else (low, kept - 1)
    return _cut(text, low)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Returns the lines of a text that is wrapped to a width in inches."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and not fits(longer, width, size):
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, width, size) for line in lines]


def _cut(text: str, kept: int) -> str:
    """Returns a text with so many of its characters; more from its end, because paths often start alike."""
    start = kept // 3
    return f"{text[:start]}…{text[len(text) - (kept - start) :]}"


def children_of(rows: Collection[LayerRow]) -> dict[str, list[LayerRow]]:
    """Returns, by path, the rows directly below a module, in order."""
    below: dict[str, list[LayerRow]] = {row.path: [] for row in rows}
    for row in rows:
        if row.path:
            below.setdefault(row.path.rpartition(".")[0], []).append(row)
    return below


def draw_legend(axes: "Axes", top: float, families: Collection[Family]) -> None:
    """Draws the colors of families with their names."""
    from matplotlib.patches import Rectangle

    x = 0.0
    for family in families:
        axes.add_patch(Rectangle((x, top + 0.03), 0.1, 0.1, facecolor=color_of(family), edgecolor="none"))
        axes.text(x + 0.14, top + 0.08, family.label, fontsize=6.5, color=SOFT, va="center")
        x += 0.14 + text_width(family.label, 6.5) + 0.2
