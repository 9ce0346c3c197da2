"""Ops that only move elements: they compose, and what cancels out leaves no trace."""

from collections.abc import Sequence

from netscope.analysis.computation.values import Application, Value, make_value
from netscope.schema import Shape


def reshape(value: Value, shape: Shape) -> Value:
    """Returns the elements in the same order, with another shape."""
    while value.name == "reshape":
        value = value.args[0]
    is_same = value.shape == shape or value.name == "scalar"
    return value if is_same else make_value("reshape", (value,), shape, value.dtype)


def permute(value: Value, order: Sequence[int]) -> Value:
    """Returns a tensor with its dimensions in another order."""
    order = [_count_from_start(dim, value) for dim in order]
    if value.name == "permute":
        value, order = value.args[0], [value.args[1][dim] for dim in order]
    if order == sorted(order):
        return value
    return make_value("permute", (value, tuple(order)), tuple(value.shape[dim] for dim in order), value.dtype)


def transpose(value: Value, first: int = 0, second: int = -1) -> Value:
    """Returns a tensor with two dimensions exchanged."""
    order = list(range(len(value.shape)))
    if order:
        order[first], order[second] = order[second], order[first]
    return permute(value, order)


def expand(value: Value, shape: Shape) -> Value:
    """Returns a tensor repeated along dimensions of size one."""
    is_same = value.shape == shape or value.name == "scalar"
    return value if is_same else make_value("expand", (value,), shape, value.dtype)


def cut(value: Value, dim: int, start: int, size: int, step: int = 1) -> Value:
    """Returns a range of a dimension."""
    if start == 0 and size == value.shape[dim]:
        return value
    shape = (*value.shape[:dim], size, *value.shape[dim + 1 :])
    return make_value("slice", (value, dim, start, step), shape, value.dtype)


def select(value: Value, dim: int, index: int) -> Value:
    """Returns a tensor without a dimension, at an index of it."""
    shape = (*value.shape[:dim], *value.shape[dim + 1 :])
    return make_value("select", (value, dim, index % max(value.shape[dim], 1)), shape, value.dtype)


def _count_from_start(dim: int, value: Value) -> int:
    return dim % max(len(value.shape), 1)


def rewrite_move(op: Application) -> Value | None:
    """Returns the value of an op that moves the elements of its first argument; None if it reinterprets them."""
    value, *rest = op.args
    if not isinstance(value, Value):
        return op.make("scalar", value)  # a constant
    if op.dtype != value.dtype:
        return None
    if op.name == "permute":
        return permute(value, rest[0]) if op.op.startswith("permute") else transpose(value, *rest)
    if op.name in {"slice", "select"}:
        return _rewrite_part(op, value)
    return expand(value, op.shape) if op.name == "expand" else reshape(value, op.shape)


def _rewrite_part(op: Application, value: Value) -> Value:
    """Returns the part of a tensor that ``slice`` or ``select`` takes."""
    names = ("dim", "index") if op.name == "select" else ("dim", "start", "end", "step")
    given = dict(zip(names, op.args[1:], strict=False)) | op.kwargs
    dim = _count_from_start(given.get("dim", 0), value)
    if op.name == "select":
        return select(value, dim, given["index"])
    start, size = given.get("start") or 0, value.shape[dim]
    start = min(max(start + size if start < 0 else start, 0), size)
    return cut(value, dim, start, op.shape[dim], given.get("step", 1))


def rewrite_cast(op: Application) -> Value:
    """Returns a tensor with another dtype."""
    return op.args[0] if op.args[0].dtype == op.dtype else op.make("cast", op.args[0])


def split(op: Application, shapes: Sequence[Shape]) -> tuple[Value, ...]:
    """Returns the parts of a tensor."""
    (value, *rest), start, parts = op.args, 0, []
    is_unbind = op.name == "unbind"
    position = 0 if is_unbind else 1
    dim = _count_from_start(op.kwargs.get("dim", rest[position] if rest[position:] else 0), value)
    for number, shape in enumerate(shapes):
        parts.append(select(value, dim, number) if is_unbind else cut(value, dim, start, shape[dim]))
        start += 0 if is_unbind else shape[dim]
    return tuple(parts)
