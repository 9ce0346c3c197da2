"""Parses exact quantities with units: ``26M``, ``2.3G``, ``300MB``, ``1%``."""

import re
from fractions import Fraction
from typing import Literal

Unit = Literal["count", "bytes", "shape"]

_NUMBER = re.compile(
    r"(?P<number>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*(?P<fraction>\.[0-9]+)?)\s*(?P<suffix>[A-Za-z]*)"
)
MAX_DIGITS = 100
"""Maximum digits of a number, far above any count."""

_PERCENT = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,2})?)\s*%")
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12, "p": 10**15}
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000 ** (power + 1) for power, prefix in enumerate("kmgt")},
    **{f"{prefix}ib": 1024 ** (power + 1) for power, prefix in enumerate("kmgt")},
}


def parse_quantity(value: object, unit: Unit) -> int:
    """Returns the integer that ``value`` denotes.

    Args:
        value: integer, or text with a decimal prefix (``"2.3G"``; ``"7B"`` for billions of a count; for bytes also
            ``"300MB"`` and ``"300MiB"``).
        unit: unit of the result.

    Raises:
        ValueError: ``value`` is no integer quantity, or a decimal without a suffix; the message shows valid examples.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{value} is negative")
        return value
    example = "300MB or 300MiB" if unit == "bytes" else "26_000_000 or 26M"
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    factor = (_BYTES if unit == "bytes" else _COUNTS).get(found["suffix"].lower()) if found else None
    with_commas = found is not None and "," in found["number"]
    if found is None or factor is None or len(found["number"]) > MAX_DIGITS or (with_commas and found["suffix"]):
        raise ValueError(f"invalid number {value!r}; expected an integer, e.g. {example}")
    exact = Fraction(re.sub("[_,]", "", found["number"])) * factor
    if exact.denominator != 1:
        raise ValueError(f"invalid number {value!r}; expected an integer, e.g. {example}")
    if found["fraction"] and factor == 1:  # is 62.000 in thousands, or 62?
        raise ValueError(f"ambiguous number {value!r}; write an integer, or a decimal with a suffix, e.g. {example}")
    return int(exact)


def parse_shape(value: object) -> tuple[int, ...]:
    """Returns the shape that ``value`` denotes: ``"1x1000"``, or an array of integers.

    Raises:
        ValueError: ``value`` is not a shape.
    """
    if isinstance(value, str) and re.fullmatch(r"\d+([xX×,]\d+)*", value.strip()):
        return tuple(int(size) for size in re.split("[xX×,]", value.strip()))
    if isinstance(value, (list, tuple)) and value and all(type(size) is int and size >= 0 for size in value):
        return tuple(value)
    raise ValueError(f"invalid shape {value!r}; expected e.g. 1x1000")


def parse_percent(value: object) -> int | None:
    """Returns hundredths of a percent, 100 for ``"1%"``; None if ``value`` is not a percentage."""
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(Fraction(found["number"]) * 100) if found else None
