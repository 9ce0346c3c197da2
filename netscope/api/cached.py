"""What was kept of earlier answers: shown, cleared and pruned."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TypeVar

from netscope import cache
from netscope.errors import UsageError
from netscope.schema import CacheContents, CachedAnswer

Result = TypeVar("Result")

DAY_S = 86_400.0
UNUSED_DAYS = 30.0
"""After which ``prune`` takes an answer for forgotten."""


def cache_contents() -> CacheContents:
    """What is kept.

    Raises:
        UsageError: the file cannot be read.
    """
    store = _store()
    return CacheContents(
        path=str(store.path),
        answers=tuple(
            CachedAnswer(
                kind=usage.kind,
                name=usage.label,
                version=usage.version,
                made=_text(usage.made),
                used=_text(usage.used),
                bytes=usage.bytes,
            )
            for usage in _attempted(store.usage)
        ),
        limit_bytes=store.limit_bytes,
    )


def clear_cache() -> CacheContents:
    """Removes all, and says how much that was.

    Raises:
        UsageError: the file cannot be removed.
    """
    store = _store()
    count = 0
    with suppress(cache.StoreError):  # what cannot be read can be cleared
        count = len(store.usage())
    _attempted(store.clear)
    return replace(cache_contents(), removed=count)


def prune_cache(unused_days: float = UNUSED_DAYS, limit_bytes: int | None = None) -> CacheContents:
    """Removes what is of no more use, and says how much that was.

    Args:
        unused_days: what was not given for that long goes.
        limit_bytes: of what stays, the last used; None for what there may always be.

    Raises:
        UsageError: the file cannot be read or written.
    """
    store = _store()
    before = _attempted(store.usage)
    _attempted(lambda: store.prune(time.time() - unused_days * DAY_S, limit_bytes))
    after = cache_contents()
    return replace(after, removed=len(before) - len(after.answers))


def _store() -> cache.Store:
    return cache.Store(cache.folder(), cache.LIMIT_BYTES)


def _attempted(action: Callable[[], Result]) -> Result:
    try:
        return action()
    except cache.StoreError as error:
        raise UsageError(f"the cache cannot be used: {error}") from error


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
