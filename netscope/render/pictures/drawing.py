"""What all panels share: sizes in inches, colours, and how text is made to fit."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from netscope.render.document import printable
from netscope.render.page.families import FAMILIES, family_of_op
from netscope.schema import LayerRow, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 10.0
LEGEND_HEIGHT = 0.2
POINTS = 72
"""Points in an inch."""

INK = "#1b1d21"
SOFT = "#565b64"
LINE = "#a3a6ab"
ACCENT = "#1f5fbf"
PALE = "#e9e9e5"

HOLDER = FAMILIES.index("holds others")
OTHER = FAMILIES.index("other")

_COLORS = dict(
    zip(
        FAMILIES,
        ("#3b6fd4", "#8448c0", "#0e8278", "#c46a08", "#3f8f2f", "#66758c", "#bf3f6b", "#8b8f97", "#a8a69c"),
        strict=True,
    )
)
CHANGE_COLORS = {"same": "#b9bcc1", "changed": "#b87900", "added": "#2a8a4a", "removed": "#c03a2b", "moved": "#7a4fc0"}
SIGNS = {"same": "", "changed": "~", "added": "+", "removed": "−", "moved": ">"}


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
    families: Collection[int] = ()


def color_of(family: int) -> str:
    """Of the layers of a family."""
    return _COLORS[FAMILIES[family]]


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


def families_of(summary: Summary) -> dict[str, int]:
    """Path → the most telling family of what ran in the module or below it."""
    found: dict[str, int] = {}
    for row in summary.rows:
        own = min((family_of_op(op.op) for op in row.ops), default=OTHER)
        path = row.path
        while True:
            found[path] = min(found.get(path, OTHER), own)
            if not path:
                break
            path = path.rpartition(".")[0]
    return found


def children_of(rows: Collection[LayerRow]) -> dict[str, list[LayerRow]]:
    """Path → the rows directly below it, in order."""
    below: dict[str, list[LayerRow]] = {row.path: [] for row in rows}
    for row in rows:
        if row.path:
            below.setdefault(row.path.rpartition(".")[0], []).append(row)
    return below


def draw_legend(axes: "Axes", top: float, families: Collection[int]) -> None:
    """Colour → family."""
    from matplotlib.patches import Rectangle

    x = 0.0
    for family in families:
        axes.add_patch(Rectangle((x, top + 0.03), 0.1, 0.1, facecolor=color_of(family), edgecolor="none"))
        axes.text(x + 0.14, top + 0.08, FAMILIES[family], fontsize=6.5, color=SOFT, va="center")
        x += 0.14 + text_width(FAMILIES[family], 6.5) + 0.2
