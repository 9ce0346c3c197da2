"""What a forward pass is asked to be run on, before any tensor exists.

An input is ``[parameter=]SHAPE[:dtype]``: ``1x3x224x224``, ``input_ids=1x128:int64``.
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
"""A tensor counts its bytes in 63 bits, and an element has up to eight."""

MAX_DIGITS = 100
"""Of a size that is read at all, whatever there is of such a tensor: of thousands Python reads none."""

_INPUT = re.compile(r"(?:(?P<parameter>[^\W\d]\w*)=)?(?P<shape>[^:]*)(?::(?P<dtype>.*))?")
_AROUND_SHAPES = str.maketrans("", "", "()[] ")
_SHAPE = re.compile(r"[0-9]+(?:[xX×,][0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRequest:
    """A tensor to be made.

    Attributes:
        shape: its sizes.
        dtype: its dtype, None for that of the architecture's parameters.

    Raises:
        InputError: a size is negative, or there are more elements than any tensor can have.
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
    """The arguments of one call of ``forward``.

    Attributes:
        args: positional. Every ``TensorRequest`` in them, nested in lists, tuples and dicts, becomes a tensor;
            everything else is passed on.
        kwargs: by keyword, likewise.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any]

    def with_batch_size(self, batch_size: int) -> "ForwardInputs":
        """The same with the first size of every requested tensor replaced; a list of tensors is made as long.

        Raises:
            InputError: one of them is a scalar, or a tensor that the caller gave; or nothing is requested.
        """
        requested_input_specs = False

        def resized(leaf: Any) -> Any:
            nonlocal requested_input_specs
            if _is_tensor(leaf):
                raise InputError("batch_size applies to shapes, and the inputs are tensors: give it in their shape")
            if not isinstance(leaf, TensorRequest):
                return leaf
            if not leaf.shape:
                raise InputError("a scalar input has no batch size: leave the batch size out")
            requested_input_specs = True
            return TensorRequest(shape=(batch_size, *leaf.shape[1:]), dtype=leaf.dtype)

        def batched(value: Any) -> Any:
            nonlocal requested_input_specs
            # Pictures of sizes of their own, as detectors take them: each is a member of the batch.
            if isinstance(value, list) and value and all(isinstance(item, TensorRequest) for item in value):
                requested_input_specs = True
                return [value[position % len(value)] for position in range(batch_size)]
            return map_leaves(resized, value)

        batch = ForwardInputs(
            args=tuple(map(batched, self.args)), kwargs={name: batched(value) for name, value in self.kwargs.items()}
        )
        if not requested_input_specs:
            raise InputError("there is no input that could have a batch size: leave the batch size out")
        return batch

    def map_leaves(self, function: Callable[[Any], Any]) -> "ForwardInputs":
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
        InputError: a string is malformed, or a shape impossible.
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
        return TensorRequest(shape=tuple(map(int, value)))
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
        and all(isinstance(size, Integral) and not isinstance(size, bool) for size in value)
    )


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, (TensorRequest, TensorSpec))


def _parse_input(text: str) -> tuple[str | None, TensorRequest]:
    found = _INPUT.fullmatch(text)
    shape = found["shape"].translate(_AROUND_SHAPES) if found else ""
    if found is None or not _SHAPE.fullmatch(shape):
        raise InputError(
            f"--input {text!r} is not [parameter=]SHAPE[:dtype]; write it like 1x3x224x224 or input_ids=1x128:int64"
        )
    dtype = found["dtype"]
    if dtype is not None and dtype not in DTYPES:
        raise InputError(
            f"--input {text!r}: there is no dtype {dtype!r}{did_you_mean(dtype, DTYPES)}; the dtypes are "
            f"{', '.join(DTYPES)}"
        )
    digits = re.split("[xX×,]", shape)
    if max(map(len, digits)) > MAX_DIGITS:
        raise InputError(f"--input {text[:40]!r}… has a size of more than {MAX_DIGITS} digits")
    sizes = tuple(map(int, digits))
    return found["parameter"], TensorRequest(shape=sizes, dtype=dtype)
