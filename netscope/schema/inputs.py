"""The requested inputs of a forward pass, before any tensor exists.

As text, an input is ``[parameter=]SHAPE[:dtype]``: ``1x3x224x224``, ``input_ids=1x128:int64``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from numbers import Integral
from typing import Any

from netscope.errors import InputError, did_you_mean
from netscope.schema.tensors import Shape, TensorSpec

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip

MAX_ELEMENTS = 2**60
"""Maximum elements of a tensor, whose size in bytes has 63 bits and whose elements have up to eight bytes."""

MAX_DIGITS = 100
"""Maximum digits of a size; Python refuses to parse integers of thousands of digits."""

_INPUT = re.compile(r"(?:(?P<parameter>[^\W\d]\w*)=)?(?P<shape>[^:]*)(?::(?P<dtype>.*))?")
_BRACKETS = str.maketrans("", "", "()[] ")
_SHAPE = re.compile(r"[0-9]+(?:[xX×,][0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRequest:
    """The shape and dtype of a tensor to create.

    Attributes:
        shape: shape of the tensor.
        dtype: dtype of the tensor; None for the dtype of the architecture's parameters.

    Raises:
        InputError: a size is negative, or the shape has more than ``MAX_ELEMENTS`` elements.
    """

    shape: Shape
    dtype: str | None = None

    def __post_init__(self) -> None:
        text = "×".join(map(str, self.shape))
        if any(size < 0 for size in self.shape):
            raise InputError(f"the shape {text} has a negative size")
        if prod(self.shape) > MAX_ELEMENTS:
            raise InputError(f"the shape {text} has more elements than a tensor can have")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardInputs:
    """The arguments of a call of ``forward``.

    Attributes:
        args: positional arguments. Every ``TensorRequest`` in them, also nested in lists, tuples and dicts, becomes a
            tensor; everything else is passed on unchanged.
        kwargs: keyword arguments, with tensor requests as in ``args``.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any]

    def with_batch_size(self, batch_size: int) -> "ForwardInputs":
        """Returns the inputs with another batch size: dimension 0 of each requested tensor, or the length of a list.

        Raises:
            InputError: an input is a scalar or a given tensor, or no tensor is requested.
        """
        has_request = False

        def resize(leaf: Any) -> Any:
            nonlocal has_request
            if _is_tensor(leaf):
                raise InputError("batch_size cannot be applied to tensors; pass shapes, or tensors of that batch size")
            if not isinstance(leaf, TensorRequest):
                return leaf
            if not leaf.shape:
                raise InputError("a scalar input has no batch dimension; remove the batch size")
            has_request = True
            return TensorRequest(shape=(batch_size, *leaf.shape[1:]), dtype=leaf.dtype)

        def rebatch(value: Any) -> Any:
            nonlocal has_request
            # A list of images of different sizes, as detectors take it, is a batch.
            if isinstance(value, list) and value and all(isinstance(item, TensorRequest) for item in value):
                has_request = True
                return [value[position % len(value)] for position in range(batch_size)]
            return map_leaves(resize, value)

        batch = ForwardInputs(
            args=tuple(map(rebatch, self.args)), kwargs={name: rebatch(value) for name, value in self.kwargs.items()}
        )
        if not has_request:
            raise InputError("no input has a batch dimension; remove the batch size")
        return batch

    def map_leaves(self, function: Callable[[Any], Any]) -> "ForwardInputs":
        """Returns the inputs with ``function`` applied to everything except lists, tuples, dicts and dataclasses."""
        return ForwardInputs(
            args=tuple(map_leaves(function, value) for value in self.args),
            kwargs={name: map_leaves(function, value) for name, value in self.kwargs.items()},
        )


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Returns ``value`` with ``function`` applied to everything in it except lists, tuples, dicts and dataclasses."""
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
    """Returns the inputs of ``--input`` options; inputs without a parameter name are positional.

    Raises:
        InputError: an input is malformed, its dtype is unknown, or a parameter is given twice.
    """
    args: list[TensorRequest] = []
    kwargs: dict[str, TensorRequest] = {}
    for text in texts:
        parameter, request = _parse_input(text)
        if parameter is None:
            args.append(request)
        elif parameter in kwargs:
            raise InputError(f"--input {text!r}: the parameter {parameter!r} is given twice")
        else:
            kwargs[parameter] = request
    return ForwardInputs(args=tuple(args), kwargs=kwargs)


def as_forward_inputs(inputs: Any) -> ForwardInputs:
    """Returns the arguments of ``forward`` for the ``inputs`` of a Python caller.

    Args:
        inputs: a shape ``(1, 3, 224, 224)``; a string as on the command line; a tensor; a ``TensorSpec``; a list or
            tuple of these, one for each positional parameter; a dict of these by parameter name, in which any other
            value is passed on unchanged; or ``ForwardInputs``.

    Raises:
        InputError: a string is malformed, or a shape is impossible.
    """
    if isinstance(inputs, ForwardInputs):
        return inputs
    if isinstance(inputs, Mapping):
        return ForwardInputs(kwargs={str(name): _to_input(value) for name, value in inputs.items()})
    if isinstance(inputs, str):
        return parse_inputs([inputs])
    if isinstance(inputs, Sequence) and not _is_shape(inputs):
        if all(isinstance(item, str) for item in inputs):
            return parse_inputs(inputs)
        return ForwardInputs(args=tuple(_to_input(item) for item in inputs), kwargs={})
    return ForwardInputs(args=(_to_input(inputs),), kwargs={})


def _to_input(value: Any) -> Any:
    if isinstance(value, str):
        return _parse_input(value)[1] if _SHAPE.match(value) else value
    if isinstance(value, TensorSpec):
        return TensorRequest(shape=value.shape, dtype=value.dtype)
    if _is_shape(value):
        return TensorRequest(shape=tuple(map(int, value)))
    if type(value) in (list, tuple):
        return type(value)(_to_input(item) for item in value)
    if isinstance(value, dict):
        return {key: _to_input(item) for key, item in value.items()}
    return value


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(size, Integral) and not isinstance(size, bool) for size in value)
    )


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, (TensorRequest, TensorSpec))


def _parse_input(text: str) -> tuple[str | None, TensorRequest]:
    found = _INPUT.fullmatch(text)
    shape = found["shape"].translate(_BRACKETS) if found else ""
    if found is None or not _SHAPE.fullmatch(shape):
        raise InputError(
            f"invalid --input {text!r}; expected [PARAM=]SHAPE[:DTYPE], e.g. 1x3x224x224 or input_ids=1x128:int64"
        )
    dtype = found["dtype"]
    if dtype is not None and dtype not in DTYPES:
        raise InputError(
            f"--input {text!r}: unknown dtype {dtype!r}{did_you_mean(dtype, DTYPES)}; available dtypes: "
            f"{', '.join(DTYPES)}"
        )
    digits = re.split("[xX×,]", shape)
    if max(map(len, digits)) > MAX_DIGITS:
        raise InputError(f"--input {text[:40]!r}…: a size has more than {MAX_DIGITS} digits")
    sizes = tuple(map(int, digits))
    return found["parameter"], TensorRequest(shape=sizes, dtype=dtype)
