"""The arithmetic behind a convolution's or a pooling's output size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from netscope.schema import PlainValue

RULE = "N = floor((W + P_left + P_right − D·(K − 1) − 1) / S) + 1"
TRANSPOSED_RULE = "N = (W − 1)·S − P_left − P_right + D·(K − 1) + P_output + 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialArithmetic:
    """One axis of a convolution or pooling.

    Attributes:
        size: of the axis before the layer.
        kernel: its size along the axis.
        stride: likewise.
        left: padding before the first position.
        right: padding behind the last one.
        dilation: between the kernel's taps.
        rounds_up: whether a window that is only begun counts (``ceil_mode``).
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
        """Positions from the first tap of the kernel to the last."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padded(self) -> int:
        """The size with its padding."""
        return self.size + self.left + self.right

    @property
    def quotient(self) -> Fraction:
        """How many steps of the stride the window can be moved by."""
        return Fraction(self.padded - self.span, self.stride)

    @property
    def output(self) -> int:
        """The size after the layer; below 1 if the layer does not fit."""
        if not self.rounds_up:
            return floor(self.quotient) + 1
        steps = ceil(self.quotient)
        # No window begins behind the input, in the padding on the right.
        return steps if steps * self.stride >= self.size + self.left else steps + 1

    @property
    def text(self) -> str:
        """The rule of ``torch.nn``'s documentation with the figures put in."""
        rounding = "ceil" if self.rounds_up else "floor"
        paddings = f"2·{self.left}" if self.left == self.right else f"{self.left} + {self.right}"
        steps = f"({self.size} + {paddings} − {self.dilation}·({self.kernel} − 1) − 1) / {self.stride}"
        return f"{rounding}({steps}) + 1 = {self.output}".replace("-", "−")

    @property
    def textbook(self) -> str:
        """As textbooks write it: ``(224 − 11 + 2 + 2)/4 + 1 = 55.25 → 55``."""
        span = f"({self.dilation}·({self.kernel} − 1) + 1)" if self.dilation > 1 else str(self.kernel)
        paddings = f" + {self.left} + {self.right}" if self.left or self.right else ""
        exact = self.quotient + 1
        rounded = "" if exact == self.output else f" → {self.output}"
        return f"({self.size} − {span}{paddings})/{self.stride} + 1 = {format_decimal(exact)}{rounded}".replace(
            "-", "−"
        )

    @property
    def unseen(self) -> int:
        """Positions at the end of the padded axis that are in no window."""
        return max(self.padded - (self.output - 1) * self.stride - self.span, 0)

    @property
    def unseen_input(self) -> int:
        """Those of them that are no padding."""
        return max(self.unseen - self.right, 0)

    @property
    def overhang(self) -> int:
        """Positions of the last window that lie behind the padding, where a window that is only begun counts."""
        return max((self.output - 1) * self.stride + self.span - self.padded, 0)

    @property
    def same_output(self) -> tuple[int, int]:
        """The smallest and the largest size before the layer that give the same size after it."""
        near = range(max(self.size - self.stride, 1), self.size + self.stride + 1)
        same = [size for size in near if replace(self, size=size).output == self.output]
        return same[0], same[-1]


def format_decimal(value: Fraction) -> str:
    """With up to two decimals."""
    return f"{round(float(value), 2):,.10g}"


def value_on_axis(value: PlainValue, axis: int) -> int | None:
    """The setting for one axis: an integer holds for all of them."""
    if isinstance(value, tuple):
        value = value[axis] if axis < len(value) else value[-1] if value else None
    return value if isinstance(value, int) else None
