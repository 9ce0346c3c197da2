"""Finds the largest batch that fits in memory."""

from collections.abc import Callable
from dataclasses import dataclass

from netscope.errors import NetscopeError, OutOfMemoryError

MAX_BATCH_SIZE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestBatch:
    """The result of a search for the largest batch.

    Attributes:
        size: the batch size.
        note: the reason in words.
    """

    size: int
    note: str


def find_largest_batch(try_batch: Callable[[int], None], is_stopped: Callable[[], bool]) -> LargestBatch:
    """Returns the largest batch size that fits, found by doubling and then by bisection.

    Args:
        try_batch: runs a batch of a size.
        is_stopped: whether the user asked to stop.

    Raises:
        NetscopeError: neither a batch of 1 nor of 2 runs, for another reason than memory. A batch of 1 may fail e.g.
            with batch normalization.
    """
    size, too_large, note = _find_smallest(try_batch), 0, ""
    while not is_stopped() and 0 < size < MAX_BATCH_SIZE and too_large - size != 1:
        tried = (size + too_large) // 2 if too_large else 2 * size
        try:
            has_run = _has_room(try_batch, tried)
        except NetscopeError as error:
            has_run, note = False, f"; a batch of {tried:,} fails for another reason: {error}"
        size, too_large = (tried, too_large) if has_run else (size, tried)
    if not size:
        reason = "not even a batch of 1 fits"
    elif too_large - size == 1:
        reason = f"a batch of {size:,} is the largest that fits"
    else:
        reason = f"larger batches than {size:,} may fit"
    return LargestBatch(size=max(size, 1), note=reason + note)


def _find_smallest(try_batch: Callable[[int], None]) -> int:
    """Returns the smallest batch size that runs; 0 if not even a batch of 1 fits in memory."""
    try:
        return int(_has_room(try_batch, 1))
    except NetscopeError:
        return 2 if _has_room(try_batch, 2) else 0


def _has_room(try_batch: Callable[[int], None], size: int) -> bool:
    """Runs a batch; returns whether memory suffices."""
    try:
        try_batch(size)
    except OutOfMemoryError:
        return False
    return True
