"""Values: what tensors are computed from, as seen by one module."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from netscope.schema import Shape

_COMPUTE_NOTHING = frozenset(
    {
        *("reshape", "permute", "slice", "select", "expand", "copy", "cast", "output", "scalar", "after"),
        *("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"),
    }
)
"""Names of values that only move elements, are a part of another value, or allocate memory."""

_EXTERNAL = frozenset({"input", "own", "call", "elsewhere"})


class Value:
    """What a tensor is computed from.

    Attributes:
        name: canonical name of the op; ``"input"``, ``"own"``, ``"call"`` or ``"elsewhere"`` for a tensor that the
            module did not compute.
        args: arguments: other values, and plain values.
        shape: shape of the tensor.
        dtype: dtype of the tensor.
        key: hash of all of these; equal values have equal keys.
        is_external: whether the module did not compute it.
        is_operation: whether it was computed, rather than moved or allocated.
    """

    __slots__ = ("args", "dtype", "is_external", "is_operation", "key", "name", "shape")

    def __init__(self, name: str, args: tuple[Any, ...], shape: Shape, dtype: str) -> None:
        self.name, self.args, self.shape, self.dtype = name, args, shape, dtype
        self.key = blake2b(f"{name}{describe(args)}{shape}{dtype}".encode(), digest_size=8).hexdigest()
        self.is_external = name in _EXTERNAL
        self.is_operation = not self.is_external and name not in _COMPUTE_NOTHING


@lru_cache(maxsize=1 << 14)
def make_value(name: str, args: tuple[Any, ...], shape: Shape, dtype: str) -> Value:
    """Returns a value. The blocks of a model have the same ones, so these are cached."""
    return Value(name, args, shape, dtype)


def make_commutative(name: str, args: Sequence[Any], shape: Shape, dtype: str) -> Value:
    """Returns the value of an op for which the order of its arguments has no influence."""
    return make_value(name, tuple(sorted(args, key=describe)), shape, dtype)


def describe(value: Any) -> str:
    """Returns a text that is equal for equal arguments; like Python, it takes 1, 1.0 and True as equal."""
    if isinstance(value, Value):
        return value.key
    if isinstance(value, tuple):
        return f"({','.join(map(describe, value))})"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.12g}"
    return str(int(value)) if isinstance(value, bool) else str(value)


class Application:
    """An op that is applied to values.

    Attributes:
        op: name of the op, without its namespace.
        name: its canonical name.
        args: positional arguments, with values in place of tensors.
        kwargs: keyword arguments that affect the result, in the same form.
        shape: shape of its first result.
        dtype: dtype of its first result.
    """

    __slots__ = ("args", "dtype", "kwargs", "name", "op", "shape")

    def __init__(
        self, op: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: Shape, dtype: str
    ) -> None:
        self.op, self.name, self.args, self.kwargs, self.shape, self.dtype = op, name, args, kwargs, shape, dtype

    def make(self, name: str, *args: Any) -> Value:
        """Returns a value with the shape and dtype of the first result."""
        return make_value(name, args, self.shape, self.dtype)

    @property
    def operands(self) -> tuple[Value, ...]:
        """The positional arguments that are tensors."""
        return tuple(arg for arg in self.args if isinstance(arg, Value))
