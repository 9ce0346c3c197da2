"""The arithmetic behind a convolution's or a pooling's output size."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

from netscope.schema import PlainValue


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialArithmetic:
    """One axis of a convolution or pooling.

    Attributes:
        output: its size after the layer; below 1 if the layer does not fit.
        text: the formula with the figures put in.
    """

    output: int
    text: str


def spatial_arithmetic(hyperparameters: Mapping[str, PlainValue], size: int, axis: int) -> SpatialArithmetic | None:
    """floor((W + 2·P − D·(K − 1) − 1) / S) + 1, the rule of ``torch.nn``'s convolutions and poolings.

    Args:
        hyperparameters: the layer's ``kernel_size``, ``stride``, ``padding``, ``dilation`` and ``ceil_mode``.
        size: of the axis before the layer.
        axis: which of the spatial axes, for settings that differ between them.

    Returns:
        None where the rule does not hold: padding by name, or a transposed convolution.
    """
    if "output_padding" in hyperparameters and hyperparameters.get("transposed", False):
        return None
    kernel = _along(hyperparameters.get("kernel_size"), axis)
    stride = _along(hyperparameters.get("stride"), axis)
    padding = _along(hyperparameters.get("padding", 0), axis)
    dilation = _along(hyperparameters.get("dilation", 1), axis)
    if kernel is None or padding is None or dilation is None:
        return None
    stride = stride or kernel
    quotient = (size + 2 * padding - dilation * (kernel - 1) - 1) / stride
    rounded = ceil(quotient) if hyperparameters.get("ceil_mode") else floor(quotient)
    rounding = "ceil" if hyperparameters.get("ceil_mode") else "floor"
    text = f"{rounding}(({size} + 2·{padding} − {dilation}·({kernel} − 1) − 1) / {stride}) + 1 = {rounded + 1}"
    return SpatialArithmetic(output=rounded + 1, text=text.replace("-", "−"))


def _along(value: PlainValue, axis: int) -> int | None:
    """The setting for one axis: an integer holds for all of them."""
    if isinstance(value, tuple):
        value = value[axis] if axis < len(value) else value[-1]
    return value if isinstance(value, int) else None
