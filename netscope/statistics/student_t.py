"""Student's t distribution for whole degrees of freedom, exactly."""

from functools import cache
from math import atan, cos, pi, sin, sqrt

NORMAL_90 = 1.2816
"""What a standard normal variable stays below with a probability of 90 %."""

NORMAL_975 = 1.9600
"""Likewise with 97.5 %."""

_EXACT_ENOUGH = 1e-9


def t_cdf(value: float, freedom: int) -> float:
    """The probability that t with ``freedom`` degrees of freedom is at most ``value``.

    The finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = atan(abs(value) / sqrt(freedom))
    odd = freedom % 2
    term = total = cos(angle) if odd else 1.0
    for order in range(2 + odd, freedom - 1, 2):
        term *= cos(angle) ** 2 * (order - 1) / order
        total += term
    ratio = sin(angle) * total
    within = 2 / pi * (angle + (ratio if freedom > 1 else 0.0)) if odd else ratio
    return 0.5 + within / 2 if value >= 0 else 0.5 - within / 2


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """The value that t with ``freedom`` degrees of freedom stays below with ``probability``, above one half."""
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        high *= 2
    while high - low > _EXACT_ENOUGH * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return high
