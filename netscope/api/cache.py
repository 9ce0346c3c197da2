"""What was kept of earlier answers: shown, cleared and pruned."""

import time
from contextlib import suppress
from dataclasses import replace

from netscope import cache
from netscope.schema import CacheContents

DAY_S = 86_400.0
UNUSED_DAYS = 30.0
"""After which ``prune`` takes an answer for forgotten."""


def read_cache_contents() -> CacheContents:
    """What is kept.

    Raises:
        UsageError: the file cannot be read, or is not trusted.
    """
    store = _store()
    return CacheContents(path=str(store.path), answers=store.answers(), limit_bytes=store.limit_bytes)


def clear_cache() -> CacheContents:
    """Removes all, and says how much that was.

    Raises:
        UsageError: the file cannot be removed.
    """
    store = _store()
    count = 0
    with suppress(cache.StoreError):  # what cannot be read can be cleared
        count = len(store.answers())
    store.clear()
    return replace(read_cache_contents(), removed=count)


def prune_cache(unused_days: float = UNUSED_DAYS, limit_bytes: int | None = None) -> CacheContents:
    """Removes what is of no more use, and says how much that was.

    Args:
        unused_days: what was not given for that long goes.
        limit_bytes: of what stays, the last used; None for what there may always be.

    Raises:
        UsageError: the file cannot be read or written, or is not trusted.
    """
    store = _store()
    before = len(store.answers())
    store.prune(time.time() - unused_days * DAY_S, limit_bytes)
    after = read_cache_contents()
    return replace(after, removed=before - len(after.answers))


def _store() -> cache.Store:
    return cache.Store(cache.find_folder(), cache.LIMIT_BYTES)
