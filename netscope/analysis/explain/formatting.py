"""The notation of products and shapes in derivations."""

from collections.abc import Iterable
from math import prod


def join_factors(factors: Iterable[int | str]) -> str:
    """Returns the factors as ``11·11·3``."""
    return "·".join(map(str, factors))


def format_product(factors: Iterable[int]) -> str:
    """Returns the factors and their product as ``256·6·6 = 9,216``."""
    factors = tuple(factors)
    return f"{join_factors(factors)} = {prod(factors):,}"


def join_sizes(sizes: Iterable[int]) -> str:
    """Returns the sizes as ``96×55×55``, or ``a scalar``."""
    return "×".join(map(str, sizes)) or "a scalar"
