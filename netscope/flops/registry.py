"""The registry of FLOP formulas.

Every op is in one of three sets: counted by a formula; listed in ``zero_flop_ops`` with the reason why it has no MACs;
or uncounted, which makes every total that includes it a lower bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

from netscope.flops.zero_flop_ops import get_zero_flop_reason
from netscope.schema import TensorRef, Trace, TracedOp

Formula = Callable[..., int]
FormulaFunction = TypeVar("FormulaFunction", bound=Formula)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredFormula:
    """A formula, and whether it has a parameter ``outputs``."""

    compute: Formula
    takes_outputs: bool


FORMULAS: dict[str, RegisteredFormula] = {}


def flop_formula(*ops: str) -> Callable[[FormulaFunction], FormulaFunction]:
    """Returns a decorator that registers a function as the formula of ``ops``, each ``namespace.name``.

    The function takes the op's arguments, named as in torch's schema, each tensor as a ``TensorSpec``. If it has a
    parameter ``outputs``, it also takes a tuple with the specs of the op's results. It returns FLOPs.
    """

    def register(function: FormulaFunction) -> FormulaFunction:
        formula = RegisteredFormula(compute=function, takes_outputs="outputs" in signature(function).parameters)
        for op in ops:
            if op in FORMULAS:
                raise ValueError(f"{op} already has a formula")
            FORMULAS[op] = formula
        return function

    return register


def _count_op_flops(op: TracedOp, trace: Trace) -> int | None:
    """Returns the FLOPs of ``op``; None if it is uncounted."""
    formula = FORMULAS.get(op.name)
    if formula is None:
        return 0 if get_zero_flop_reason(op.name) else None
    if any(len(trace.tensors[tensor].stride) != len(trace.tensors[tensor].shape) for tensor in op.reads):
        return None  # the FLOPs of a sparse operand depend on the number of its elements
    args = _resolve(op.args, trace)
    kwargs = {name: _resolve(value, trace) for name, value in op.kwargs.items()}
    if formula.takes_outputs:
        kwargs["outputs"] = tuple(trace.tensors[tensor].spec for tensor in op.writes)
    return formula.compute(*args, **kwargs)


def count_flops(trace: Trace) -> tuple[int | None, ...]:
    """Returns the FLOPs of each op of the trace, in order; None where an op is uncounted."""
    return tuple(_count_op_flops(op, trace) for op in trace.ops)


def _resolve(value: Any, trace: Trace) -> Any:
    """Returns ``value`` with every ``TensorRef`` in it replaced by the tensor's ``TensorSpec``."""
    if isinstance(value, TensorRef):
        return trace.tensors[value.tensor].spec
    if isinstance(value, tuple):
        return tuple(_resolve(item, trace) for item in value)
    return value
