"""A ``Trace`` to the FLOPs of each of its ops. No torch."""

from netscope.flops import formulas as formulas  # registers them
from netscope.flops.callable_ops import is_safe_to_call, is_side_effect_free
from netscope.flops.registry import FORMULAS, OpCost, cost_of, count_flops, flop_formula
from netscope.flops.zero_flop_ops import get_zero_flop_reason

__all__ = [
    "FORMULAS",
    "OpCost",
    "cost_of",
    "count_flops",
    "flop_formula",
    "get_zero_flop_reason",
    "is_safe_to_call",
    "is_side_effect_free",
]
