"""``list_architectures``."""

from contextlib import suppress

from netscope import sources
from netscope.api.result_cache import Query, get_or_compute, lookup
from netscope.errors import NetscopeError
from netscope.schema import Listing
from netscope.sources import Catalog


def list_architectures(pattern: str = "*") -> Listing:
    """The names that can be loaded.

    Args:
        pattern: with ``*`` and ``?``, on the name or on ``source/name``; without either, any name that holds it.
    """
    architectures, notes = sources.list_names(pattern, load_catalog)
    return Listing(pattern=pattern, architectures=architectures, notes=notes)


def load_catalog(source: str) -> Catalog:
    """What there is in a source.

    Raises:
        NetscopeError: as ``sources.catalogue``.
    """
    if source == sources.BUILT_IN:
        return sources.load_catalog(source)
    return get_or_compute(_query(source), Catalog, lambda: sources.load_catalog(source))


def lookup_catalog(source: str) -> Catalog | None:
    """The same as far as it is known without importing the source; None if it is not."""
    return sources.load_catalog(source) if source == sources.BUILT_IN else lookup(_query(source), Catalog)


def list_known_names() -> tuple[str, ...]:
    """What can be typed, as far as that is known without importing a source."""
    nothing = Catalog(entries=(), names=())
    listed, _ = sources.list_names("*", lambda source: lookup_catalog(source) or nothing)
    return tuple(entry.name for entry in listed)


def cache_source_names() -> None:
    """Keeps the names of the sources that were imported anyway, for ``list_known_names`` of later processes."""
    for source in sources.list_imported_sources():
        if lookup_catalog(source) is None:
            with suppress(NetscopeError):
                load_catalog(source)


def _query(source: str) -> Query:
    return Query(kind="names", spec=source)
