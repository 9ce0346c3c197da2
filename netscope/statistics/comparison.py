"""Compares the times of two series: ratio, interval and verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log
from typing import Literal

from netscope.statistics.series import LEVEL, Estimate, estimate_mean
from netscope.statistics.student_t import t_cdf, t_quantile

Verdict = Literal["faster", "slower", "equivalent", "inconclusive"]

EQUIVALENT_WITHIN = 0.01
"""If the whole interval is this close to 1, the difference does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The ratio of two times, second over first; above 1 the first is faster.

    Attributes:
        ratio: the estimated ratio.
        low: the lower end of the interval.
        high: the upper end of the interval.
        level: the confidence level of the interval.
        p_value: the probability of a difference this large or larger if there were none.
        degrees_of_freedom: the degrees of freedom of the interval.
    """

    ratio: float
    low: float
    high: float
    level: float
    p_value: float
    degrees_of_freedom: int

    @property
    def half_width(self) -> float:
        """Returns half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def verdict(self) -> Verdict:
        """Returns the verdict on the first; ``"equivalent"`` if the interval is within 1%, even if it excludes 1."""
        if self.low > 1 - EQUIVALENT_WITHIN and self.high < 1 + EQUIVALENT_WITHIN:
            return "equivalent"
        if self.low > 1:
            return "faster"
        return "slower" if self.high < 1 else "inconclusive"


def compare_pairs(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Difference:
    """Returns the ratio of two series that were measured interleaved: A B, B A, A B, ….

    Each round gives the logarithm of a ratio. The mean of two rounds, one in each order, cancels a steady drift over
    them, so the interval is computed from these means.

    Args:
        first: the times of A, one per round.
        second: the times of B.
        level: the confidence level of the interval.
    """
    logs = [log(b / a) for a, b in zip(first, second, strict=True)]
    rounds = [(forth + back) / 2 for forth, back in zip(logs[::2], logs[1::2], strict=False)]
    return _create_difference(estimate_mean(rounds, level), level)


def compare_series(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Difference:
    """Returns the ratio of two series that were measured separately, e.g. in different runs.

    The interval is Welch's, with the smaller degrees of freedom, on the logarithms. It includes the noise within each
    run, but not other differences between runs.
    """
    estimates = [estimate_mean(series, level) for series in (first, second)]
    errors = [estimate.relative for estimate in estimates]
    difference = Estimate(
        mean=log(estimates[1].mean / estimates[0].mean),
        half_width=hypot(*errors),
        batches=min(estimate.batches for estimate in estimates),
        batch_size=1,
        autocorrelation=0.0,
    )
    return _create_difference(difference, level)


def _create_difference(estimate: Estimate, level: float) -> Difference:
    """Returns the difference of an estimated logarithm of a ratio."""
    degrees_of_freedom = max(estimate.batches - 1, 1)
    mean, half = estimate.mean, estimate.half_width
    standard_error = half / t_quantile((1 + level) / 2, degrees_of_freedom)
    if standard_error:
        p_value = 2 * (1 - t_cdf(abs(mean) / standard_error, degrees_of_freedom)) if half < float("inf") else 1.0
    else:
        p_value = 0.0 if mean else 1.0
    return Difference(
        ratio=exp(mean),
        low=exp(mean - half),
        high=_exp(mean + half),
        level=level,
        p_value=p_value,
        degrees_of_freedom=degrees_of_freedom,
    )


def _exp(value: float) -> float:
    return exp(value) if value < 700 else float("inf")  # noqa: PLR2004 - near the largest float


def apply_holm_correction(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Returns the differences with intervals corrected for multiple comparisons (Holm 1979).

    In order of the p-value, the i-th of m comparisons gets the level 1 - 0.05 / (m - i + 1); after the first one that
    is not significant, all others get its level.
    """
    order = sorted(range(len(differences)), key=lambda position: differences[position].p_value)
    corrected = list(differences)
    level = None
    for rank, position in enumerate(order):
        difference = differences[position]
        risk = 1 - difference.level
        if level is None:
            level = 1 - risk / (len(order) - rank)
        corrected[position] = _at_level(difference, level)
        if difference.p_value <= 1 - level:
            level = None
    return tuple(corrected)


def _at_level(difference: Difference, level: float) -> Difference:
    """Returns the difference with an interval of another level."""
    widened = t_quantile((1 + level) / 2, difference.degrees_of_freedom) / t_quantile(
        (1 + difference.level) / 2, difference.degrees_of_freedom
    )
    middle = log(difference.ratio)
    half = (middle - log(difference.low)) * widened if difference.low else float("inf")
    return replace(difference, low=exp(middle - half), high=_exp(middle + half), level=level)
