"""How a result prints itself without knowing the renderers.

``schema`` stands below ``render``, so it may not import it; ``netscope/__init__.py`` stands above both and hands the
renderer in. It is no part of ``schema`` so that this costs ``import netscope`` nothing.
"""

from collections.abc import Callable

_renderers: list[Callable[[object], str]] = []


def set_renderer(renderer: Callable[[object], str]) -> None:
    """Makes ``renderer`` what ``str(result)`` calls."""
    _renderers[:] = [renderer]


class Displayed:
    """A result whose ``str`` and ``repr`` are its table."""

    __slots__ = ()

    def __str__(self) -> str:
        return _renderers[0](self) if _renderers else object.__repr__(self)

    __repr__ = __str__
