"""Counts the FLOPs of each op of a ``Trace``. No torch."""

from netscope.flops import formulas as formulas  # registers the formulas
from netscope.flops.callable_ops import is_safe_to_call, is_side_effect_free
from netscope.flops.registry import FORMULAS, count_flops, flop_formula
from netscope.flops.zero_flop_ops import get_zero_flop_reason

__all__ = [
    "FORMULAS",
    "count_flops",
    "flop_formula",
    "get_zero_flop_reason",
    "is_safe_to_call",
    "is_side_effect_free",
]
