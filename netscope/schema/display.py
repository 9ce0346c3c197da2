"""How a result prints itself without knowing the renderers.

``schema`` stands below ``render``, so it may not import it; ``netscope/__init__.py`` stands above both and
hands the renderer in.
"""

from collections.abc import Callable

_renderers: list[Callable[[object], str]] = []


def set_renderer(renderer: Callable[[object], str]) -> None:
    """Makes ``renderer`` what ``str(result)`` calls."""
    _renderers[:] = [renderer]


class Displayed:
    """A result whose ``str`` is its table."""

    __slots__ = ()

    def __str__(self) -> str:
        return _renderers[0](self) if _renderers else repr(self)
