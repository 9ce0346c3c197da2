"""How numbers and shapes are shown. Exact integers come in; rounding happens here and nowhere else."""

from collections.abc import Sequence
from math import log10

from netscope.schema import RAGGED, InputSpec, OpCount, Shape

NOTHING = "·"
_BLOCKS = " ▏▎▍▌▋▊▉█"
_THOUSAND = 1000
_KIBI = 1024
_LEAST_PERCENT = 0.005
_TENFOLD = 1000
"""Per cent from which on decimals say nothing."""


def count(value: int) -> str:
    """With thousands separated: ``62,378,344``."""
    return f"{value:,}"


def figure(value: int | Sequence[int]) -> str:
    """A count or a shape, exactly."""
    return count(value) if isinstance(value, int) else shape(value)


def signed(value: int) -> str:
    """With its sign: ``+1,024``, ``−1,024``."""
    return f"{value:+,}".replace("-", "−") if value else "0"


def scaled(value: float) -> str:
    """With three decimals and a decimal prefix: ``2.271 G``; below a thousand as it is."""
    amount = float(value)
    for prefix in ("", "K", "M", "G", "T", "P", "E"):
        # Rounding to three decimals may reach the next prefix: 999,999,999 is 1.000 G.
        if abs(round(amount, 3)) < _THOUSAND or prefix == "E":
            break
        amount /= _THOUSAND
    return f"{amount:.3f} {prefix}" if prefix else f"{value:g}"


def size(value: int) -> str:
    """Bytes with two decimals and a binary prefix: ``237.95 MiB``."""
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(amount, 2) < _KIBI or unit == "TiB":
            break
        amount /= _KIBI
    return f"{value} B" if unit == "B" else f"{amount:,.2f} {unit}"


def share(part: float, whole: float) -> str:
    """In per cent with one decimal; what is not nothing is never shown as 0.0 %."""
    if not part or not whole:
        return ""
    percent = 100 * part / whole
    text = f"{percent:.1f}%"
    return "<0.1%" if text == "0.0%" else text


def change(delta: int, whole: int) -> str:
    """``delta`` as a share of what there was, with its sign: ``−2.05%``; empty where there was nothing.

    What is not nothing is never shown as 0.00 %: ``+0.003%``.
    """
    if not delta or not whole:
        return ""
    percent = 100 * delta / whole
    text = f"{percent:+.2f}" if abs(percent) < _TENFOLD else f"{percent:+,.0f}"
    if not float(text.replace(",", "")):
        text = f"{percent:+.1g}"
    return f"{text}%".replace("-", "−")


def signed_scaled(value: int) -> str:
    """With its sign, three decimals and a decimal prefix: ``−842.135 M``."""
    return f"{'+' if value > 0 else '−'}{scaled(abs(value))}" if value else "0"


def rate(value: float) -> str:
    """With four significant digits: ``12,345``, ``123.4``, ``1.234``."""
    return f"{value:,.{_decimals(value, 4)}f}"


def seconds(value: float) -> str:
    """With three significant digits in the unit that fits: ``12.3 ms``, ``456 µs``, ``1.23 s``."""
    value = float(f"{value:.3g}")
    unit, unit_s = next((item for item in (("s", 1.0), ("ms", 1e-3)) if value >= item[1]), ("µs", 1e-6))
    return f"{value / unit_s:,.{_decimals(value / unit_s, 3)}f} {unit}"


def margin(value: float) -> str:
    """The half-width of an interval as a share of what it surrounds; more than all of it says nothing."""
    return fraction(value) if value <= 1 else ">100%"


def _decimals(value: float, digits: int) -> int:
    """How many show so many significant digits, once the value is rounded to these; of less than one as of one."""
    rounded = float(f"{value:.{digits}g}")
    return max(digits - 1 - int(log10(rounded)), 0) if rounded >= 1 else digits - 1


def fraction(value: float) -> str:
    """A share in per cent: ``42.3%``; below one with two decimals; what is not nothing never as 0.00 %."""
    percent = 100 * value
    if 0 < percent < _LEAST_PERCENT:
        return "<0.01%"
    return f"{percent:.2f}%" if percent < 1 else f"{percent:,.1f}%"


def percent(value: float) -> str:
    """What is in per cent already, with two decimals: ``80.86%``."""
    return f"{value:.2f}%"


def bar(part: float, whole: float, width: int) -> str:
    """``part / whole`` of ``width`` blocks, in eighths of a block."""
    eighths = round(8 * width * part / whole) if whole else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (_BLOCKS[rest] if rest else "")


def calls(ops: Sequence[OpCount]) -> str:
    """Ops with how often they ran: ``aten.fft (3×), aten.svd (1×)``."""
    return ", ".join(f"{op.op} ({op.calls}×)" for op in ops)


def shape(sizes: Sequence[int]) -> str:
    """``1×3×224×224``; a scalar is ``scalar``, a ragged axis ``*``."""
    return "×".join("*" if size == RAGGED else str(size) for size in sizes) or "scalar"


def shapes(several: Sequence[Shape]) -> str:
    """The first of several shapes, with how many more there are; empty for none."""
    return shape(several[0]) + (f" +{len(several) - 1}" if len(several) > 1 else "") if several else ""


def inputs(given: Sequence[InputSpec]) -> str:
    """``x 1×3×224×224 float32``, ``none``."""
    return ", ".join(f"{item.name} {shape(item.shape)} {item.dtype}" for item in given) or "none"
