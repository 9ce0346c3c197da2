"""A ``Trace`` to the FLOPs of each of its ops. No torch."""

from netscope.flops import formulas as formulas  # registers them
from netscope.flops.callable_ops import is_callable, only_computes
from netscope.flops.registry import FORMULAS, OpCost, cost_of, flop_formula, flops_per_op
from netscope.flops.zero_flop_ops import reason_for

__all__ = [
    "FORMULAS",
    "OpCost",
    "cost_of",
    "flop_formula",
    "flops_per_op",
    "is_callable",
    "only_computes",
    "reason_for",
]
