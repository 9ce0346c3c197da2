"""Shapes, and what is said of a tensor beside its elements."""

from dataclasses import dataclass

Shape = tuple[int, ...]

RAGGED = -1
"""The size of an axis that differs between the members of a nested tensor."""

PlainValue = None | bool | int | float | str | tuple[int | float | bool | str | None, ...]
"""What a hyperparameter can be. Deeper values are kept as their ``repr``."""


def drop_batch_dimension(shape: Shape) -> Shape:
    """As textbooks tell a shape: without the first size, if that is a batch of one."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """A tensor's shape and dtype (``"float32"``), without its elements."""

    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One tensor that went into the forward pass, under the parameter (``images[0]``) that took it."""

    name: str
    shape: Shape
    dtype: str
