"""The requested inputs of a forward pass, before any tensor exists.

As text, an input is ``[parameter=]SHAPE[:dtype]``: ``1x3x224x224``, ``input_ids=1x128:int64``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from math import prod
from numbers import Integral
from types import MappingProxyType
from typing import Any

from netscope.errors import InputError, UsageError, did_you_mean
from netscope.runtime.wording import show_argument
from netscope.schema.tensors import Shape, TensorSpec

DTYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "float32": ("fp32", "float", "f32"), "float64": ("fp64", "double", "f64"), "float16": ("fp16", "half", "f16"),
        "bfloat16": ("bf16",), "complex64": ("cfloat",), "complex128": ("cdouble",), "int64": ("long", "i64"),
        "int32": ("int", "i32"), "int16": ("short", "i16"), "int8": ("i8",), "uint8": ("byte", "u8"), "bool": (),
    }
)  # fmt: skip
"""The dtypes that can be requested, each with its other names. The first one is the name in ``bench``."""

FLOATING_DTYPES = ("float32", "float16", "bfloat16", "float64")

MAX_ELEMENTS = 2**60
"""Maximum elements of a tensor, whose size in bytes has 63 bits and whose elements have up to eight bytes."""

MAX_DIGITS = 100
"""Maximum digits of a size; Python refuses to parse integers of thousands of digits."""

_INPUT = re.compile(r"(?:(?P<parameter>[^\W\d]\w*)=)?(?P<shape>[^:]*)(?::(?P<dtype>.*))?")
_BRACKETS = str.maketrans("", "", "()[]")
_BETWEEN_SIZES = r"\s*[xX×*,]\s*|\s+"
_SHAPE = re.compile(rf"[0-9]+(?:(?:{_BETWEEN_SIZES})[0-9]+)*")


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
        text = _format_shape(self.shape)
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
            if is_tensor(leaf):
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

    def to_texts(self) -> tuple[str, ...]:
        """Returns the requested and given tensors as the text of inputs, ``ids=1x128:int64``."""
        texts: list[str] = []

        def add(prefix: str, leaf: Any) -> None:
            if isinstance(leaf, TensorRequest) or is_tensor(leaf):
                dtype = str(leaf.dtype or "float32").removeprefix("torch.")
                suffix = "" if dtype == "float32" else f":{dtype}"
                texts.append(f"{prefix}{'x'.join(map(str, leaf.shape))}{suffix}")

        for name, value in [*(("", value) for value in self.args), *self.kwargs.items()]:
            # A list of images of one size, as detectors take it, is written as a batch.
            first: Any = value[0] if isinstance(value, list) and value else None
            is_batch = isinstance(first, TensorRequest) and value == [first] * len(value)
            leaves = TensorRequest(shape=(len(value), *first.shape), dtype=first.dtype) if is_batch else value
            map_leaves(partial(add, f"{name}=" if name else ""), leaves)
        return tuple(texts)


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


def parse_dtype(value: Any, known: Sequence[str] = tuple(DTYPES)) -> str:
    """Returns the dtype that a caller names: ``float16``, ``fp16``, ``half``, ``torch.float16`` or that object.

    Args:
        value: the name, in any case, or the dtype.
        known: the dtypes that are accepted.

    Raises:
        UsageError: the dtype is unknown, or not accepted.
    """
    text = str(value).strip().lower().removeprefix("torch.")
    name = next((name for name, others in DTYPES.items() if text in others), text)
    if name not in known:
        names = [name for dtype in known for name in (dtype, *DTYPES[dtype])]
        raise UsageError(
            f"unknown dtype {str(value)!r}{did_you_mean(text, names)}; available dtypes: {', '.join(known)}"
        )
    return name


def abbreviate_dtype(value: Any) -> str:
    """Returns the short name of a dtype, ``bf16`` for ``torch.bfloat16``; any other value is returned as text."""
    text = str(value).strip().lower().removeprefix("torch.")
    return next((others[0] for name, others in DTYPES.items() if others and text in (name, *others)), text)


def parse_inputs(texts: Sequence[str]) -> ForwardInputs:
    """Returns the inputs that are given as text; inputs without a parameter name are positional.

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
            raise InputError(f"{show_argument('--input', text)}: the parameter {parameter!r} is given twice")
        else:
            kwargs[parameter] = request
    return ForwardInputs(args=tuple(args), kwargs=kwargs)


def as_forward_inputs(inputs: Any) -> ForwardInputs:
    """Returns the arguments of ``forward`` for the ``inputs`` of a Python caller.

    Args:
        inputs: a shape ``(1, 3, 224, 224)``; an integer, the size of a square picture; a string as on the command
            line; a tensor; a ``TensorSpec``; a list or tuple of these, one for each positional parameter; a dict of
            these by parameter name, in which any other value is passed on unchanged; or ``ForwardInputs``.

    Raises:
        InputError: a string is malformed, or a shape is impossible.
    """
    if isinstance(inputs, ForwardInputs):
        return inputs
    if isinstance(inputs, Mapping):
        return ForwardInputs(kwargs={str(name): _to_input(value) for name, value in inputs.items()})
    if isinstance(inputs, str):
        return parse_inputs([inputs])
    if type(inputs) is int:
        inputs = (inputs,)
    if isinstance(inputs, Sequence) and not _is_shape(inputs):
        if all(isinstance(item, str) for item in inputs):
            return parse_inputs(inputs)
        return ForwardInputs(args=tuple(_to_input(item) for item in inputs), kwargs={})
    return ForwardInputs(args=(_to_input(inputs),), kwargs={})


def _to_input(value: Any) -> Any:
    if isinstance(value, str):
        return _parse_input(value)[1] if _SHAPE.match(value) else value
    if isinstance(value, TensorSpec):
        return TensorRequest(shape=value.shape, dtype=parse_dtype(value.dtype))
    if _is_shape(value):
        return _request(tuple(map(int, value)))
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


def is_tensor(value: Any) -> bool:
    """Returns whether a value is a tensor or an array, of whatever library."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, (TensorRequest, TensorSpec))


def _request(shape: Shape, dtype: str | None = None) -> TensorRequest:
    """Returns a caller's request. A saved program may take empty tensors, a caller who asks for one is mistaken."""
    if 0 in shape:
        raise InputError(f"the shape {_format_shape(shape)} has a size of 0; every size must be at least 1")
    return TensorRequest(shape=shape, dtype=dtype)


def _format_shape(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _parse_input(text: str) -> tuple[str | None, TensorRequest]:
    found = _INPUT.fullmatch(text.strip())
    shape = found["shape"].translate(_BRACKETS).strip(" ,") if found else ""
    if found is None or not _SHAPE.fullmatch(shape):
        raise InputError(
            f"invalid input {text!r}; expected [PARAM=]SHAPE[:DTYPE], e.g. "
            f"{show_argument('--input', '1x3x224x224')} or {show_argument('--input', 'input_ids=1x128:int64')}"
        )
    dtype = found["dtype"]
    digits = re.split(_BETWEEN_SIZES, shape)
    if max(map(len, digits)) > MAX_DIGITS:
        raise InputError(f"invalid input {text[:40]!r}…: a size has more than {MAX_DIGITS} digits")
    try:
        return found["parameter"], _request(tuple(map(int, digits)), None if dtype is None else parse_dtype(dtype))
    except UsageError as error:
        raise InputError(f"invalid input {text!r}: {error}") from error
