"""The arithmetic of the output size of convolutions and poolings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from netscope.schema import PlainValue

RULE = "N = floor((W + P_left + P_right − D·(K − 1) − 1) / S) + 1"
TRANSPOSED_RULE = "N = (W − 1)·S − P_left − P_right + D·(K − 1) + P_output + 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialArithmetic:
    """The sizes along one axis of a convolution or pooling.

    Attributes:
        size: input size.
        kernel: kernel size.
        stride: stride of the kernel.
        left: padding before the first position.
        right: padding after the last position.
        dilation: distance between the kernel's taps.
        rounds_up: whether a window that begins inside but ends outside counts (``ceil_mode``).
    """

    size: int
    kernel: int
    stride: int
    left: int
    right: int
    dilation: int
    rounds_up: bool

    @classmethod
    def of(cls, hyperparameters: Mapping[str, PlainValue], size: int, axis: int) -> "SpatialArithmetic | None":
        """Returns the arithmetic along one axis of a convolution or pooling; None if its rule does not apply.

        The rule is the one in ``torch.nn``'s documentation of convolutions and poolings,
        floor((W + P_left + P_right − D·(K − 1) − 1) / S) + 1. It does not apply to a transposed convolution.

        Args:
            hyperparameters: the layer's ``kernel_size``, ``stride``, ``padding``, ``dilation`` and ``ceil_mode``.
            size: input size along the axis.
            axis: index of the spatial axis, for settings that differ between the axes.
        """
        if "output_padding" in hyperparameters:
            return None
        kernel = value_on_axis(hyperparameters.get("kernel_size"), axis)
        dilation = value_on_axis(hyperparameters.get("dilation", 1), axis)
        if kernel is None or dilation is None:
            return None
        stride = value_on_axis(hyperparameters.get("stride"), axis) or kernel
        if min(kernel, dilation, stride) < 1:
            return None
        named = hyperparameters.get("padding", 0)
        total = dilation * (kernel - 1)
        if named in ("same", "valid"):
            left, right = (total // 2, total - total // 2) if named == "same" else (0, 0)
        else:
            padding = value_on_axis(named, axis)
            if padding is None:
                return None
            left = right = padding
        return cls(
            size=size,
            kernel=kernel,
            stride=stride,
            left=left,
            right=right,
            dilation=dilation,
            rounds_up=bool(hyperparameters.get("ceil_mode")),
        )

    @property
    def span(self) -> int:
        """The number of positions from the first tap of the kernel to the last."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padded(self) -> int:
        """The input size with padding."""
        return self.size + self.left + self.right

    @property
    def quotient(self) -> Fraction:
        """The number of strides that the window can be moved by, before rounding."""
        return Fraction(self.padded - self.span, self.stride)

    @property
    def output(self) -> int:
        """The output size; below 1 if the input is too small."""
        if not self.rounds_up:
            return floor(self.quotient) + 1
        steps = ceil(self.quotient)
        # No window begins in the padding on the right.
        return steps if steps * self.stride >= self.size + self.left else steps + 1

    @property
    def text(self) -> str:
        """The rule in ``torch.nn``'s documentation with the numbers inserted."""
        rounding = "ceil" if self.rounds_up else "floor"
        paddings = f"2·{self.left}" if self.left == self.right else f"{self.left} + {self.right}"
        steps = f"({self.size} + {paddings} − {self.dilation}·({self.kernel} − 1) − 1) / {self.stride}"
        return f"{rounding}({steps}) + 1 = {self.output}".replace("-", "−")

    @property
    def textbook(self) -> str:
        """The rule as textbooks write it, with the numbers inserted: ``(224 − 11 + 2 + 2)/4 + 1 = 55.25 → 55``."""
        span = f"({self.dilation}·({self.kernel} − 1) + 1)" if self.dilation > 1 else str(self.kernel)
        paddings = f" + {self.left} + {self.right}" if self.left or self.right else ""
        exact = self.quotient + 1
        rounded = "" if exact == self.output else f" → {self.output}"
        return f"({self.size} − {span}{paddings})/{self.stride} + 1 = {format_decimal(exact)}{rounded}".replace(
            "-", "−"
        )

    @property
    def unseen(self) -> int:
        """The number of positions at the end of the padded input that are in no window."""
        return max(self.padded - (self.output - 1) * self.stride - self.span, 0)

    @property
    def unseen_input(self) -> int:
        """The number of positions at the end of the input, without padding, that are in no window."""
        return max(self.unseen - self.right, 0)

    @property
    def overhang(self) -> int:
        """The number of positions of the last window that are beyond the padding, with ``ceil_mode``."""
        return max((self.output - 1) * self.stride + self.span - self.padded, 0)

    @property
    def same_output(self) -> tuple[int, int]:
        """The smallest and the largest input size that give the same output size."""
        near = range(max(self.size - self.stride, 1), self.size + self.stride + 1)
        same = [size for size in near if replace(self, size=size).output == self.output]
        return same[0], same[-1]


def format_decimal(value: Fraction) -> str:
    """Returns the value with up to two decimals."""
    return f"{round(float(value), 2):,.10g}"


def value_on_axis(value: PlainValue, axis: int) -> int | None:
    """Returns a setting's value on one axis; an integer applies to all axes."""
    if isinstance(value, tuple):
        value = value[axis] if axis < len(value) else value[-1] if value else None
    return value if isinstance(value, int) else None
