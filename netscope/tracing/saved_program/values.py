"""Converts the sizes, dtypes and other plain values of a saved program to torch's."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from netscope.errors import BuildError, InputError
from netscope.schema.program import Expression, NameOrNumber, Range, Size

DTYPES: Mapping[int, str] = MappingProxyType(
    {
        1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
        9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
        29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
        34: "uint32", 35: "uint64",
    }
)  # fmt: skip
"""Names of dtypes by the ``ScalarType`` of torch's schema."""

_SYMBOL = r"(?:Symbol\('(\w+)'[^()]*\)|([A-Za-z_]\w*))"
_MULTIPLE = re.compile(rf"(?:Mul\(Integer\((\d{{1,9}})\), {_SYMBOL}\)|(?:(\d{{1,9}})\*)?{_SYMBOL})")


class UnsupportedArgumentError(Exception):
    """An argument has a kind that netscope does not support."""


def get_dtype(number: int) -> torch.dtype:
    """Returns the dtype for the file's ``number``.

    Raises:
        BuildError: this torch does not have the dtype.
    """
    found = getattr(torch, DTYPES.get(number, ""), None)
    if not isinstance(found, torch.dtype):
        raise BuildError(f"the saved program has tensors of dtype {DTYPES.get(number, number)}, which this torch lacks")
    return found


class DynamicSizes:
    """The dynamic sizes of an export, with their values in this run."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._ranges = ranges
        self._values: dict[str, int] = {}
        self._changed: set[str] = set()

    def assign(self, size: Size, value: int, what: str) -> None:
        """Sets a size of an input to ``value``.

        Raises:
            InputError: the program was not exported for this value.
        """
        found = _parse_multiple(size.as_expr) if size.as_expr else None
        exported = self.get(size)
        if found is None or found[0] != 1:
            if value != exported:
                raise InputError(f"{what} must be {exported}, the only exported size, got {value}")
            return
        symbol = found[1]
        limits = self._ranges.get(symbol)
        minimum, maximum = (limits.min_val or 0, limits.max_val) if limits else (0, None)
        if self._values.setdefault(symbol, value) != value:
            equal = f"{self._values[symbol]}, like the other sizes exported as {symbol}"
            raise InputError(f"{what} must be {equal}, got {value}")
        if value != exported:
            if value < minimum or (maximum is not None and value > maximum):
                limit = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
                raise InputError(f"{what} must be {limit}, as exported, got {value}")
            self._changed.add(symbol)

    def get(self, size: Size | NameOrNumber) -> Any:
        """Returns the value of a size; 0 if it depends on the values of tensors.

        Raises:
            InputError: it is computed from a size that was changed, and is not a multiple of it.
        """
        expression = getattr(size, "as_expr", None)
        if expression is None:
            known = size.as_int if size.as_int is not None else size.as_bool
            return parse_number(size.as_float) if known is None else known
        found = _parse_multiple(expression)
        if found and found[1] in self._values:
            return found[0] * self._values[found[1]]
        if self._changed.intersection(re.findall(r"\w+", expression.expr_str)):
            raise InputError(
                f"the program computes a size from the inputs ({expression.expr_str[:60]}), which netscope does not "
                f"support; use inputs of the exported sizes"
            )
        hint = expression.hint
        known = None if hint is None else next((item for item in (hint.as_int, hint.as_bool) if item is not None), None)
        return (hint.as_float if hint and hint.as_float is not None else 0) if known is None else known


def _parse_multiple(expression: Expression) -> tuple[int, str] | None:
    """Returns factor and symbol of a product like ``2*s0``; None for any other expression."""
    found = _MULTIPLE.fullmatch(expression.expr_str[:200])
    if found is None:
        return None
    return int(found[1] or found[4] or 1), next(part for part in (*found.groups()[1:3], *found.groups()[4:]) if part)


def parse_number(value: float | str | None) -> float:
    """Returns a number from the file's JSON, where infinity and NaN are strings.

    Raises:
        UnsupportedArgumentError: it is another string.
    """
    if value is None or (isinstance(value, str) and value not in ("Infinity", "-Infinity", "NaN")):
        raise UnsupportedArgumentError
    return math.nan if value == "NaN" else float(value)
