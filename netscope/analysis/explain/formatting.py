"""How products and sums are written."""

from collections.abc import Iterable
from math import prod


def join_factors(factors: Iterable[int | str]) -> str:
    """``11·11·3``."""
    return "·".join(map(str, factors))


def format_product(factors: Iterable[int]) -> str:
    """``256·6·6 = 9,216``."""
    factors = tuple(factors)
    return f"{join_factors(factors)} = {prod(factors):,}"


def join_sizes(sizes: Iterable[int]) -> str:
    """``96×55×55``; a scalar in words."""
    return "×".join(map(str, sizes)) or "a scalar"
