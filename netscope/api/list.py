"""``list_architectures``."""

from contextlib import suppress

from netscope import sources
from netscope.api.result_cache import Query, get_or_compute, lookup
from netscope.errors import NetscopeError
from netscope.schema import Listing
from netscope.sources import Catalogue


def list_architectures(pattern: str = "*") -> Listing:
    """The names that can be loaded.

    Args:
        pattern: with ``*`` and ``?``, on the name or on ``source/name``; without either, any name that holds it.
    """
    architectures, notes = sources.list_names(pattern, catalogue)
    return Listing(pattern=pattern, architectures=architectures, notes=notes)


def catalogue(source: str) -> Catalogue:
    """What there is in a source.

    Raises:
        NetscopeError: as ``sources.catalogue``.
    """
    if source == sources.BUILT_IN:
        return sources.catalogue(source)
    return get_or_compute(_query(source), Catalogue, lambda: sources.catalogue(source))


def known_catalogue(source: str) -> Catalogue | None:
    """The same as far as it is known without importing the source; None if it is not."""
    return sources.catalogue(source) if source == sources.BUILT_IN else lookup(_query(source), Catalogue)


def known_names() -> tuple[str, ...]:
    """What can be typed, as far as that is known without importing a source."""
    nothing = Catalogue(entries=(), names=())
    listed, _ = sources.list_names("*", lambda source: known_catalogue(source) or nothing)
    return tuple(entry.name for entry in listed)


def learn_names() -> None:
    """Keeps the names of the sources that were imported anyway, for ``known_names`` of later processes."""
    for source in sources.sources_at_hand():
        if known_catalogue(source) is None:
            with suppress(NetscopeError):
                catalogue(source)


def _query(source: str) -> Query:
    return Query(kind="names", spec=source)
