"""Lists the architectures that can be loaded by name, caching the catalogs of sources."""

from contextlib import suppress

from netscope import sources
from netscope.api.result_cache import Query, compute_key, get_or_compute, lookup
from netscope.errors import NetscopeError
from netscope.schema import Listing
from netscope.sources import Catalog


def list_architectures(pattern: str = "*") -> Listing:
    """Returns the architectures that can be loaded by name.

    Args:
        pattern: pattern with ``*`` and ``?`` for the name or ``source/name``; without either, a part of the name.
    """
    architectures, notes = sources.list_names(pattern, load_catalog)
    return Listing(pattern=pattern, architectures=architectures, notes=notes)


def load_catalog(source: str) -> Catalog:
    """Returns the catalog of a source, cached if possible.

    Raises:
        NetscopeError: the errors of ``sources.load_catalog``.
    """
    if source == sources.BUILT_IN:
        return sources.load_catalog(source)
    return get_or_compute(_query(source), Catalog, lambda: sources.load_catalog(source))


def lookup_catalog(source: str) -> Catalog | None:
    """Returns the built-in or cached catalog of a source without importing it; None if it is not cached."""
    return sources.load_catalog(source) if source == sources.BUILT_IN else lookup(compute_key(_query(source)), Catalog)


def list_known_names() -> tuple[str, ...]:
    """Returns the names that are known without importing a source."""
    empty = Catalog(entries=(), names=())
    listed, _ = sources.list_names("*", lambda source: lookup_catalog(source) or empty)
    return tuple(entry.name for entry in listed)


def cache_source_names() -> None:
    """Caches the catalogs of sources that are already imported, for ``list_known_names`` in later processes."""
    for source in sources.list_imported_sources():
        if lookup_catalog(source) is None:
            with suppress(NetscopeError):
                load_catalog(source)


def _query(source: str) -> Query:
    return Query(kind="names", spec=source)
