"""The colors of pages, notebooks and pictures, and the styles of the terminal, each defined once by its role."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from netscope.render.document import Style


@dataclass(frozen=True, slots=True)
class Color:
    """A color for light and for dark backgrounds, as hexadecimal RGB."""

    light: str
    dark: str

    @property
    def css(self) -> str:
        """The color in CSS, for ``color-scheme: light dark``."""
        return f"light-dark({self.light},{self.dark})"


COLORS: Mapping[str, Color] = MappingProxyType(
    {
        "paper": Color("#fbfbf9", "#14161a"),
        "surface": Color("#ffffff", "#1b1e24"),
        "raised": Color("#f3f3ef", "#242830"),
        "line": Color("#deded8", "#333842"),
        "ink": Color("#1b1d21", "#e8e9ec"),
        "soft": Color("#565b64", "#a9afba"),
        "accent": Color("#1f5fbf", "#7fb2ff"),
        "bar": Color("#c6dcf7", "#1f4a78"),
        "hover": Color("#e9f0fb", "#26334a"),
        "mark": Color("#ffe58a", "#6b5510"),
        "more": Color("#a3361f", "#ff9d85"),
        "less": Color("#1d6b3a", "#7ed79c"),
        "family-convolution": Color("#3b6fd4", "#6e9bf0"),
        "family-attention": Color("#8448c0", "#b98aec"),
        "family-recurrent": Color("#0e8278", "#4cc4b8"),
        "family-matmul": Color("#c46a08", "#eda04a"),
        "family-embedding": Color("#3f8f2f", "#86cc74"),
        "family-normalization": Color("#66758c", "#9fb0c8"),
        "family-pooling": Color("#bf3f6b", "#ee86a8"),
        "family-other": Color("#8b8f97", "#8d939e"),
        "family-container": Color("#a8a69c", "#5f6672"),
        "same": Color("#a3a6ab", "#676d78"),
        "changed": Color("#b87900", "#e8b64a"),
        "added": Color("#2a8a4a", "#6fce8f"),
        "removed": Color("#c03a2b", "#f4806f"),
        "moved": Color("#7a4fc0", "#b493ee"),
        "changed-text": Color("#7d5200", "#ecc064"),
        "added-text": Color("#1d6b3a", "#7ed79c"),
        "removed-text": Color("#a82e20", "#ff9484"),
        "moved-text": Color("#6a3fb0", "#c0a4f2"),
    }
)
"""The palette. ``family-X`` colors a family of ops, and the name of a kind of change colors its areas; text needs more
contrast and has ``X-text``."""

TERMINAL_STYLES: Mapping[Style, str] = MappingProxyType(
    {"plain": "", "strong": "bold", "faint": "dim", "added": "green", "removed": "red", "changed": "magenta"}
)
"""The styles of rows as rich names them; the terminal's theme has the exact colors.

Yellow is not among them: on white, xterm's has a contrast of 1.7:1. Magenta has 4.7:1 on white and 4.4:1 on black.
"""

TERMINAL_BAR = "cyan"


def css_properties(prefix: str = "", names: Iterable[str] = COLORS) -> str:
    """Returns the declarations of colors as CSS custom properties.

    Args:
        prefix: put before each name, as in ``--PREFIXink``.
        names: the colors to declare.
    """
    return "".join(f"--{prefix}{name}:{COLORS[name].css};" for name in names)
