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
        note: how that is known, in words.
    """

    size: int
    note: str


def largest_batch(fits: Callable[[int], bool], is_stopped: Callable[[], bool]) -> LargestBatch:
    """Doubles the batch until it does not fit, then halves the distance to it until one more does not.

    Args:
        fits: whether a batch of that size runs.
        is_stopped: whether someone wants it to end.

    Raises:
        NetscopeError: neither a batch of one nor of two runs, for another reason than memory. A batch of one may not,
            as under batch normalisation.
    """
    size, too_large, note = _smallest(fits), 0, ""
    while not is_stopped() and 0 < size < LARGEST_TRIED and too_large - size != 1:
        tried = (size + too_large) // 2 if too_large else 2 * size
        try:
            it_fits = fits(tried)
        except NetscopeError as error:
            it_fits, note = False, f"; a batch of {tried:,} fails for another reason: {error}"
        size, too_large = (tried, too_large) if it_fits else (size, tried)
    if not size:
        found = "not even a batch of 1 fits"
    elif too_large - size == 1:
        found = f"a batch of {size:,} is the largest that fits"
    else:
        found = f"larger batches than {size:,} may fit"
    return LargestBatch(size=max(size, 1), note=found + note)


def _smallest(fits: Callable[[int], bool]) -> int:
    """The smallest batch that runs; 0 if memory does not even suffice for one."""
    try:
        return int(fits(1))
    except NetscopeError:
        return 2 if fits(2) else 0
