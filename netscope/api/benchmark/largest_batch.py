"""The largest batch that fits into memory."""

from collections.abc import Callable
from dataclasses import dataclass

from netscope.errors import NetscopeError

LARGEST_TRIED = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestBatch:
    """What was found.

    Attributes:
        size: of the batch.
        remark: how that is known, in words.
    """

    size: int
    remark: str


def largest_batch(fits: Callable[[int], bool], is_stopped: Callable[[], bool]) -> LargestBatch:
    """Doubles the batch until it does not fit, then halves the distance to it until one more does not.

    Args:
        fits: whether a batch of that size runs.
        is_stopped: whether someone wants it to end.

    Raises:
        NetscopeError: not even a batch of one runs, for another reason than memory.
    """
    size, too_large, remark = 0, 0, ""
    while not is_stopped() and too_large - size != 1 and size < LARGEST_TRIED:
        tried = (size + too_large) // 2 if too_large else max(2 * size, 1)
        try:
            it_fits = fits(tried)
        except NetscopeError as error:
            if tried == 1:
                raise
            it_fits, remark = False, f"; a batch of {tried:,} fails for another reason: {error}"
        size, too_large = (tried, too_large) if it_fits else (size, tried)
    if too_large - size == 1:
        found = f"a batch of {size:,} is the largest that fits" if size else "not even a batch of 1 fits"
    else:
        found = f"larger batches than {size:,} may fit"
    return LargestBatch(size=max(size, 1), remark=found + remark)
