"""The sizes, dtypes and other plain values of a saved program, as torch takes them."""

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
"""By ``ScalarType`` of torch's schema."""

_SYMBOL = r"(?:Symbol\('(\w+)'[^()]*\)|([A-Za-z_]\w*))"
_MULTIPLE = re.compile(rf"(?:Mul\(Integer\((\d{{1,9}})\), {_SYMBOL}\)|(?:(\d{{1,9}})\*)?{_SYMBOL})")


class UnreadableArgumentError(Exception):
    """An argument is of a kind that netscope does not read."""


def dtype_of(number: int) -> torch.dtype:
    """The dtype that the file calls ``number``.

    Raises:
        BuildError: this torch has none.
    """
    found = getattr(torch, DTYPES.get(number, ""), None)
    if not isinstance(found, torch.dtype):
        raise BuildError(f"it has tensors of the dtype {DTYPES.get(number, number)}, which this torch does not have")
    return found


class OpenSizes:
    """Sizes that were left open in the export, with what they are in this run."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._ranges = ranges
        self._given: dict[str, int] = {}
        self._changed: set[str] = set()

    def give(self, size: Size, value: int, what: str) -> None:
        """Notes that a size of an input is ``value``.

        Raises:
            InputError: the program was exported for another.
        """
        found = _multiple(size.as_expr) if size.as_expr else None
        was = self.of(size)
        if found is None or found[0] != 1:
            if value != was:
                raise InputError(f"{what} is {value}, and the program was exported for {was} alone")
            return
        symbol = found[1]
        limits = self._ranges.get(symbol)
        least, most = (limits.min_val or 0, limits.max_val) if limits else (0, None)
        if self._given.setdefault(symbol, value) != value:
            raise InputError(f"{what} is {value}, and another that has to be the same is {self._given[symbol]}")
        if value != was:
            if value < least or (most is not None and value > most):
                upper = "or more" if most is None else f"to {most}"
                raise InputError(f"{what} is {value}, and the program was exported for {least} {upper}")
            self._changed.add(symbol)

    def of(self, size: Size | NameOrNumber) -> Any:
        """What a size is; 0 where that depends on values.

        Raises:
            InputError: it depends otherwise than as a multiple on a size that is not as in the export.
        """
        expression = getattr(size, "as_expr", None)
        if expression is None:
            known = size.as_int if size.as_int is not None else size.as_bool
            return number_of(size.as_float) if known is None else known
        found = _multiple(expression)
        if found and found[1] in self._given:
            return found[0] * self._given[found[1]]
        if self._changed.intersection(re.findall(r"\w+", expression.expr_str)):
            raise InputError(
                f"the program computes a size from the inputs' ({expression.expr_str[:60]}), which netscope does not: "
                f"leave the inputs as they were exported"
            )
        hint = expression.hint
        known = None if hint is None else next((item for item in (hint.as_int, hint.as_bool) if item is not None), None)
        return (hint.as_float if hint and hint.as_float is not None else 0) if known is None else known


def _multiple(expression: Expression) -> tuple[int, str] | None:
    """Factor and symbol of an expression that is no more than that."""
    found = _MULTIPLE.fullmatch(expression.expr_str[:200])
    if found is None:
        return None
    return int(found[1] or found[4] or 1), next(part for part in (*found.groups()[1:3], *found.groups()[4:]) if part)


def number_of(value: float | str | None) -> float:
    """A number as JSON has it, where infinity is a word.

    Raises:
        UnreadableArgumentError: it is another word.
    """
    if value is None or (isinstance(value, str) and value not in ("Infinity", "-Infinity", "NaN")):
        raise UnreadableArgumentError
    return math.nan if value == "NaN" else float(value)
