"""Statistics of one series of measurements: mean with interval, trend, outliers and percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, fsum, sqrt
from statistics import median

from netscope.statistics.student_t import NORMAL_QUANTILE_90, NORMAL_QUANTILE_975, t_quantile

LEVEL = 0.95
"""The confidence level of an interval."""

MAX_AUTOCORRELATION = 0.2
"""If the autocorrelation is higher, values are averaged in pairs."""

OUTLIER_SCORE = 3.5
_MAD_PER_SIGMA = 0.6745
_MIN_BATCHES = 8
_MIN_BEYOND_PERCENTILE = 10
_MAX_TREND_VALUES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean of a series with its interval.

    Attributes:
        mean: the mean of all values.
        half_width: the half-width of the interval; infinite for fewer than two values.
        batches: the number of batch means that the interval was computed from.
        batch_size: the number of values in a batch, a power of two.
        autocorrelation: the lag-1 autocorrelation of the batch means.
    """

    mean: float
    half_width: float
    batches: int
    batch_size: int
    autocorrelation: float

    @property
    def relative(self) -> float:
        """Returns the half-width as a fraction of the mean."""
        return self.half_width / self.mean if self.mean else float("inf")


def estimate_mean(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Returns the mean of measurements that may be autocorrelated.

    Neighbors are averaged in pairs, repeatedly, until the lag-1 autocorrelation is at most 0.2 (batch means: Law and
    Carson 1979). The remaining autocorrelation widens the interval by sqrt((1 + r) / (1 - r)), as for an AR(1) process,
    where r is the upper 90% limit of the estimate. The widest interval of all stages is used, so an estimate that
    happens to be low at one stage cannot narrow it.
    """
    if len(values) < 2:  # noqa: PLR2004 - the minimum for a variance
        mean = values[0] if values else float("nan")
        return Estimate(mean=mean, half_width=float("inf"), batches=len(values), batch_size=1, autocorrelation=0.0)
    size, batches, half_width = 1, list(values), 0.0
    while True:
        r = estimate_autocorrelation(batches)
        half_width = max(half_width, _half_width(batches, r, level))
        if r <= MAX_AUTOCORRELATION or len(values) // (2 * size) < _MIN_BATCHES:
            break
        size *= 2
        batches = _average_batches(values, size)
    return Estimate(
        mean=fsum(values) / len(values), half_width=half_width, batches=len(batches), batch_size=size, autocorrelation=r
    )


def estimate_autocorrelation(values: Sequence[float]) -> float:
    """Returns the lag-1 autocorrelation, corrected for the bias of short series (Kendall 1954: -(1 + 3 r) / n)."""
    count = len(values)
    mean = fsum(values) / count
    deviations = [value - mean for value in values]
    squares = fsum(deviation * deviation for deviation in deviations)
    if count < _MIN_BATCHES or not squares:
        return 0.0
    found = fsum(a * b for a, b in pairwise(deviations)) / squares
    return min((count * found + 1) / (count - 3), 1.0)


def _half_width(batches: Sequence[float], r: float, level: float) -> float:
    count = len(batches)
    mean = fsum(batches) / count
    variance = fsum((value - mean) ** 2 for value in batches) / (count - 1)
    upper = min(max(r + NORMAL_QUANTILE_90 / sqrt(count), 0.0), 0.9)
    return t_quantile((1 + level) / 2, count - 1) * sqrt(variance / count * (1 + upper) / (1 - upper))


def _average_batches(values: Sequence[float], size: int) -> list[float]:
    """Returns the means of each ``size`` neighbors; a shorter rest at the end is dropped."""
    return [fsum(values[start : start + size]) / size for start in range(0, len(values) - size + 1, size)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The change of a series from start to end, as a fraction of its median.

    Attributes:
        change: the Theil-Sen slope times the length.
        low: the lower end of its 95% interval.
        high: the upper end of its 95% interval.
    """

    change: float
    low: float
    high: float


def estimate_trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Returns the Theil-Sen slope, the median of the slopes of all pairs, which is robust to outliers.

    The interval is Sen's (1968), from the variance of Kendall's statistic. A long series is first averaged to at most
    200 means.
    """
    size = -(-len(values) // _MAX_TREND_VALUES)
    times, values = _average_batches(times, size), _average_batches(values, size)
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
    spread = NORMAL_QUANTILE_975 * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(int((len(slopes) + spread) / 2) + 1, len(slopes) - 1)
    length = (times[-1] - times[0]) / middle
    return Trend(change=median(slopes) * length, low=slopes[low] * length, high=slopes[high] * length)


def count_outliers(values: Sequence[float]) -> int:
    """Returns the number of values beyond 3.5 scaled median absolute deviations (Iglewicz and Hoaglin 1993)."""
    middle = median(values)
    deviation = median(abs(value - middle) for value in values)
    return sum(1 for value in values if _MAD_PER_SIGMA * abs(value - middle) > OUTLIER_SCORE * deviation)


def compute_percentile(values: Sequence[float], share: float) -> float | None:
    """Returns the value that ``share`` of the values do not exceed; None if fewer than ten values exceed it."""
    beyond = round(len(values) * (1 - share), 9)
    if beyond < _MIN_BEYOND_PERCENTILE:
        return None
    return sorted(values)[ceil(len(values) - beyond) - 1]
