"""Student's t distribution for integer degrees of freedom, exactly."""

from functools import cache
from math import atan, cos, pi, sin, sqrt

NORMAL_QUANTILE_90 = 1.2816
"""The 90% quantile of the standard normal distribution."""

NORMAL_QUANTILE_975 = 1.9600
"""The 97.5% quantile of the standard normal distribution."""

_EXACT_ENOUGH = 1e-9


def t_cdf(value: float, degrees_of_freedom: int) -> float:
    """Returns the probability that t is at most ``value``.

    The finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = atan(abs(value) / sqrt(degrees_of_freedom))
    odd = degrees_of_freedom % 2
    term = total = cos(angle) if odd else 1.0
    for order in range(2 + odd, degrees_of_freedom - 1, 2):
        term *= cos(angle) ** 2 * (order - 1) / order
        total += term
    ratio = sin(angle) * total
    within = 2 / pi * (angle + (ratio if degrees_of_freedom > 1 else 0.0)) if odd else ratio
    return 0.5 + within / 2 if value >= 0 else 0.5 - within / 2


@cache
def t_quantile(probability: float, degrees_of_freedom: int) -> float:
    """Returns the quantile of t for a ``probability`` above one half."""
    low, high = 0.0, 1.0
    while t_cdf(high, degrees_of_freedom) < probability:
        high *= 2
    while high - low > _EXACT_ENOUGH * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, degrees_of_freedom) < probability else (low, middle)
    return high
