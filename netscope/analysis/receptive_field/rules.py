"""What an op's results depend on, by what it reads: one rule for each kind of op."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import Any

from netscope.analysis.receptive_field.contraction import Operand, contracted, elementwise
from netscope.analysis.receptive_field.fields import BLURRED, Atom, Field, Units, UntrackedError, Window, plain
from netscope.flops import get_zero_flop_reason
from netscope.schema import Shape, TensorRef, TracedOp, TracedTensor

Rule = Callable[["Op"], Sequence[Units]]


@dataclass(frozen=True, slots=True)
class Op:
    """An op that reads something that depends on the input.

    Attributes:
        traced: the op.
        reads: what it reads of that, by tensor; None for what was lost.
        shapes: of what it writes.
        tensors: of the trace.
    """

    traced: TracedOp
    reads: dict[int, Units | None]
    shapes: Sequence[Shape]
    tensors: Sequence[TracedTensor]

    def arg(self, position: int, default: Any = None) -> Any:
        """A positional argument."""
        args = self.traced.args
        return args[position] if position < len(args) else default

    def units(self, position: int) -> Units | None:
        """Those of a tensor among the arguments; None if it does not depend on the input.

        Raises:
            LostError: they were lost.
        """
        return self.of(self.arg(position))

    def of(self, value: Any) -> Units | None:
        """Those of a tensor.

        Raises:
            LostError: they were lost.
        """
        if not isinstance(value, TensorRef) or value.tensor not in self.reads:
            return None
        units = self.reads[value.tensor]
        if units is None:
            raise UntrackedError
        return units

    @property
    def first(self) -> Units:
        """Those of the first argument, the only one that may depend on the input.

        Raises:
            LostError: it does not, or others do.
        """
        units = self.units(0)
        if units is None or len(self.reads) > 1:
            raise UntrackedError
        return units

    @property
    def all(self) -> list[Units]:
        """Those of everything that it reads.

        Raises:
            LostError: some were lost.
        """
        known = [units for units in self.reads.values() if units is not None]
        if len(known) < len(self.reads):
            raise UntrackedError
        return known


def units_after(op: Op) -> Sequence[Units | None]:
    """What each of the op's results depends on; None for what is not told.

    Raises:
        LostError: there is no rule, or it does not hold.
    """
    name = op.traced.name.partition(".")[2]
    rule = _RULES.get(name) or _RULES.get(name.removesuffix("_"))
    if rule is None and "scaled_dot_product" in name and not name.endswith("_backward"):
        rule = _attention
    if rule is None and get_zero_flop_reason(op.traced.name) == "elementwise":
        rule = _elementwise
    if rule is None:
        raise UntrackedError
    results = list(rule(op))
    if any(units.shape != tuple(shape) for units, shape in zip(results, op.shapes, strict=False)):
        raise UntrackedError
    # Ops return statistics, indices and the like as well, and nothing that is looked into reads them.
    return [*results, *[None] * (len(op.shapes) - len(results))]


def _elementwise(op: Op) -> Sequence[Units]:
    return [elementwise(op.all, op.shapes[0])]


def _same(op: Op) -> Sequence[Units]:
    if op.first.shape != op.shapes[0]:
        raise UntrackedError
    return [op.first]


def _gated(op: Op) -> Sequence[Units]:
    """One half of a dimension times the sigmoid of the other."""
    units, dimension = op.first, op.arg(1, -1) % len(op.shapes[0])
    if units.axes_in(dimension):
        raise UntrackedError
    return [units.with_dimension(dimension, plain(op.shapes[0][dimension]))]


def _copied(op: Op) -> Sequence[Units]:
    """``copy_(to, from)``."""
    source = op.units(1)
    if source is None:
        raise UntrackedError
    return [elementwise([source], op.shapes[0])]


# Where the units stand


def _viewed(op: Op) -> Sequence[Units]:
    return [op.first.viewed(op.shapes[0])]


def _permuted(op: Op) -> Sequence[Units]:
    rank = len(op.first.layout)
    return [op.first.permuted([dimension % rank for dimension in op.arg(1)])]


def _transposed(op: Op) -> Sequence[Units]:
    order = list(range(len(op.first.layout)))
    one, other = (op.arg(1), op.arg(2)) if len(order) > 1 and op.traced.name != "aten.t" else (0, -1)
    if order:
        order[one], order[other] = order[other], order[one]
    return [op.first.permuted(order)]


def _expanded(op: Op) -> Sequence[Units]:
    shape = op.shapes[0]
    layout = op.first.layout
    added = len(shape) - len(layout)
    atoms = [plain(size) for size in shape[:added]]
    sizes = zip(op.first.shape, shape[added:], strict=True)
    atoms += [own if size == wider else plain(wider) for own, (size, wider) in zip(layout, sizes, strict=True)]
    return [Units(tuple(atoms), op.first.fields)]


def _sliced(op: Op) -> Sequence[Units]:
    dimension, start, end, step = op.arg(1, 0), op.arg(2), op.arg(3), op.arg(4, 1)
    units = op.first
    size = units.shape[dimension]
    return [units.picked(dimension % len(units.layout), range(size)[start:end:step])]


def _selected(op: Op) -> Sequence[Units]:
    units, dimension, index = op.first, op.arg(1), op.arg(2)
    dimension %= len(units.layout)
    picked = units.picked(dimension, range(units.shape[dimension])[index:][:1])
    return [Units(_without(picked.layout, dimension), picked.fields)]


def _split(op: Op) -> Sequence[Units]:
    units = op.first
    dimension = op.arg(2, op.traced.kwargs.get("dim", 0)) % len(units.layout)
    start, parts = 0, []
    for shape in op.shapes:
        parts.append(units.picked(dimension, range(start, start + shape[dimension])))
        start += shape[dimension]
    return parts


def _unbound(op: Op) -> Sequence[Units]:
    units = op.first
    dimension = op.arg(1, 0) % len(units.layout)
    parts = (units.picked(dimension, [index]) for index in range(units.shape[dimension]))
    return [Units(_without(part.layout, dimension), part.fields) for part in parts]


def _without(layout: Sequence[tuple[Atom, ...]], dimension: int) -> tuple[tuple[Atom, ...], ...]:
    return (*layout[:dimension], *layout[dimension + 1 :])


def _rolled(op: Op) -> Sequence[Units]:
    units = op.first
    shifts, dimensions = _tuple(op.arg(1)), _tuple(op.arg(2, ()))
    if len(shifts) != len(dimensions):
        raise UntrackedError
    for shift, dimension in zip(shifts, dimensions, strict=True):
        size = units.shape[dimension]
        order = [(index - shift) % size for index in range(size)]
        units = units.picked(dimension % len(units.layout), order)
    return [units]


def _flipped(op: Op) -> Sequence[Units]:
    units = op.first
    for dimension in op.arg(1):
        units = units.picked(dimension % len(units.layout), range(units.shape[dimension])[::-1])
    return [units]


def _padded(op: Op) -> Sequence[Units]:
    """``pad`` holds what goes before and behind the last dimension, then those of the one before it."""
    units, pad = op.first, op.arg(1)
    for number in range(len(pad) // 2):
        dimension = len(units.layout) - 1 - number
        before, behind = pad[2 * number], pad[2 * number + 1]
        size = units.shape[dimension]
        if before or behind:
            taps = [[index] for index in range(-before, size + behind)]
            units = _windowed(units, dimension, taps, Fraction(1), len(taps))
    return [units]


def _reflected(op: Op) -> Sequence[Units]:
    """Padding with what is inside: by reflection, or by the edge."""
    units, pad = op.first, op.arg(1)
    for number in range(len(pad) // 2):
        dimension = len(units.layout) - 1 - number
        last = units.shape[dimension] - 1
        mirror = partial(_nearest if "replication" in op.traced.name else _reflection, last=last)
        taps = [[place] for place in range(-pad[2 * number], last + 1 + pad[2 * number + 1])]
        units = _windowed(units, dimension, taps, Fraction(1), len(taps), mirror)
    return [units]


def _nearest(place: int, last: int) -> int:
    return min(max(place, 0), last)


def _reflection(place: int, last: int) -> int:
    return last - abs(last - abs(place))


def _concatenated(op: Op) -> Sequence[Units]:
    parts, shape = op.arg(0), op.shapes[0]
    known = [(part, op.of(part)) for part in parts]
    present = [units for _, units in known if units is not None]
    dimension = op.arg(1, op.traced.kwargs.get("dim", 0)) % len(shape)
    if any(units.axes_in(dimension) for units in present):
        return [_blurred(present, dimension, shape)]
    plain_there = [units.with_dimension(dimension, ()) for units in present]
    within = (*shape[:dimension], 1, *shape[dimension + 1 :])
    return [elementwise(plain_there, within).with_dimension(dimension, plain(shape[dimension]))]


def _blurred(parts: Sequence[Units], dimension: int, shape: Shape) -> Units:
    """Positions side by side with others along one dimension: what the units along it depend on together is known."""
    axes = set().union(*(units.axes_in(dimension) for units in parts))
    united = [units.mixed([dimension]).with_dimension(dimension, ()) for units in parts]
    within = (*shape[:dimension], 1, *shape[dimension + 1 :])
    whole = elementwise(united, within)
    region = tuple(
        (min(field.low), max(field.high)) if BLURRED in axes or axis in axes else None
        for axis, field in enumerate(whole.fields)
    )
    return whole.with_dimension(dimension, (Atom(shape[dimension], BLURRED, region=region),))


def _stacked(op: Op) -> Sequence[Units]:
    shape = op.shapes[0]
    dimension = op.arg(1, 0) % len(shape)
    parts = [op.of(part) for part in op.arg(0)]
    known = [units for units in parts if units is not None]
    units = elementwise(known, (*shape[:dimension], *shape[dimension + 1 :]))
    atoms = plain(shape[dimension])
    apart = [
        axis for axis in range(len(units.fields)) if any(part.fields[axis] != known[0].fields[axis] for part in known)
    ]
    if apart:
        # Side by side they are positions again, if each of them stands for one.
        (axis, *others) = apart
        if others or len(known) < len(parts) or any(part.digits(axis) for part in known):
            raise UntrackedError
        spans = zip(*(part.fields[axis][:4] for part in known), strict=True)
        low, high, first, last = (tuple(values[0] for values in span) for span in spans)
        fields = (*units.fields[:axis], Field(low, high, first, last, None), *units.fields[axis + 1 :])
        units, atoms = Units(units.layout, fields), (Atom(len(known), axis),)
    return [Units((*units.layout[:dimension], atoms, *units.layout[dimension:]), units.fields)]


def _pixels_shuffled(op: Op) -> Sequence[Units]:
    """(…, C·r², H, W) → (…, C, H·r, W·r)."""
    *leading, channels, rows, columns = op.shapes[0]
    factor, rank = op.arg(1), len(op.shapes[0])
    split = op.first.viewed((*leading, channels, factor, factor, rows // factor, columns // factor))
    first = rank - 2
    order = (*range(first), first + 2, first, first + 3, first + 1)
    return [split.permuted(order).viewed(op.shapes[0])]


def _pixels_unshuffled(op: Op) -> Sequence[Units]:
    """(…, C, H·r, W·r) → (…, C·r², H, W)."""
    *leading, channels, rows, columns = op.shapes[0]
    factor, rank = op.arg(1), len(op.shapes[0])
    split = op.first.viewed((*leading, channels // factor**2, rows, factor, columns, factor))
    first = rank - 2
    order = (*range(first), first + 1, first + 3, first, first + 2)
    return [split.permuted(order).viewed(op.shapes[0])]


# Windows


def _windowed(
    units: Units,
    dimension: int,
    taps: Sequence[Sequence[int]],
    stride: Fraction | None,
    size: int,
    mirror: Callable[[int], int] | None = None,
) -> Units:
    """Windows that slide over one dimension."""
    if not units.axes_in(dimension):
        return units.with_dimension(dimension, plain(size))

    def slide(along: Field) -> Field:
        return along.windows(taps, None if along.step is None or stride is None else along.step * stride, mirror)

    return units.along(dimension, slide)


def _convolved(op: Op) -> Sequence[Units]:
    units = op.first
    kernel, transposed = op.tensors[op.arg(1).tensor].shape[2:], op.arg(6)
    stride, padding, dilation = (_per_axis(op.arg(position), len(kernel)) for position in (3, 4, 5))
    units = units.mixed([1]) if units.axes_in(1) else units
    units = units.with_dimension(1, plain(op.shapes[0][1]))
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
            # Where the stride is wider than the kernel, some outputs are the bias alone.
            if not all(windows):
                raise UntrackedError
            units = _windowed(units, dimension, windows, Fraction(1, stride[axis]), size)
        else:
            window = Window(kernel[axis], stride[axis], padding[axis], dilation[axis])
            units = _slid(units, dimension, window, size)
    return [units]


def _slid(units: Units, dimension: int, window: Window, size: int) -> Units:
    """A window that slides over one dimension."""
    if not units.axes_in(dimension):
        return units.with_dimension(dimension, plain(size))
    return units.along(dimension, lambda along: along.slid(size, window))


def _pooled(op: Op) -> Sequence[Units]:
    """``max_poolNd(x, kernel, stride, padding, dilation, …)``, ``avg_poolNd(x, kernel, stride, padding, …)``."""
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
        units = _slid(units, dimension, Window(kernel[axis], stride[axis], padding[axis], dilation[axis]), size)
    return [units]


def _adaptively_pooled(op: Op) -> Sequence[Units]:
    """The window of output i is floor(i·W/N) … ceil((i+1)·W/N) − 1."""
    units = op.first
    rank = int(op.traced.name.partition("pool")[2][0])
    for dimension in range(len(units.layout) - rank, len(units.layout)):
        before, size = units.shape[dimension], op.shapes[0][dimension]
        if before == size:
            continue
        windows = [range(index * before // size, -(-(index + 1) * before // size)) for index in range(size)]
        stride = Fraction(before, size) if before % size == 0 and size > 1 else None
        units = _windowed(units, dimension, windows, stride, size)
    return [units]


def _interpolated(op: Op) -> Sequence[Units]:
    """Up- or downsampling over the last dimensions, by the nearest, or linearly between neighbours."""
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
            raise UntrackedError  # torch goes by the factor then, in floating point
        if "nearest" in name:
            half = Fraction(1, 2) if "exact" in name else Fraction(0)
            windows = [[floor((out + half) * Fraction(before, size))] for out in range(size)]
        else:
            windows = [_neighbours(out, before, size, aligned=aligned) for out in range(size)]
        units = _windowed(units, dimension, windows, Fraction(before, size), size)
    return [units]


def _scales(op: Op, rank: int) -> Sequence[float | None]:
    """The factors that it was given, in whatever form it was dispatched; None for each that it was not."""
    given = [value for value in op.traced.args[2:] if not isinstance(value, bool)]
    if len(given) == 1 and isinstance(given[0], tuple):
        given = list(given[0])
    return given if len(given) == rank else [None] * rank


def _neighbours(out: int, before: int, size: int, *, aligned: bool) -> list[int]:
    if aligned:
        place = Fraction(out * (before - 1), size - 1) if size > 1 else Fraction(0)
    else:
        place = max((out + Fraction(1, 2)) * Fraction(before, size) - Fraction(1, 2), Fraction(0))
    return sorted({min(floor(place), before - 1), min(ceil(place), before - 1)})


# What depends on all along a dimension


def _over_one(op: Op) -> Sequence[Units]:
    """A softmax or the like over the dimension that it names."""
    return [op.first.mixed([op.arg(1) % len(op.first.layout)])]


def _reduced(op: Op) -> Sequence[Units]:
    """A sum or the like: over what it names, or everything."""
    units = op.first
    rank = len(units.layout)
    norm = "vector_norm" in op.traced.name
    dimensions = op.arg(2 if norm else 1)
    gone = range(rank) if dimensions is None or dimensions == () else [d % rank for d in _tuple(dimensions)]
    return [units.reduced(gone, keep=len(op.shapes[0]) == rank)]


def _batch_normalised(op: Op) -> Sequence[Units]:
    """In eval mode by running statistics; otherwise by those of all positions."""
    units = op.first
    training = next((value for value in op.traced.args if isinstance(value, bool)), False)
    return [units.mixed([0, *range(2, len(units.layout))]) if training else units]


def _layer_normalised(op: Op) -> Sequence[Units]:
    rank = len(op.first.layout)
    return [op.first.mixed(range(rank - len(op.arg(1)), rank))]


def _group_normalised(op: Op) -> Sequence[Units]:
    return [op.first.mixed(range(1, len(op.first.layout)))]


# Products


def _multiplied(op: Op) -> Sequence[Units]:
    """``mm``, ``bmm``, and with a first summand ``addmm``, ``baddbmm``."""
    added = op.traced.name.rpartition(".")[2] in ("addmm", "baddbmm")
    rank = len(op.shapes[0])
    batch = tuple(range(rank - 2))
    rows, columns, inner = rank - 2, rank - 1, rank
    operands = []
    for position, labels in ((0 + added, (*batch, rows, inner)), (1 + added, (*batch, inner, columns))):
        units = op.units(position)
        if units is not None:
            operands.append(Operand(units, labels))
    product = [contracted(operands, range(rank), op.shapes[0])] if operands else []
    summand = op.units(0) if added else None
    return [elementwise([*product, *([summand] if summand else [])], op.shapes[0])]


def _attention(op: Op) -> Sequence[Units]:
    """softmax(Q·Kᵀ)·V: each query depends on itself and on every key and value."""
    shape = op.shapes[0]
    rank = len(shape)
    batch = tuple(range(rank - 2))
    tokens, features, keys, inner = rank - 2, rank - 1, rank, rank + 1
    operands = []
    for position, labels in enumerate(((*batch, tokens, inner), (*batch, keys, inner), (*batch, keys, features))):
        units = op.units(position)
        if units is not None:
            operands.append(Operand(units, labels))
    return [contracted(operands, range(rank), shape)]


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    values = _tuple(value)
    return values * rank if len(values) == 1 else values


def _listed(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_RULES: dict[str, Rule] = {
    **_listed(_same, "alias as_strided_ clone contiguous detach lift_fresh native_dropout _to_copy"),
    **_listed(_elementwise, "masked_fill where"),
    **_listed(_gated, "glu"),
    **_listed(_copied, "copy"),
    **_listed(_viewed, "view _unsafe_view reshape _reshape_alias unsqueeze squeeze flatten"),
    **_listed(_permuted, "permute"),
    **_listed(_transposed, "transpose t"),
    **_listed(_expanded, "expand"),
    **_listed(_sliced, "slice"),
    **_listed(_selected, "select"),
    **_listed(_split, "split split_with_sizes unsafe_split chunk"),
    **_listed(_unbound, "unbind"),
    **_listed(_rolled, "roll"),
    **_listed(_flipped, "flip"),
    **_listed(_padded, "constant_pad_nd"),
    **_listed(
        _reflected,
        "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d",
    ),
    **_listed(_concatenated, "cat"),
    **_listed(_stacked, "stack"),
    **_listed(_pixels_shuffled, "pixel_shuffle"),
    **_listed(_pixels_unshuffled, "pixel_unshuffle"),
    **_listed(_convolved, "convolution"),
    **_listed(
        _pooled,
        "max_pool2d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d",
    ),
    **_listed(
        _adaptively_pooled,
        "adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
    ),
    **_listed(
        _interpolated,
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d "
        "_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d",
    ),
    **_listed(_over_one, "_softmax _log_softmax _safe_softmax softmax"),
    **_listed(_reduced, "mean sum amax amin var std linalg_vector_norm"),
    **_listed(
        _batch_normalised,
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm",
    ),
    **_listed(_layer_normalised, "native_layer_norm _fused_rms_norm rms_norm"),
    **_listed(_group_normalised, "native_group_norm"),
    **_listed(_multiplied, "mm bmm addmm baddbmm"),
}
