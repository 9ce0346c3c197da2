"""The values of ops: equal for equal computations, whatever ops a version of torch or a device runs for them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from types import MappingProxyType
from typing import Any

from netscope.analysis.computation.moves import reshape, rewrite_cast, rewrite_move, split
from netscope.analysis.computation.names import IGNORED_ARGUMENTS, QUERIES, get_canonical_name, strip_name
from netscope.analysis.computation.products import add_bias, rewrite_attention, rewrite_product
from netscope.analysis.computation.values import Application, Value, describe, make_commutative, make_value
from netscope.schema import Shape, TracedOp

_EPSILON = {"float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10, "float64": 2.0**-52}
"""The default ``eps`` of ``rms_norm``: the machine epsilon of each dtype."""

_BINARY = 2
"""The number of arguments of a sum or a product without a factor."""


def evaluate(
    op: TracedOp, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[tuple[Shape, str]]
) -> tuple[Value, ...]:
    """Returns the values of an op's results, in order; none for an op that only queries its arguments.

    Args:
        op: the op.
        args: its positional arguments, with values in place of tensors.
        kwargs: its keyword arguments, in the same form.
        results: shape and dtype of each result.
    """
    stripped = strip_name(op.name)
    if not results or stripped in QUERIES:
        return ()
    kept = {name: value for name, value in kwargs.items() if name not in IGNORED_ARGUMENTS}
    name = "assign" if op.name == "aten.copy_" else get_canonical_name(stripped)
    applied = Application(stripped, name, args, kept, *results[0])
    if name in {"split", "unbind"}:
        return split(applied, [shape for shape, _ in results])
    rewrite = _REWRITES.get(name)
    first = rewrite(applied) if rewrite and args else None
    if first is None:
        first = applied.make(name, *args, *sorted(kept.items()))
    return (first, *(make_value("output", (first, number), *result) for number, result in enumerate(results[1:], 1)))


def _rewrite_assignment(op: Application) -> Value | None:
    """Returns ``x[...] = 3`` as filled with a number, also where torch copies or fills with a tensor of it."""
    target, source = op.args[:2]
    if isinstance(source, Value) and source.name == "scalar":
        return op.make("fill", target, *source.args)
    return op.make(op.name, target, source)


def _rewrite_scalar(op: Application) -> Value | None:
    """Returns a tensor without dimensions as its number."""
    numbers = op.args if op.op == "scalar_tensor" else op.args[1:]
    return None if op.shape or not numbers else op.make("scalar", numbers[0])


def _rewrite_sum(op: Application) -> Value | None:
    """Returns a sum of two terms; one with a factor is left as it is."""
    if op.kwargs or len(op.args) != _BINARY:
        return None
    tensors = sorted(op.operands, key=lambda value: value.name != "matmul")
    if len(tensors) == _BINARY and tensors[0].name == "matmul" and tensors[0].shape == op.shape:
        return add_bias(*tensors)
    return make_commutative("add", op.args, op.shape, op.dtype)


def _rewrite_difference(op: Application) -> Value:
    """Returns ``rsub`` as the difference of its arguments in the opposite order."""
    return op.make("sub", *reversed(op.args[:2]), *op.args[2:], *sorted(op.kwargs.items()))


def _rewrite_multiplication(op: Application) -> Value | None:
    """Returns a product of two factors, or the dropout or normalization that it is the last step of."""
    if op.kwargs or len(op.args) != _BINARY:
        return None
    for value, factor in permutations(op.operands, 2):
        found = _match_dropout(value, factor) or _match_rms_norm(value, factor)
        if found is not None:
            return found
    return make_commutative("mul", op.args, op.shape, op.dtype)


def _match_dropout(value: Value, noise: Value) -> Value | None:
    """Returns the dropout that multiplies by random zeros and ``1 / (1 - p)``."""
    drawn = noise.args[0] if noise.name == "div" else None
    if not isinstance(drawn, Value) or drawn.name != "bernoulli" or drawn.shape != value.shape:
        return None
    kept = drawn.args[1] if drawn.args[1:] else 0.5  # by default, torch keeps half
    return _drop(value, 1 - kept) if noise.args[1:] == (kept,) else None


def _drop(value: Value, probability: float) -> Value:
    return make_value("dropout", (value, f"{probability:.6g}"), value.shape, value.dtype)


def _match_rms_norm(value: Value, scale: Value) -> Value | None:
    """Returns the normalization that multiplies by ``rsqrt(mean(x ** 2) + eps)``."""
    shifted = scale.args[0] if scale.name == "rsqrt" else None
    if not isinstance(shifted, Value) or shifted.name != "add":
        return None
    mean = next((arg for arg in shifted.args if isinstance(arg, Value)), None)
    eps = next((arg for arg in shifted.args if isinstance(arg, (int, float))), None)
    if mean is None or eps is None or mean.name != "mean" or len(mean.args) < _BINARY:
        return None
    square, dims = mean.args[0], sorted(dim % len(value.shape) for dim in mean.args[1])
    is_square = square.name == "pow" and describe(square.args) == f"({value.key},2)"
    is_last = dims == list(range(len(value.shape) - len(dims), len(value.shape)))
    return _normalize(value, len(dims), eps) if is_square and is_last else None


def _normalize(value: Value, dims: int, eps: float | None) -> Value:
    rounded = f"{eps or _EPSILON.get(value.dtype, 0):.6g}"  # some versions have it as float32
    return make_value("rms_norm", (value, dims, rounded), value.shape, value.dtype)


def _rewrite_rms_norm(op: Application) -> Value:
    """Returns a normalization and the product with its weight."""
    value, dims, weight, eps = [*op.args, None, None][:4]
    normalized = _normalize(value, len(dims), op.kwargs.get("eps", eps))
    return normalized if weight is None else make_commutative("mul", (normalized, weight), op.shape, op.dtype)


def _rewrite_softmax(op: Application) -> Value:
    """Returns a softmax, and the cast before it, which some ops include."""
    value = op.args[0] if op.args[0].dtype == op.dtype else op.make("cast", op.args[0])
    return op.make("softmax", value, op.args[1] % max(len(op.shape), 1))


def _rewrite_batch_norm(op: Application) -> Value:
    """Returns a normalization with the arguments of ``native_batch_norm``, of which other ops leave some out."""
    args = op.args
    if op.op == "_native_batch_norm_legit" and isinstance(args[3], bool):
        args = (*args[:3], None, None, *args[3:])
    elif op.op in {"_native_batch_norm_legit_no_training", "_batch_norm_no_update"}:
        args = (*args[:5], False, *args[5:])
    elif op.op in {"_batch_norm_with_update", "_batch_norm_with_update_functional"}:
        args = (*args[:5], True, *args[5:])
    return op.make("batch_norm", *args[:8])


def _rewrite_dropout(op: Application) -> Value | None:
    return _drop(op.args[0], op.args[1]) if op.op == "native_dropout" else None


def _rewrite_clamp(op: Application) -> Value:
    """Returns a clamp with numbers as its limits, also where torch makes tensors of them."""
    names = ("max",) if op.op == "clamp_max" else ("min", "max")
    limits = dict(zip(names, op.args[1:], strict=False)) | op.kwargs
    known = {name: limit for name, limit in limits.items() if limit is not None}
    numbers = (
        (name, limit.args[0] if isinstance(limit, Value) and limit.name == "scalar" else limit)
        for name, limit in sorted(known.items())
    )
    return op.make("clamp", op.args[0], *numbers)


def _rewrite_one_hot(op: Application) -> Value | None:
    """Returns the one-hot encoding, which torch computes by a comparison or by scattering."""
    if op.name == "eq":
        counters = [value for value in op.operands if value.name == "arange"]
        indices = [value for value in op.operands if value.name != "arange"]
        is_one_hot = len(counters) == len(indices) == 1
    else:
        indices = list(op.operands[1:])
        is_one_hot = op.operands[0].name == "zeros" and op.args[3:] == (1,)
    if not is_one_hot or indices[0].shape != (*op.shape[:-1], 1):
        return None
    return make_value("one_hot", (reshape(indices[0], op.shape[:-1]),), op.shape, "int64")


_REWRITES: Mapping[str, Callable[[Application], Value | None]] = MappingProxyType(
    {
        **dict.fromkeys(("copy", "reshape", "permute", "slice", "select", "expand"), rewrite_move),
        "cast": rewrite_cast,
        **dict.fromkeys(("assign", "fill"), _rewrite_assignment),
        **dict.fromkeys(("scalar_tensor", "full"), _rewrite_scalar),
        "matmul": rewrite_product,
        "attention": rewrite_attention,
        "add": _rewrite_sum,
        "rsub": _rewrite_difference,
        "mul": _rewrite_multiplication,
        "rms_norm": _rewrite_rms_norm,
        "softmax": _rewrite_softmax,
        "batch_norm": _rewrite_batch_norm,
        "dropout": _rewrite_dropout,
        "clamp": _rewrite_clamp,
        **dict.fromkeys(("eq", "scatter"), _rewrite_one_hot),
    }
)
