"""How numbers and shapes are shown. Values come in exact, and only these functions round them."""

import re
from collections.abc import Callable, Sequence
from math import log10
from typing import Any, NamedTuple

from netscope.schema import RAGGED, InputSpec, OpCount, Shape

NOTHING = "·"
MINUS = "−"
_BLOCKS = " ▏▎▍▌▋▊▉█"


class _Scale(NamedTuple):
    """Units, each ``step`` times the one before, and the decimals of all but the first."""

    units: tuple[str, ...]
    step: int
    decimals: int


_DECIMAL = _Scale(("", "K", "M", "G", "T", "P", "E"), step=1000, decimals=3)
_BINARY = _Scale(("B", "KiB", "MiB", "GiB", "TiB"), step=1024, decimals=2)
_COUNTING = _Scale(("", "K", "M", "B", "T"), step=1000, decimals=3)
_SCALES = {"count": _COUNTING, "flops": _DECIMAL, "bytes": _BINARY}
"""Parameters are counted in billions, ``6.738 B``; FLOPs have the prefixes of units, ``1.700 T``."""

_TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
_TIME_DIGITS = 3
_SHARE_DECIMALS = 1
_LEAST_SHARE = "<0.1%"
_BRIEF_DIGITS = 3
_CHANGE_DECIMALS = 2
_WHOLE_CHANGE = 1000
"""Changes of this many percent or more have no decimals."""

_LEAST_PERCENT = 0.005


def script_formats() -> dict[str, Any]:
    """Returns the symbols, units and thresholds of this module, which the page's scripts format numbers with."""
    return {
        "nothing": NOTHING,
        "minus": MINUS,
        "decimal": _DECIMAL._asdict(),
        "binary": _BINARY._asdict(),
        "time": {"units": _TIME_UNITS, "digits": _TIME_DIGITS},
        "share": {"decimals": _SHARE_DECIMALS, "least": _LEAST_SHARE},
        "change": {"decimals": _CHANGE_DECIMALS, "whole": _WHOLE_CHANGE},
    }


def _in_unit(value: float, scale: _Scale) -> tuple[float, str]:
    """Returns the value in the smallest unit in which it is below the step, and that unit."""
    amount, (*units, last) = float(value), scale.units
    for unit in units:
        # The rounded amount is compared, which may reach the next unit: 999,999,999 is 1.000 G.
        if abs(round(amount, scale.decimals)) < scale.step:
            return amount, unit
        amount /= scale.step
    return amount, last


def count(value: int) -> str:
    """Returns an integer with its thousands separated: ``62,378,344``."""
    return f"{value:,}"


def figure(value: int | Sequence[int]) -> str:
    """Returns an exact count or shape."""
    return count(value) if isinstance(value, int) else shape(value)


def signed(value: int, write: Callable[[int], str] = count) -> str:
    """Returns a number with its sign: ``+1,024``, ``−842.135 M``; zero has none."""
    return f"{'+' if value > 0 else MINUS}{write(abs(value))}" if value else "0"


def scaled(value: float, unit: str = "flops") -> str:
    """Returns a number in the unit that fits, with its decimals: ``2.271 G`` FLOPs, ``6.738 B`` parameters.

    A number below the first step has neither.
    """
    scale = _SCALES[unit]
    amount, prefix = _in_unit(value, scale)
    return f"{amount:,.{scale.decimals}f} {prefix}" if prefix != scale.units[0] else f"{value:g} {prefix}".rstrip()


def brief(value: int, unit: str = "flops") -> str:
    """Returns a number in the unit that fits, with three digits, for where room is short: ``62.4 M``, ``148 MiB``."""
    scale = _SCALES[unit]
    amount, prefix = _in_unit(value, scale._replace(decimals=0))
    if prefix == scale.units[0]:
        return scaled(value, unit)
    return f"{amount:,.{_decimals(abs(amount), _BRIEF_DIGITS)}f} {prefix}"


def compact(value: int, unit: str = "flops") -> str:
    """Returns a number with three digits and without a space: ``62.4M``, ``2.27G``."""
    return brief(value, unit).replace(" ", "")


def size(value: int) -> str:
    """Returns a number of bytes with a binary prefix and two decimals: ``237.95 MiB``."""
    return scaled(value, "bytes")


