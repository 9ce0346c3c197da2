"""What a series of measurements of one thing says: its mean with an interval, its trend, its outliers, its tail."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, fsum, sqrt
from statistics import median

from netscope.statistics.student_t import NORMAL_90, NORMAL_975, t_quantile

LEVEL = 0.95
"""The probability with which an interval holds the true mean."""

MOST_AUTOCORRELATION = 0.2
"""Above it, two neighbours become one value: blocks of twice the length."""

OUTLYING = 3.5
_MAD_PER_SIGMA = 0.6745
_FEWEST_BATCHES = 8
_BEYOND_PERCENTILE = 10
_MOST_FOR_TREND = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean of a series, and how far it may be from the truth.

    Attributes:
        mean: of all values.
        half_width: of its interval at the level that was asked for; infinite for fewer than two values.
        batches: how many means of neighbours it was reckoned from.
        batch_size: how many values each of these holds, a power of two.
        autocorrelation: from each batch to the next.
    """

    mean: float
    half_width: float
    batches: int
    batch_size: int
    autocorrelation: float

    @property
    def relative(self) -> float:
        """The half-width as a share of the mean."""
        return self.half_width / self.mean if self.mean else float("inf")


def mean_estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean of measurements that may depend on the ones before them.

    Neighbours are joined in pairs, again and again, until the lag-1 autocorrelation is at most 0.2 (the method of batch
    means: Law and Carson 1979). What is left of it widens the interval, as that of an AR(1) process would, by
    sqrt((1 + r) / (1 - r)), where r is the upper 90 % limit of what was estimated. The widest interval of all stages is
    taken: an estimate of the autocorrelation that happens to be low at one of them cannot narrow it.
    """
    if len(values) < 2:  # noqa: PLR2004 - what a variance needs
        mean = values[0] if values else float("nan")
        return Estimate(mean=mean, half_width=float("inf"), batches=len(values), batch_size=1, autocorrelation=0.0)
    size, batches, half_width = 1, list(values), 0.0
    while True:
        r = autocorrelation(batches)
        half_width = max(half_width, _half_width(batches, r, level))
        if r <= MOST_AUTOCORRELATION or len(values) // (2 * size) < _FEWEST_BATCHES:
            break
        size *= 2
        batches = _joined(values, size)
    return Estimate(
        mean=fsum(values) / len(values),
        half_width=half_width,
        batches=len(batches),
        batch_size=size,
        autocorrelation=r,
    )


def autocorrelation(values: Sequence[float]) -> float:
    """The lag-1 autocorrelation, without the bias that a short series has (Kendall 1954: -(1 + 3 r) / n)."""
    count = len(values)
    mean = fsum(values) / count
    deviations = [value - mean for value in values]
    squares = fsum(deviation * deviation for deviation in deviations)
    if count < _FEWEST_BATCHES or not squares:
        return 0.0
    found = fsum(a * b for a, b in pairwise(deviations)) / squares
    return min((count * found + 1) / (count - 3), 1.0)


def _half_width(batches: Sequence[float], r: float, level: float) -> float:
    count = len(batches)
    mean = fsum(batches) / count
    variance = fsum((value - mean) ** 2 for value in batches) / (count - 1)
    upper = min(max(r + NORMAL_90 / sqrt(count), 0.0), 0.9)
    return t_quantile((1 + level) / 2, count - 1) * sqrt(variance / count * (1 + upper) / (1 - upper))


def _joined(values: Sequence[float], size: int) -> list[float]:
    """The means of each ``size`` neighbours; what is left over at the end has no batch."""
    return [fsum(values[start : start + size]) / size for start in range(0, len(values) - size + 1, size)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a series changes from its start to its end, as a share of its median.

    Attributes:
        change: the Theil-Sen slope over the whole length.
        low: of its 95 % interval.
        high: likewise.
    """

    change: float
    low: float
    high: float


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The Theil-Sen slope, the median of the slopes of all pairs, which outliers do not move; and its interval.

    The interval is Sen's (1968), from the variance of Kendall's statistic. A long series is joined to at most 200 means
    first.
    """
    size = -(-len(values) // _MOST_FOR_TREND)
    times, values = _joined(times, size), _joined(values, size)
    count = len(values)
    slopes = sorted(
        (values[j] - values[i]) / (times[j] - times[i])
        for i in range(count)
        for j in range(i + 1, count)
        if times[j] > times[i]
    )
    middle = median(values) if values else 0.0
    if not slopes or not middle:
        return Trend(change=0.0, low=float("-inf"), high=float("inf"))
    spread = NORMAL_975 * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(int((len(slopes) + spread) / 2) + 1, len(slopes) - 1)
    length = (times[-1] - times[0]) / middle
    return Trend(change=median(slopes) * length, low=slopes[low] * length, high=slopes[high] * length)


def outliers(values: Sequence[float]) -> int:
    """How many lie beyond 3.5 scaled median absolute deviations (Iglewicz and Hoaglin 1993)."""
    middle = median(values)
    deviation = median(abs(value - middle) for value in values)
    return sum(1 for value in values if _MAD_PER_SIGMA * abs(value - middle) > OUTLYING * deviation)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that ``share`` of the values do not exceed; None where fewer than ten lie beyond it."""
    beyond = round(len(values) * (1 - share), 9)
    if beyond < _BEYOND_PERCENTILE:
        return None
    return sorted(values)[ceil(len(values) - beyond) - 1]
