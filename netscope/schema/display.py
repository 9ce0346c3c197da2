"""How a result shows itself without knowing the renderers.

``schema`` stands below ``render``, so it may not import it; ``netscope/__init__.py`` stands above both and hands the
renderer in. It is no part of ``schema`` so that this costs ``import netscope`` nothing.
"""

from collections.abc import Callable
from typing import Literal

Form = Literal["text", "html", "markdown"]
Renderer = Callable[[object, Form], str]

_renderers: list[Renderer] = []


def set_renderer(renderer: Renderer) -> None:
    """Makes ``renderer`` what shows results, in each of the forms."""
    _renderers[:] = [renderer]


class Displayed:
    """A result whose ``str`` and ``repr`` are its table, which folds in a notebook."""

    __slots__ = ()

    def __str__(self) -> str:
        return _renderers[0](self, "text") if _renderers else object.__repr__(self)

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        """What a notebook shows; None, so that it shows the text, where nobody renders."""
        return _renderers[0](self, "html") if _renderers else None

    def _repr_markdown_(self) -> str | None:
        return _renderers[0](self, "markdown") if _renderers else None
