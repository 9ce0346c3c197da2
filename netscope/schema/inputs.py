"""What a forward pass is asked to be run on, before any tensor exists.

An input is ``[parameter=]SHAPE[:dtype]``: ``1x3x224x224``, ``input_ids=1x128:int64``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from netscope.errors import InputError
from netscope.schema.trace import Shape, TensorSpec

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip

_INPUT = re.compile(r"(?:(?P<parameter>[^\W\d]\w*)=)?(?P<shape>[^:]*)(?::(?P<dtype>.*))?")
_SHAPE = re.compile(r"\d+(?:[x×,]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRequest:
    """A tensor to be made.

    Attributes:
        shape: its sizes.
        dtype: its dtype, None for that of the architecture's parameters.
    """

    shape: Shape
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardInputs:
    """The arguments of one call of ``forward``.

    Attributes:
        args: positional. Every ``TensorRequest`` in them, nested in lists, tuples and dicts, becomes a tensor;
            everything else is passed on.
        kwargs: by keyword, likewise.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any]

    def with_batch_size(self, batch_size: int) -> "ForwardInputs":
        """The same with the first size of every requested tensor replaced.

        Raises:
            InputError: one of them is a scalar, or a tensor that the caller gave.
        """

        def resized(leaf: Any) -> Any:
            if isinstance(leaf, TensorRequest):
                if not leaf.shape:
                    raise InputError("a scalar input has no batch size: leave --batch-size out")
                return TensorRequest(shape=(batch_size, *leaf.shape[1:]), dtype=leaf.dtype)
            if _is_tensor(leaf):
                raise InputError("batch_size applies to shapes, and the inputs are tensors: give it in their shape")
            return leaf

        return self.mapped(resized)

    def mapped(self, function: Callable[[Any], Any]) -> "ForwardInputs":
        """The same with ``function`` applied to everything that is no list, tuple or dict."""
        return ForwardInputs(
            args=tuple(map_leaves(function, value) for value in self.args),
            kwargs={name: map_leaves(function, value) for name, value in self.kwargs.items()},
        )


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """``value`` with ``function`` applied to everything in it that is no list, tuple, mapping or dataclass."""
    if isinstance(value, Mapping):
        return {key: map_leaves(function, item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_leaves(function, item) for item in value))
    if type(value) in (list, tuple):
        return type(value)(map_leaves(function, item) for item in value)
    if is_dataclass(value) and not isinstance(value, (type, TensorRequest)):
        return replace(value, **{item.name: map_leaves(function, getattr(value, item.name)) for item in fields(value)})
    return function(value)


def parse_inputs(texts: Sequence[str]) -> ForwardInputs:
    """The inputs that ``--input`` named, those without a parameter by position.

    Raises:
        InputError: one is malformed, of an unknown dtype, or names a parameter twice.
    """
    args: list[TensorRequest] = []
    kwargs: dict[str, TensorRequest] = {}
    for text in texts:
        parameter, request = _parse_input(text)
        if parameter is None:
            args.append(request)
        elif parameter in kwargs:
            raise InputError(f"--input names the parameter {parameter!r} twice: {text!r}")
        else:
            kwargs[parameter] = request
    return ForwardInputs(args=tuple(args), kwargs=kwargs)


def as_forward_inputs(inputs: Any) -> ForwardInputs:
    """The arguments that a Python caller means by ``inputs``.

    Args:
        inputs: a shape ``(1, 3, 224, 224)``; a string as on the command line; a tensor; a ``TensorSpec``; a list or
            tuple of these, one for each positional parameter; a dict of these by parameter name, where whatever is
            none of these is passed on as it is; or ``ForwardInputs``.

    Raises:
        InputError: a string is malformed, or a size is negative.
    """
    if isinstance(inputs, ForwardInputs):
        return inputs
    if isinstance(inputs, Mapping):
        return ForwardInputs(kwargs={str(name): _as_input(value) for name, value in inputs.items()})
    if isinstance(inputs, str):
        return parse_inputs([inputs])
    if isinstance(inputs, Sequence) and not _is_shape(inputs):
        if all(isinstance(item, str) for item in inputs):
            return parse_inputs(inputs)
        return ForwardInputs(args=tuple(_as_input(item) for item in inputs), kwargs={})
    return ForwardInputs(args=(_as_input(inputs),), kwargs={})


def _as_input(value: Any) -> Any:
    if isinstance(value, str):
        return _parse_input(value)[1] if _SHAPE.match(value) else value
    if isinstance(value, TensorSpec):
        return TensorRequest(shape=value.shape, dtype=value.dtype)
    if _is_shape(value):
        if any(size < 0 for size in value):
            raise InputError(f"the shape {tuple(value)} has a negative size")
        return TensorRequest(shape=tuple(value))
    if type(value) in (list, tuple):
        return type(value)(_as_input(item) for item in value)
    if isinstance(value, dict):
        return {key: _as_input(item) for key, item in value.items()}
    return value


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(size, int) and not isinstance(size, bool) for size in value)
    )


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, (TensorRequest, TensorSpec))


def _parse_input(text: str) -> tuple[str | None, TensorRequest]:
    found = _INPUT.fullmatch(text.strip())
    if found is None or not _SHAPE.fullmatch(found["shape"]):
        raise InputError(
            f"--input {text!r} is not [parameter=]SHAPE[:dtype]; write it like 1x3x224x224 or input_ids=1x128:int64"
        )
    dtype = found["dtype"]
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"--input {text!r}: there is no dtype {dtype!r}; the dtypes are {', '.join(DTYPES)}")
    shape = tuple(int(size) for size in re.split("[x×,]", found["shape"]))
    return found["parameter"], TensorRequest(shape=shape, dtype=dtype)
