"""Lists the architectures that can be loaded by name, caching the catalogs of sources."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec

from netscope import sources
from netscope.api.arguments import check_arguments
from netscope.api.result_cache import Query, compute_key, get_or_compute, list_cached_specs, lookup
from netscope.api.workers.client import WorkerError
from netscope.errors import NetscopeError, UsageError, did_you_mean
from netscope.schema import ListedArchitecture, Listing
from netscope.sources import STDIN, Catalog

_EMPTY = Catalog(entries=(), names=())


class _Totals(msgspec.Struct):
    params: int


class _Summary(msgspec.Struct):
    totals: _Totals


class _CountedArchitecture(msgspec.Struct):
    """The part of a cached ``SourcedSummary`` that a list shows; to decode all of it takes five times as long."""

    summary: _Summary


@check_arguments()
def list_architectures(pattern: str = "*", only: str | Sequence[str] = ()) -> Listing:
    """Returns the architectures that can be loaded by name.

    Args:
        pattern: pattern with ``*`` and ``?`` for the name or ``source/name``; without either, a part of the name.
        only: names of the sources to search; empty for all.

    Raises:
        UsageError: there is no source of that name.
    """
    only = (only,) if isinstance(only, str) else only
    known = sources.list_sources()
    for name in only:
        if name not in known:
            suggestion = did_you_mean(name, known)
            raise UsageError(f"unknown source {name!r}{suggestion}; available sources: {', '.join(known)}")

    def look_up(source: str) -> Catalog:
        if not only or source in only:
            return load_catalog(source)
        # A name that an earlier source has must be typed with its source.
        with suppress(NetscopeError):
            return replace(load_catalog(source), entries=()) if source in sources.SOURCES else _EMPTY
        return _EMPTY

    architectures, notes = sources.list_names(pattern, look_up)
    found = _add_cached_params(architectures)
    return Listing(pattern=pattern, sources=tuple(only), architectures=found, notes=notes)


def _add_cached_params(entries: Iterable[ListedArchitecture]) -> tuple[ListedArchitecture, ...]:
    """Returns the entries, with the parameters of cached summaries where the source publishes none."""
    cached = list_cached_specs("summary")
    return tuple(
        replace(entry, params=found.summary.totals.params)
        if entry.params is None
        and entry.name in cached
        and (found := lookup(compute_key(Query(kind="summary", spec=entry.name)), _CountedArchitecture))
        else entry
        for entry in entries
    )


def load_catalog(source: str) -> Catalog:
    """Returns the catalog of a source, cached if possible.

    Raises:
        NetscopeError: the errors of ``sources.load_catalog``.
    """
    if source == sources.BUILT_IN:
        return sources.load_catalog(source)
    return get_or_compute(Query(kind="names", spec=source), Catalog, lambda: sources.load_catalog(source))


def find_name_error(model: str) -> WorkerError | None:
    """Returns the error of a name without source or path that no source has; None if one has it, or for others.

    The error needs no worker, which takes seconds to start.
    """
    if model == STDIN or model.startswith(f"{STDIN}:"):
        return WorkerError(
            "this command does not read Python code from stdin; write it to a file", UsageError.exit_code
        )
    if "/" not in model and not model.endswith(".json"):
        try:
            sources.locate(model, load_catalog)
        except NetscopeError as error:
            return WorkerError(str(error), error.exit_code)
    return None
