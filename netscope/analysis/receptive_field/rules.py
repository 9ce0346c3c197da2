"""The units of an op's results by those that it reads: one rule for each kind of op."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import Any

from netscope.analysis.receptive_field.contraction import Operand, combine_elementwise, contract
from netscope.analysis.receptive_field.fields import (
    BLURRED,
    Factor,
    Field,
    Units,
    UntrackedError,
    Window,
    plain_dimension,
)
from netscope.flops import get_zero_flop_reason
from netscope.schema import Shape, TensorRef, TracedOp, TracedTensor

Rule = Callable[["Op"], Sequence[Units]]

_RULES: dict[str, Rule] = {}
"""The rule of each op, by its name without the namespace."""


def _rule_for(names: str) -> Callable[[Rule], Rule]:
    """Returns a decorator that registers a rule for the ops of these names, separated by spaces."""

    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names.split(), rule))
        return rule

    return register


@dataclass(frozen=True, slots=True)
class Op:
    """An op that reads tensors that depend on the input.

    Attributes:
        traced: the op in the trace.
        reads: units of those tensors; None for untracked ones.
        shapes: shapes of its results.
        tensors: all tensors of the trace.
    """

    traced: TracedOp
    reads: dict[int, Units | None]
    shapes: Sequence[Shape]
    tensors: Sequence[TracedTensor]

    def arg(self, position: int, default: Any = None) -> Any:
        """Returns a positional argument, or ``default`` if there are fewer."""
        args = self.traced.args
        return args[position] if position < len(args) else default

    def units(self, position: int) -> Units | None:
        """Returns the units of a positional argument; None if it does not depend on the input.

        Raises:
            UntrackedError: the argument is untracked.
        """
        return self.units_of(self.arg(position))

    def units_of(self, value: Any) -> Units | None:
        """Returns the units of a tensor; None if it does not depend on the input.

        Raises:
            UntrackedError: the tensor is untracked.
        """
        if not isinstance(value, TensorRef) or value.tensor not in self.reads:
            return None
        units = self.reads[value.tensor]
        if units is None:
            raise UntrackedError
        return units

    @property
    def first(self) -> Units:
        """The units of the first argument, the only one that may depend on the input.

        Raises:
            UntrackedError: the first argument does not depend on the input, or others do.
        """
        units = self.units(0)
        if units is None or len(self.reads) > 1:
            raise UntrackedError
        return units

    @property
    def all(self) -> list[Units]:
        """The units of all tensors that it reads.

        Raises:
            UntrackedError: one of them is untracked.
        """
        known = [units for units in self.reads.values() if units is not None]
        if len(known) < len(self.reads):
            raise UntrackedError
        return known


def apply_rule(op: Op) -> Sequence[Units | None]:
    """Returns the units of each of the op's results; None for a result that its rule leaves out.

    Raises:
        UntrackedError: the op has no rule, or its rule does not apply to these arguments.
    """
    name = op.traced.name.partition(".")[2]
    rule = _RULES.get(name) or _RULES.get(name.removesuffix("_"))
    if rule is None and "scaled_dot_product" in name and not name.endswith("_backward"):
        rule = _attend
    if rule is None and get_zero_flop_reason(op.traced.name) == "elementwise":
        rule = _elementwise
    if rule is None:
        raise UntrackedError
    results = list(rule(op))
    if any(units.shape != tuple(shape) for units, shape in zip(results, op.shapes, strict=False)):
        raise UntrackedError
    # The others are statistics, indices and the like, which no op that is followed reads.
    return [*results, *[None] * (len(op.shapes) - len(results))]


@_rule_for("masked_fill where")
def _elementwise(op: Op) -> Sequence[Units]:
    return [combine_elementwise(op.all, op.shapes[0])]


@_rule_for("alias as_strided_ clone contiguous detach lift_fresh native_dropout _to_copy")
def _pass_through(op: Op) -> Sequence[Units]:
    if op.first.shape != op.shapes[0]:
        raise UntrackedError
    return [op.first]


@_rule_for("glu")
def _gate(op: Op) -> Sequence[Units]:
    """Returns the units of one half of a dimension times the sigmoid of the other half."""
    units, dimension = op.first, op.arg(1, -1) % len(op.shapes[0])
    if units.axes_of(dimension):
        raise UntrackedError
    return [units.with_dimension(dimension, plain_dimension(op.shapes[0][dimension]))]


@_rule_for("copy")
def _copy(op: Op) -> Sequence[Units]:
    """Returns the units of ``copy_(to, from)``."""
    source = op.units(1)
    if source is None:
        raise UntrackedError
    return [combine_elementwise([source], op.shapes[0])]


# Views, and other rearrangements of units


@_rule_for("view _unsafe_view reshape _reshape_alias unsqueeze squeeze flatten")
def _view(op: Op) -> Sequence[Units]:
    return [op.first.reshape(op.shapes[0])]


@_rule_for("permute")
def _permute(op: Op) -> Sequence[Units]:
    rank = len(op.first.layout)
    return [op.first.permute([dimension % rank for dimension in op.arg(1)])]


@_rule_for("transpose t")
def _transpose(op: Op) -> Sequence[Units]:
    order = list(range(len(op.first.layout)))
    one, other = (op.arg(1), op.arg(2)) if len(order) > 1 and op.traced.name != "aten.t" else (0, -1)
    if order:
        order[one], order[other] = order[other], order[one]
    return [op.first.permute(order)]


@_rule_for("expand")
def _expand(op: Op) -> Sequence[Units]:
    shape = op.shapes[0]
    layout = op.first.layout
    added = len(shape) - len(layout)
    factors = [plain_dimension(size) for size in shape[:added]]
    sizes = zip(op.first.shape, shape[added:], strict=True)
    factors += [
        own if size == wider else plain_dimension(wider) for own, (size, wider) in zip(layout, sizes, strict=True)
    ]
    return [Units(tuple(factors), op.first.fields)]


@_rule_for("slice")
def _slice(op: Op) -> Sequence[Units]:
    dimension, start, end, step = op.arg(1, 0), op.arg(2), op.arg(3), op.arg(4, 1)
    units = op.first
    size = units.shape[dimension]
    return [units.select(dimension % len(units.layout), range(size)[start:end:step])]


@_rule_for("select")
def _select(op: Op) -> Sequence[Units]:
    units, dimension, index = op.first, op.arg(1), op.arg(2)
    dimension %= len(units.layout)
    picked = units.select(dimension, range(units.shape[dimension])[index:][:1])
    return [Units(_without(picked.layout, dimension), picked.fields)]


@_rule_for("split split_with_sizes unsafe_split chunk")
def _split(op: Op) -> Sequence[Units]:
    units = op.first
    dimension = op.arg(2, op.traced.kwargs.get("dim", 0)) % len(units.layout)
    start, parts = 0, []
    for shape in op.shapes:
        parts.append(units.select(dimension, range(start, start + shape[dimension])))
        start += shape[dimension]
    return parts


@_rule_for("unbind")
def _unbind(op: Op) -> Sequence[Units]:
    units = op.first
    dimension = op.arg(1, 0) % len(units.layout)
    parts = (units.select(dimension, [index]) for index in range(units.shape[dimension]))
    return [Units(_without(part.layout, dimension), part.fields) for part in parts]


def _without(layout: Sequence[tuple[Factor, ...]], dimension: int) -> tuple[tuple[Factor, ...], ...]:
    return (*layout[:dimension], *layout[dimension + 1 :])


@_rule_for("roll")
def _roll(op: Op) -> Sequence[Units]:
    units = op.first
    shifts, dimensions = _tuple(op.arg(1)), _tuple(op.arg(2, ()))
    if len(shifts) != len(dimensions):
        raise UntrackedError
    for shift, dimension in zip(shifts, dimensions, strict=True):
        size = units.shape[dimension]
        order = [(index - shift) % size for index in range(size)]
        units = units.select(dimension % len(units.layout), order)
    return [units]


@_rule_for("flip")
def _flip(op: Op) -> Sequence[Units]:
    units = op.first
    for dimension in op.arg(1):
        units = units.select(dimension % len(units.layout), range(units.shape[dimension])[::-1])
    return [units]


@_rule_for("constant_pad_nd")
def _pad(op: Op) -> Sequence[Units]:
    """Returns the units after padding with a constant; ``pad`` has the last dimension's two paddings first."""
    units, pad = op.first, op.arg(1)
    for number in range(len(pad) // 2):
        dimension = len(units.layout) - 1 - number
        before, after = pad[2 * number], pad[2 * number + 1]
        size = units.shape[dimension]
        if before or after:
            taps = [[index] for index in range(-before, size + after)]
            units = _apply_windows(units, dimension, taps, Fraction(1), len(taps))
    return [units]


@_rule_for("reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d")
def _pad_by_mirroring(op: Op) -> Sequence[Units]:
    """Returns the units after padding with units from inside, by reflection or by repeating the edge."""
    units, pad = op.first, op.arg(1)
    for number in range(len(pad) // 2):
        dimension = len(units.layout) - 1 - number
        last = units.shape[dimension] - 1
        mirror = partial(_nearest if "replication" in op.traced.name else _reflection, last=last)
        taps = [[index] for index in range(-pad[2 * number], last + 1 + pad[2 * number + 1])]
        units = _apply_windows(units, dimension, taps, Fraction(1), len(taps), mirror)
    return [units]


def _nearest(index: int, last: int) -> int:
    return min(max(index, 0), last)


def _reflection(index: int, last: int) -> int:
    return last - abs(last - abs(index))


@_rule_for("cat")
def _concatenate(op: Op) -> Sequence[Units]:
    shape = op.shapes[0]
    parts = [units for units in map(op.units_of, op.arg(0)) if units is not None]
    dimension = op.arg(1, op.traced.kwargs.get("dim", 0)) % len(shape)
    if any(units.axes_of(dimension) for units in parts):
        return [_blur(parts, dimension, shape)]
    slices = [units.with_dimension(dimension, ()) for units in parts]
    slice_shape = (*shape[:dimension], 1, *shape[dimension + 1 :])
    return [combine_elementwise(slices, slice_shape).with_dimension(dimension, plain_dimension(shape[dimension]))]


def _blur(parts: Sequence[Units], dimension: int, shape: Shape) -> Units:
    """Returns the units of parts with positions concatenated along one dimension, of which only the region is known."""
    axes = set().union(*(units.axes_of(dimension) for units in parts))
    slices = [units.mix([dimension]).with_dimension(dimension, ()) for units in parts]
    slice_shape = (*shape[:dimension], 1, *shape[dimension + 1 :])
    whole = combine_elementwise(slices, slice_shape)
    region = tuple(
        (min(field.low), max(field.high)) if BLURRED in axes or axis in axes else None
        for axis, field in enumerate(whole.fields)
    )
    return whole.with_dimension(dimension, (Factor(shape[dimension], BLURRED, region=region),))


@_rule_for("stack")
def _stack(op: Op) -> Sequence[Units]:
    shape = op.shapes[0]
    dimension = op.arg(1, 0) % len(shape)
    parts = [op.units_of(part) for part in op.arg(0)]
    known = [units for units in parts if units is not None]
    units = combine_elementwise(known, (*shape[:dimension], *shape[dimension + 1 :]))
    factors = plain_dimension(shape[dimension])
    differing = [
        axis for axis in range(len(units.fields)) if any(part.fields[axis] != known[0].fields[axis] for part in known)
    ]
    if differing:
        # If each part has a single field along the axis, the parts are its positions again.
        (axis, *others) = differing
        if others or len(known) < len(parts) or any(part.items(axis) for part in known):
            raise UntrackedError
        bounds = zip(*(part.fields[axis][:4] for part in known), strict=True)
        low, high, first, last = (tuple(values[0] for values in bound) for bound in bounds)
        fields = (*units.fields[:axis], Field(low, high, first, last, None), *units.fields[axis + 1 :])
        units, factors = Units(units.layout, fields), (Factor(len(known), axis),)
    return [Units((*units.layout[:dimension], factors, *units.layout[dimension:]), units.fields)]


@_rule_for("pixel_shuffle")
def _shuffle_pixels(op: Op) -> Sequence[Units]:
    """Returns the units of (…, C·r², H, W) as (…, C, H·r, W·r)."""
    *leading, channels, rows, columns = op.shapes[0]
    factor, rank = op.arg(1), len(op.shapes[0])
    split = op.first.reshape((*leading, channels, factor, factor, rows // factor, columns // factor))
    first = rank - 2
    order = (*range(first), first + 2, first, first + 3, first + 1)
    return [split.permute(order).reshape(op.shapes[0])]


@_rule_for("pixel_unshuffle")
def _unshuffle_pixels(op: Op) -> Sequence[Units]:
    """Returns the units of (…, C, H·r, W·r) as (…, C·r², H, W)."""
    *leading, channels, rows, columns = op.shapes[0]
    factor, rank = op.arg(1), len(op.shapes[0])
    split = op.first.reshape((*leading, channels // factor**2, rows, factor, columns, factor))
    first = rank - 2
    order = (*range(first), first + 1, first + 3, first, first + 2)
    return [split.permute(order).reshape(op.shapes[0])]


# Windows


def _apply_windows(
    units: Units,
    dimension: int,
    taps: Sequence[Sequence[int]],
    stride: Fraction | None,
    size: int,
    mirror: Callable[[int], int] | None = None,
) -> Units:
    """Returns the units of windows over one dimension; ``Field.apply_windows`` explains the arguments."""
    if not units.axes_of(dimension):
        return units.with_dimension(dimension, plain_dimension(size))

    def apply(field: Field) -> Field:
        return field.apply_windows(taps, None if field.step is None or stride is None else field.step * stride, mirror)

    return units.transform(dimension, apply)


@_rule_for("convolution")
def _convolve(op: Op) -> Sequence[Units]:
    units = op.first
    kernel, transposed = op.tensors[op.arg(1).tensor].shape[2:], op.arg(6)
    stride, padding, dilation = (_per_axis(op.arg(position), len(kernel)) for position in (3, 4, 5))
    units = units.mix([1]) if units.axes_of(1) else units
    units = units.with_dimension(1, plain_dimension(op.shapes[0][1]))
    for axis in range(len(kernel)):
        dimension = 2 + axis
        size = op.shapes[0][dimension]
        if kernel[axis] == stride[axis] == 1 and padding[axis] == 0:
            continue
        if transposed:
            windows = [
                [
                    (out + padding[axis] - dilation[axis] * tap) // stride[axis]
                    for tap in range(kernel[axis])
                    if (out + padding[axis] - dilation[axis] * tap) % stride[axis] == 0
                ]
                for out in range(size)
            ]
            # If the stride is larger than the kernel, some outputs are the bias alone.
            if not all(windows):
                raise UntrackedError
            units = _apply_windows(units, dimension, windows, Fraction(1, stride[axis]), size)
        else:
            window = Window(kernel[axis], stride[axis], padding[axis], dilation[axis])
            units = _slide(units, dimension, window, size)
    return [units]


def _slide(units: Units, dimension: int, window: Window, size: int) -> Units:
    """Returns the units of a window that slides over one dimension."""
    if not units.axes_of(dimension):
        return units.with_dimension(dimension, plain_dimension(size))
    return units.transform(dimension, lambda field: field.slide(size, window))


@_rule_for("max_pool2d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d")
def _pool(op: Op) -> Sequence[Units]:
    """Returns the units of a pooling.

    Its arguments are ``max_poolNd(x, kernel, stride, padding, dilation, …)`` or
    ``avg_poolNd(x, kernel, stride, padding, …)``.
    """
    rank = int(op.traced.name.partition("pool")[2][0])
    kernel = _per_axis(op.arg(1), rank)
    stride = _per_axis(op.arg(2), rank) if op.arg(2) else kernel
    padding = _per_axis(op.arg(3, 0), rank)
    dilation = _per_axis(op.arg(4, 1), rank) if "max" in op.traced.name else (1,) * rank
    units = op.first
    for axis in range(rank):
        dimension = len(units.layout) - rank + axis
        size = op.shapes[0][dimension]
        if kernel[axis] == stride[axis] == 1 and padding[axis] == 0:
            continue
        units = _slide(units, dimension, Window(kernel[axis], stride[axis], padding[axis], dilation[axis]), size)
    return [units]


@_rule_for("adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d")
def _pool_adaptively(op: Op) -> Sequence[Units]:
    """Returns the units of an adaptive pooling; the window of output i is floor(i·W/N) … ceil((i+1)·W/N) − 1."""
    units = op.first
    rank = int(op.traced.name.partition("pool")[2][0])
    for dimension in range(len(units.layout) - rank, len(units.layout)):
        before, size = units.shape[dimension], op.shapes[0][dimension]
        if before == size:
            continue
        windows = [range(index * before // size, -(-(index + 1) * before // size)) for index in range(size)]
        stride = Fraction(before, size) if before % size == 0 and size > 1 else None
        units = _apply_windows(units, dimension, windows, stride, size)
    return [units]


@_rule_for(
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d "
    "_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d"
)
def _interpolate(op: Op) -> Sequence[Units]:
    """Returns the units of nearest or linear interpolation over the last dimensions."""
    name, units = op.traced.name, op.first
    if "bicubic" in name or "_aa" in name:
        raise UntrackedError
    rank = int(name.rstrip("d")[-1])
    aligned = bool(op.arg(2)) and "linear" in name
    scales = _scales(op, rank)
    for axis, dimension in enumerate(range(len(units.layout) - rank, len(units.layout))):
        before, size = units.shape[dimension], op.shapes[0][dimension]
        scale = scales[axis]
        if scale is not None and not aligned and scale * before != size:
            raise UntrackedError  # torch then uses the factor itself, in floating point
        if "nearest" in name:
            half = Fraction(1, 2) if "exact" in name else Fraction(0)
            windows = [[floor((out + half) * Fraction(before, size))] for out in range(size)]
        else:
            windows = [_neighbors(out, before, size, aligned=aligned) for out in range(size)]
        units = _apply_windows(units, dimension, windows, Fraction(before, size), size)
    return [units]


def _scales(op: Op, rank: int) -> Sequence[float | None]:
    """Returns the scale factor of each axis, in whichever form the op was dispatched; None for a missing one."""
    given = [value for value in op.traced.args[2:] if not isinstance(value, bool)]
    if len(given) == 1 and isinstance(given[0], tuple):
        given = list(given[0])
    return given if len(given) == rank else [None] * rank


def _neighbors(out: int, before: int, size: int, *, aligned: bool) -> list[int]:
    if aligned:
        center = Fraction(out * (before - 1), size - 1) if size > 1 else Fraction(0)
    else:
        center = max((out + Fraction(1, 2)) * Fraction(before, size) - Fraction(1, 2), Fraction(0))
    return sorted({min(floor(center), before - 1), min(ceil(center), before - 1)})


# Ops that mix or reduce whole dimensions


@_rule_for("_softmax _log_softmax _safe_softmax softmax")
def _mix_one_dimension(op: Op) -> Sequence[Units]:
    """Returns the units of a softmax or the like over one dimension."""
    return [op.first.mix([op.arg(1) % len(op.first.layout)])]


@_rule_for("mean sum amax amin var std linalg_vector_norm")
def _reduce(op: Op) -> Sequence[Units]:
    """Returns the units of a reduction, such as a sum, over the given dimensions or all."""
    units = op.first
    rank = len(units.layout)
    norm = "vector_norm" in op.traced.name
    dimensions = op.arg(2 if norm else 1)
    gone = range(rank) if dimensions is None or dimensions == () else [d % rank for d in _tuple(dimensions)]
    return [units.reduce(gone, keep=len(op.shapes[0]) == rank)]


@_rule_for("native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm")
def _normalize_batch(op: Op) -> Sequence[Units]:
    """Returns the units of a batch norm, which mixes all positions in train mode and none in eval mode."""
    units = op.first
    training = next((value for value in op.traced.args if isinstance(value, bool)), False)
    return [units.mix([0, *range(2, len(units.layout))]) if training else units]


@_rule_for("native_layer_norm _fused_rms_norm rms_norm")
def _normalize_layer(op: Op) -> Sequence[Units]:
    rank = len(op.first.layout)
    return [op.first.mix(range(rank - len(op.arg(1)), rank))]


@_rule_for("native_group_norm")
def _normalize_groups(op: Op) -> Sequence[Units]:
    return [op.first.mix(range(1, len(op.first.layout)))]


# Matmuls


@_rule_for("mm bmm addmm baddbmm")
def _multiply(op: Op) -> Sequence[Units]:
    """Returns the units of ``mm`` and ``bmm``, and of ``addmm`` and ``baddbmm``, whose first argument is added."""
    added = op.traced.name.rpartition(".")[2] in ("addmm", "baddbmm")
    rank = len(op.shapes[0])
    batch = tuple(range(rank - 2))
    rows, columns, inner = rank - 2, rank - 1, rank
    operands = []
    for position, labels in ((0 + added, (*batch, rows, inner)), (1 + added, (*batch, inner, columns))):
        units = op.units(position)
        if units is not None:
            operands.append(Operand(units, labels))
    product = [contract(operands, range(rank), op.shapes[0])] if operands else []
    summand = op.units(0) if added else None
    return [combine_elementwise([*product, *([summand] if summand else [])], op.shapes[0])]


def _attend(op: Op) -> Sequence[Units]:
    """Returns the units of softmax(Q·Kᵀ)·V: each query depends on itself and on every key and value."""
    shape = op.shapes[0]
    rank = len(shape)
    batch = tuple(range(rank - 2))
    tokens, features, keys, inner = rank - 2, rank - 1, rank, rank + 1
    operands = []
    for position, labels in enumerate(((*batch, tokens, inner), (*batch, keys, inner), (*batch, keys, features))):
        units = op.units(position)
        if units is not None:
            operands.append(Operand(units, labels))
    return [contract(operands, range(rank), shape)]


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    values = _tuple(value)
    return values * rank if len(values) == 1 else values