def share(part: float, whole: float) -> str:
    """Returns a share in percent with one decimal: ``33.3%``; ``<0.1%`` for less, and empty for nothing."""
    if not part or not whole:
        return ""
    text = f"{100 * part / whole:.{_SHARE_DECIMALS}f}"
    return f"{text}%" if float(text) else _LEAST_SHARE


def change(delta: int, whole: int) -> str:
    """Returns ``delta`` as a signed share of the earlier value: ``−2.05%``; empty if either is zero.

    A change that would round to 0.00 % keeps its first digit: ``+0.003%``.
    """
    if not delta or not whole:
        return ""
    percent = 100 * delta / whole
    text = f"{percent:+.{_CHANGE_DECIMALS}f}" if abs(percent) < _WHOLE_CHANGE else f"{percent:+,.0f}"
    if not float(text.replace(",", "")):
        text = f"{percent:+.1g}"
    return f"{text}%".replace("-", MINUS)


def rate(value: float) -> str:
    """Returns a number with four significant digits: ``12,345``, ``123.4``, ``1.234``."""
    return f"{value:,.{_decimals(value, 4)}f}"


def seconds(value: float) -> str:
    """Returns a duration with three significant digits in the unit that fits: ``12.3 ms``, ``456 µs``, ``1.23 s``."""
    value = float(f"{value:.{_TIME_DIGITS}g}")
    unit, unit_s = next((item for item in _TIME_UNITS if value >= item[1]), _TIME_UNITS[-1])
    return f"{value / unit_s:,.{_decimals(value / unit_s, _TIME_DIGITS)}f} {unit}"


def margin(value: float) -> str:
    """Returns the half-width of an interval as a share of the estimate; above 100% the width is not shown."""
    return fraction(value) if value <= 1 else ">100%"


def _decimals(value: float, digits: int) -> int:
    """Returns the number of decimals that show so many significant digits; numbers below one count as one."""
    rounded = float(f"{value:.{digits}g}")
    return max(digits - 1 - int(log10(rounded)), 0) if rounded >= 1 else digits - 1


def fraction(value: float) -> str:
    """Returns a share in percent: ``42.3%``; below 1% with two decimals, ``<0.01%`` for less."""
    percent = 100 * value
    if 0 < percent < _LEAST_PERCENT:
        return "<0.01%"
    return f"{percent:.2f}%" if percent < 1 else f"{percent:,.1f}%"


def percent(value: float) -> str:
    """Returns a value that is in percent already, with two decimals: ``80.86%``."""
    return f"{value:.2f}%"


def bar(part: float, whole: float, width: int) -> str:
    """Returns ``part / whole`` as a bar of up to ``width`` blocks, to an eighth of a block."""
    eighths = round(8 * width * part / whole) if whole else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (_BLOCKS[rest] if rest else "")


def calls(ops: Sequence[OpCount]) -> str:
    """Returns ops with their number of calls: ``aten.fft (3×), aten.svd (1×)``."""
    return ", ".join(f"{op.op} ({op.calls}×)" for op in ops)


def shape(sizes: Sequence[int]) -> str:
    """Returns ``1×3×224×224``; a ragged axis is ``*``, and the empty shape ``scalar``."""
    return "×".join("*" if size == RAGGED else str(size) for size in sizes) or "scalar"


def shapes(several: Sequence[Shape]) -> str:
    """Returns the first of several shapes and the number of others: ``1×4 +2``; empty for none."""
    return shape(several[0]) + (f" +{len(several) - 1}" if len(several) > 1 else "") if several else ""


def inputs(given: Sequence[InputSpec]) -> str:
    """Returns the inputs with shape and dtype: ``x 1×3×224×224 float32``; ``none`` if there are none."""
    return ", ".join(f"{item.name} {shape(item.shape)} {item.dtype}" for item in given) or "none"


def count_nouns(count: int, noun: str) -> str:
    """Returns ``1 layer``, ``2 layers``, ``2 classes``, ``2 BatchNorm2d``.

    A class name that ends in a number, or in a plural, is not inflected.
    """
    if count == 1 or any(character.isdigit() for character in noun[-2:]):
        return f"{count} {noun}"
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return f"{count} {noun}" if noun.endswith("s") and not noun.endswith("ss") else f"{count} {noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}s"
