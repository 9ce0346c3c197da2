"""Whether one thing takes longer than another, how much, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log
from typing import Literal

from netscope.statistics.series import LEVEL, Estimate, mean_estimate
from netscope.statistics.student_t import t_cdf, t_quantile

Verdict = Literal["faster", "slower", "equivalent", "inconclusive"]

EQUIVALENT_WITHIN = 0.01
"""An interval that stays this close to 1 says that there is no difference that matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The ratio of two times, second over first: above 1 the first one is faster.

    Attributes:
        ratio: the estimate.
        low: of its interval.
        high: likewise.
        level: the probability with which the interval holds the truth.
        p_value: how likely so large a ratio would be, or a larger one, if there were no difference.
        freedom: degrees of freedom that it rests on.
    """

    ratio: float
    low: float
    high: float
    level: float
    p_value: float
    freedom: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def verdict(self) -> Verdict:
        """Of the first against the second; ``"equivalent"`` within 1 %, also where the rest is no chance."""
        if self.low > 1 - EQUIVALENT_WITHIN and self.high < 1 + EQUIVALENT_WITHIN:
            return "equivalent"
        if self.low > 1:
            return "faster"
        return "slower" if self.high < 1 else "inconclusive"


def compare_pairs(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Difference:
    """The ratio of two things that were measured in turns: A B, B A, A B, ….

    The logarithm of each turn's ratio is a pair's value. The mean of two turns, one in each order, is free of what
    changed steadily over them, so these means are what the interval rests on.

    Args:
        first: times of A, one for each turn.
        second: those of B.
        level: of the interval.
    """
    logs = [log(b / a) for a, b in zip(first, second, strict=True)]
    rounds = [(forth + back) / 2 for forth, back in zip(logs[::2], logs[1::2], strict=False)]
    return _difference(mean_estimate(rounds, level), level)


def compare_series(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Difference:
    """The ratio of two things that were measured apart from each other, such as in different runs.

    Welch's interval, with the smaller degrees of freedom, on the logarithms. It knows the noise within each of the
    runs, not what else may differ from run to run.
    """
    estimates = [mean_estimate(series, level) for series in (first, second)]
    errors = [estimate.relative for estimate in estimates]
    apart = Estimate(
        mean=log(estimates[1].mean / estimates[0].mean),
        half_width=hypot(*errors),
        batches=min(estimate.batches for estimate in estimates),
        batch_size=1,
        autocorrelation=0.0,
    )
    return _difference(apart, level)


def _difference(estimate: Estimate, level: float) -> Difference:
    freedom = max(estimate.batches - 1, 1)
    mean, half = estimate.mean, estimate.half_width
    standard_error = half / t_quantile((1 + level) / 2, freedom)
    if standard_error:
        p_value = 2 * (1 - t_cdf(abs(mean) / standard_error, freedom)) if half < float("inf") else 1.0
    else:
        p_value = 0.0 if mean else 1.0
    return Difference(
        ratio=exp(mean), low=exp(mean - half), high=_exp(mean + half), level=level, p_value=p_value, freedom=freedom
    )


def _exp(value: float) -> float:
    return exp(value) if value < 700 else float("inf")  # noqa: PLR2004 - the most that a float can hold


def corrected(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same differences, each with the interval that it may have among so many (Holm 1979).

    From the smallest p-value on, of m comparisons the i-th is held to a level of 1 - 0.05 / (m - i + 1); once one
    fails, those after it are held to that one's level too.
    """
    order = sorted(range(len(differences)), key=lambda position: differences[position].p_value)
    found = list(differences)
    level = None
    for rank, position in enumerate(order):
        difference = differences[position]
        risk = 1 - difference.level
        if level is None:
            level = 1 - risk / (len(order) - rank)
        found[position] = _at_level(difference, level)
        if difference.p_value <= 1 - level:
            level = None
    return tuple(found)


def _at_level(difference: Difference, level: float) -> Difference:
    """The same with an interval of another level."""
    widened = t_quantile((1 + level) / 2, difference.freedom) / t_quantile(
        (1 + difference.level) / 2, difference.freedom
    )
    middle = log(difference.ratio)
    half = (middle - log(difference.low)) * widened if difference.low else float("inf")
    return replace(difference, low=exp(middle - half), high=_exp(middle + half), level=level)
