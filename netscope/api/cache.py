"""Shows, clears and prunes cached results."""

import time
from contextlib import suppress
from dataclasses import replace

from netscope import cache
from netscope.schema import CacheContents

DAY_S = 86_400.0
UNUSED_DAYS = 30.0
"""Days without use after which ``prune`` removes a result by default."""


def read_cache_contents() -> CacheContents:
    """Returns the content of the cache.

    Raises:
        UsageError: the cache file cannot be read, or other users can write to it.
    """
    store = cache.open_store()
    return CacheContents(path=str(store.path), results=store.list_results(), limit_bytes=store.limit_bytes)


def clear_cache() -> CacheContents:
    """Removes all cached results, and returns the empty cache with their number.

    Raises:
        UsageError: the cache file cannot be removed.
    """
    store = cache.open_store()
    count = 0
    with suppress(cache.StoreError):  # an unreadable file can still be removed
        count = len(store.list_results())
    store.clear()
    return replace(read_cache_contents(), removed=count)


def prune_cache(unused_days: float = UNUSED_DAYS, limit_bytes: int | None = None) -> CacheContents:
    """Removes old cached results, and returns the remaining ones with the number of those removed.

    Args:
        unused_days: remove results that were not used for this many days.
        limit_bytes: maximum size of the remaining results, the most recently used; None for the usual limit.

    Raises:
        UsageError: the cache file cannot be read or written, or other users can write to it.
    """
    store = cache.open_store()
    before = len(store.list_results())
    store.prune(time.time() - unused_days * DAY_S, limit_bytes)
    after = read_cache_contents()
    return replace(after, removed=before - len(after.results))
