"""Shapes and the metadata of tensors."""

from dataclasses import dataclass

Shape = tuple[int, ...]

RAGGED = -1
"""The size of a dimension that differs between the members of a nested tensor."""

ITEM_BYTES = {
    "float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16, "float16": 2, "bfloat16": 2,
    "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1, "qint8": 1, "quint8": 1, "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1, "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
}  # fmt: skip
"""Bytes of an element by dtype; four for all others."""

PlainValue = None | bool | int | float | str | tuple[int | float | bool | str | None, ...]
"""The type of a hyperparameter's value; nested values are stored as their ``repr``."""


def drop_batch_dimension(shape: Shape) -> Shape:
    """Returns the shape without its batch dimension if the batch size is 1, as textbooks write shapes."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """The shape and dtype (``"float32"``) of a tensor."""

    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """The name (``images[0]``), shape and dtype of an input tensor of the forward pass."""

    name: str
    shape: Shape
    dtype: str
