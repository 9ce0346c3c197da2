"""Exact numbers as people write them: ``26M``, ``2.3G``, ``300MB``, ``1%``."""

import re
from fractions import Fraction
from typing import Literal

Unit = Literal["count", "bytes", "shape"]

_NUMBER = re.compile(
    r"(?P<number>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*(?P<fraction>\.[0-9]+)?)\s*(?P<suffix>[A-Za-z]*)"
)
LONGEST = 100
"""Digits: more are no number that anyone counts to."""

_PERCENT = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,2})?)\s*%")
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12, "p": 10**15}
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000 ** (power + 1) for power, prefix in enumerate("kmgt")},
    **{f"{prefix}ib": 1024 ** (power + 1) for power, prefix in enumerate("kmgt")},
}


def parse_quantity(value: object, unit: Unit) -> int:
    """The whole number that ``value`` means.

    Args:
        value: a whole number, or a text with a decimal prefix (``"2.3G"``; ``"7B"`` for billions of a count; of bytes
            also ``"300MB"`` and ``"300MiB"``).
        unit: what is counted.

    Raises:
        ValueError: it means none; the message says what was found and what to write.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{value} is negative")
        return value
    example = "300MB or 300MiB" if unit == "bytes" else "26_000_000 or 26M"
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    factor = (_BYTES if unit == "bytes" else _COUNTS).get(found["suffix"].lower()) if found else None
    with_commas = found is not None and "," in found["number"]
    if found is None or factor is None or len(found["number"]) > LONGEST or (with_commas and found["suffix"]):
        raise ValueError(f"{value!r} is no whole number; write it like {example}")
    exact = Fraction(re.sub("[_,]", "", found["number"])) * factor
    if exact.denominator != 1:
        raise ValueError(f"{value!r} is no whole number; write it like {example}")
    return int(exact)


def parse_shape(value: object) -> tuple[int, ...]:
    """The shape that ``value`` means: ``"1x1000"``, or an array of whole numbers.

    Raises:
        ValueError: it means none.
    """
    if isinstance(value, str) and re.fullmatch(r"\d+([xX×,]\d+)*", value.strip()):
        return tuple(int(size) for size in re.split("[xX×,]", value.strip()))
    if isinstance(value, (list, tuple)) and value and all(type(size) is int and size >= 0 for size in value):
        return tuple(value)
    raise ValueError(f"{value!r} is no shape; write it like 1x1000")


def parse_percent(value: object) -> int | None:
    """Hundredths of a per cent: 100 for ``"1%"``; None if it is no percentage."""
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(Fraction(found["number"]) * 100) if found else None
