"""Which op is counted by which formula, and what an op that has none costs.

Every op is in one of three sets: counted by a formula; listed in ``costless`` with the reason why it has no
multiply–adds; or uncounted, which makes every total that holds it a lower bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

from netscope.flops.zero_flop_ops import get_zero_flop_reason
from netscope.schema import TensorRef, TensorSpec, Trace, TracedOp

Formula = Callable[..., int]
FormulaFunction = TypeVar("FormulaFunction", bound=Formula)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredFormula:
    """A formula, and whether it asks for the op's ``outputs``."""

    compute: Formula
    takes_outputs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCost:
    """What one op costs.

    Attributes:
        flops: by its formula, 0 if it is listed as costless, None if it is uncounted.
        reason: why it costs nothing, empty otherwise.
    """

    flops: int | None
    reason: str


FORMULAS: dict[str, RegisteredFormula] = {}


def flop_formula(*ops: str) -> Callable[[FormulaFunction], FormulaFunction]:
    """Registers the decorated function as the formula of ``ops``, each ``namespace.name``.

    The function takes the op's arguments as torch's schema names them, each tensor as a ``TensorSpec``, and, if it has
    a parameter ``outputs``, a tuple of the specs of what the op returned. It returns FLOPs.
    """

    def register(function: FormulaFunction) -> FormulaFunction:
        formula = RegisteredFormula(compute=function, takes_outputs="outputs" in signature(function).parameters)
        for op in ops:
            if op in FORMULAS:
                raise ValueError(f"{op} has a formula already")
            FORMULAS[op] = formula
        return function

    return register


def cost_of(op: TracedOp, trace: Trace) -> OpCost:
    """What ``op`` cost in FLOPs, or why it cost none."""
    formula = FORMULAS.get(op.name)
    if formula is None:
        reason = get_zero_flop_reason(op.name)
        return OpCost(flops=0 if reason else None, reason=reason)
    if any(len(trace.tensors[tensor].stride) != len(trace.tensors[tensor].shape) for tensor in op.reads):
        # A sparse operand: what it costs depends on how many elements there are.
        return OpCost(flops=None, reason="")
    args = _resolve(op.args, trace)
    kwargs = {name: _resolve(value, trace) for name, value in op.kwargs.items()}
    if formula.takes_outputs:
        kwargs["outputs"] = tuple(trace.tensors[tensor].spec for tensor in op.writes)
    return OpCost(flops=formula.compute(*args, **kwargs), reason="")


def count_flops(trace: Trace) -> tuple[int | None, ...]:
    """FLOPs of each of ``trace.ops``, in their order; None where there is no formula."""
    return tuple(cost_of(op, trace).flops for op in trace.ops)


def _resolve(value: Any, trace: Trace) -> Any:
    """``value`` with every ``TensorRef`` in it replaced by what it stands for."""
    if isinstance(value, TensorRef):
        tensor = trace.tensors[value.tensor]
        return TensorSpec(shape=tensor.shape, dtype=tensor.dtype)
    if isinstance(value, tuple):
        return tuple(_resolve(item, trace) for item in value)
    return value
