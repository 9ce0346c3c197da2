"""The layout of a tensor's units over the input's spatial axes, and the field of each unit along each axis.

The head of the package explains the terms.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod
from typing import NamedTuple

PLAIN = -1
"""The axis of a factor without positions: a batch, channels, heads."""

BLURRED = -2
"""The axis of a factor whose positions were concatenated with units that have none, such as a class token."""

EMPTY_FIRST, EMPTY_LAST = 1 << 60, -1
"""The first and last position of a unit that depends on no input position."""

MAX_UNITS = 1 << 16
"""The most units along an axis that are followed; products of all positions with all others would exceed it."""


class UntrackedError(Exception):
    """An op mixes positions in a way that is not followed."""


Region = tuple[tuple[int, int] | None, ...]
"""For each axis, the first and last position of several units together; None for an axis that is not concerned."""


class Factor(NamedTuple):
    """A factor of a dimension.

    Attributes:
        size: number of units.
        axis: axis that their positions are on, ``PLAIN`` or ``BLURRED``.
        stride: distance between neighbors in the axis's ``Field``.
        region: region of blurred units.
    """

    size: int
    axis: int = PLAIN
    stride: int = 1
    region: Region = ()


Layout = tuple[tuple[Factor, ...], ...]
"""The factors of each dimension, the outermost first."""


class LayoutItem(NamedTuple):
    """A factor and its place in a layout.

    Attributes:
        dimension: dimension of the tensor, or its label in a contraction.
        order: index among the dimension's factors.
        factor: the factor.
    """

    dimension: int
    order: int
    factor: Factor


class Field(NamedTuple):
    """The fields of all units along one axis.

    Attributes:
        low: first position of each unit, as if the input went on beyond its edges.
        high: last position of each unit, also unbounded.
        first: first position within the input that each unit depends on.
        last: last position within the input that each unit depends on.
        step: distance between the fields of neighbors; None if it varies or there is one unit only.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    step: Fraction | None

    @property
    def _bounds(self) -> tuple[tuple[int, ...], ...]:
        return self.low, self.high, self.first, self.last

    def select(self, units: Sequence[int], step: Fraction | None) -> "Field":
        """Returns the fields of these units, in this order."""
        low, high, first, last = (tuple([values[unit] for unit in units]) for values in self._bounds)
        return Field(low, high, first, last, step)

    def merge(self, groups: Iterable[Sequence[int]], step: Fraction | None) -> "Field":
        """Returns the fields of one unit per group, which depends on all that any member of the group depends on."""
        groups = tuple(groups)
        low, high, first, last = (
            tuple([extreme([values[unit] for unit in group]) for group in groups])
            for values, extreme in zip(self._bounds, (min, max, min, max), strict=True)
        )
        return Field(low, high, first, last, step)

    def apply_windows(
        self, taps: Sequence[Sequence[int]], step: Fraction | None, mirror: Callable[[int], int] | None = None
    ) -> "Field":
        """Returns the fields of one unit per window; a window's taps may be beyond the edges, in the padding.

        Args:
            taps: indices of the units under each window.
            step: distance between the fields of neighboring windows.
            mirror: maps an index in the padding to the unit that the padding repeats; None for padding with zeros.
        """
        size = len(self.low)
        low, high, first, last = [], [], [], []
        for window in taps:
            inside = [mirror(tap) for tap in window] if mirror else [tap for tap in window if 0 <= tap < size]
            low.append(min([self._extrapolate(self.low, tap) for tap in window]))
            high.append(max([self._extrapolate(self.high, tap) for tap in window]))
            first.append(min([self.first[tap] for tap in inside], default=EMPTY_FIRST))
            last.append(max([self.last[tap] for tap in inside], default=EMPTY_LAST))
        return Field(tuple(low), tuple(high), tuple(first), tuple(last), step)

    def slide(self, count: int, window: "Window") -> "Field":
        """Returns the fields of ``count`` positions of a sliding window.

        The result is the one of ``apply_windows``; windows that are entirely inside are computed by slices, for speed.
        """
        step = None if self.step is None else self.step * window.stride
        size, reach = len(self.low), window.dilation * (window.kernel - 1)
        begin = min(-(-window.padding // window.stride), count)
        end = max(min((size - 1 - reach + window.padding) // window.stride + 1, count), begin)
        if any(list(values) != sorted(values) for values in self._bounds) or (end == begin):
            return self.apply_windows([window.taps(index) for index in range(count)], step)
        before = self.apply_windows([window.taps(index) for index in range(begin)], step)
        after = self.apply_windows([window.taps(index) for index in range(end, count)], step)
        start, stop = begin * window.stride - window.padding, (end - 1) * window.stride - window.padding + 1
        shifts = (0, reach, 0, reach)
        low, high, first, last = (
            (*head, *values[start + shift : stop + shift : window.stride], *tail)
            for head, values, tail, shift in zip(before[:4], self._bounds, after[:4], shifts, strict=True)
        )
        return Field(low, high, first, last, step)

    def _extrapolate(self, values: tuple[int, ...], unit: int) -> int:
        """Returns the value of a unit, continued by ``step`` for a unit beyond the edges."""
        if 0 <= unit < len(values):
            return values[unit]
        step = self.step or Fraction(0)
        if unit < 0:
            return values[0] + floor(step * unit)
        return values[-1] + ceil(step * (unit - len(values) + 1))

    def covers(self, other: "Field") -> bool:
        """Whether all units have the same field, and it contains every field of ``other``."""
        is_uniform = len(set(self.low)) == len(set(self.high)) == 1
        return is_uniform and self.low[0] <= min(other.low) and self.high[0] >= max(other.high)


class Window(NamedTuple):
    """A window that slides along an axis: a kernel's size, stride, padding and dilation."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    def taps(self, index: int) -> list[int]:
        """Returns the indices of the units under the window's ``index``-th position."""
        return [index * self.stride - self.padding + self.dilation * tap for tap in range(self.kernel)]


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a tensor that depends on the input: their layout, and their fields along each axis."""

    layout: Layout
    fields: tuple[Field, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return tuple(prod(factor.size for factor in factors) for factors in self.layout)

    @property
    def is_exact(self) -> bool:
        """Whether no positions are blurred."""
        return all(factor.axis != BLURRED for factors in self.layout for factor in factors)

    def items(self, axis: int) -> list[LayoutItem]:
        """Returns the factors of an axis, the one of the largest stride first."""
        found = [
            LayoutItem(dimension, index, factor)
            for dimension, factors in enumerate(self.layout)
            for index, factor in enumerate(factors)
            if factor.axis == axis
        ]
        return sorted(found, key=lambda item: -item.factor.stride)

    def axes_of(self, dimension: int) -> set[int]:
        """Returns the axes that a dimension has positions of."""
        return {factor.axis for factor in self.layout[dimension] if factor.axis != PLAIN}

    def permute(self, order: Sequence[int]) -> "Units":
        """Returns the units with their dimensions in another order."""
        return Units(tuple(self.layout[dimension] for dimension in order), self.fields)

    def with_dimension(self, dimension: int, factors: tuple[Factor, ...]) -> "Units":
        """Returns the units with other factors in a dimension."""
        return Units((*self.layout[:dimension], factors, *self.layout[dimension + 1 :]), self.fields)

    def mix(self, dimensions: Iterable[int]) -> "Units":
        """Returns the units after an op that makes each depend on all others along these dimensions, e.g. a norm."""
        mixing = set(dimensions)
        merged = self._merge(mixing)
        layout = tuple(
            plain_dimension(prod(factor.size for factor in factors))
            if dimension in mixing
            else merged.layout[dimension]
            for dimension, factors in enumerate(self.layout)
        )
        return Units(layout, merged.fields)

    def reduce(self, dimensions: Iterable[int], *, keep: bool) -> "Units":
        """Returns the units after a reduction, such as a sum, over these dimensions."""
        gone = set(dimensions)
        merged = self._merge(gone)
        layout = ((() if d in gone else factors) for d, factors in enumerate(merged.layout) if keep or d not in gone)
        return Units(tuple(layout), merged.fields)

    def _merge(self, gone: set[int]) -> "Units":
        """Returns the units with the fields along the dimensions ``gone`` merged, and new strides for the others."""
        if not any(self.axes_of(dimension) for dimension in gone):
            return self
        blurs = [factor.region for dimension in gone for factor in self.layout[dimension] if factor.axis == BLURRED]
        layout = [[_sharpen(factor, blurs) for factor in factors] for factors in self.layout]
        fields = list(self.fields)
        for axis, field in enumerate(self.fields):
            items = self.items(axis)
            staying = [item for item in items if item.dimension not in gone]
            if len(staying) == len(items):
                continue
            within = offsets([item.factor for item in items if item.dimension in gone])
            starts = offsets([item.factor for item in staying])
            groups = [[start + offset for offset in within] for start in starts]
            step = field.step * staying[0].factor.stride if field.step is not None and len(staying) == 1 else None
            fields[axis] = field.merge(groups, step)
            for item, stride in zip(staying, contiguous_strides(staying), strict=True):
                layout[item.dimension][item.order] = item.factor._replace(stride=stride)
        return Units(tuple(tuple(factors) for factors in layout), tuple(fields))

    def transform(self, dimension: int, change: Callable[[Field], Field]) -> "Units":
        """Returns the units with the fields along one dimension changed; without positions there, unchanged.

        Args:
            dimension: dimension of the tensor, all of whose positions are on one axis.
            change: maps the field along the dimension to the new one.

        Raises:
            UntrackedError: the dimension has positions on several axes, or not all of an axis's factors.
        """
        axes = self.axes_of(dimension)
        if not axes:
            return self
        (axis, *others) = axes
        items = self.items(axis) if axis >= 0 else []
        if others or not items or any(item.dimension != dimension for item in items):
            raise UntrackedError
        # Plain factors in between, as in a pixel shuffle, repeat positions.
        units = [0]
        for factor in self.layout[dimension]:
            stride = factor.stride if factor.axis == axis else 0
            units = [start + stride * index for start in units for index in range(factor.size)]
        field = self.fields[axis]
        if len(units) != len(field.low) or units != list(range(len(units))):
            field = field.select(units, field.step and field.step * Fraction(len(field.low), len(units)))
        changed = change(field)
        fields = (*self.fields[:axis], changed, *self.fields[axis + 1 :])
        return Units(self.layout, fields).with_dimension(dimension, (Factor(len(changed.low), axis),))

    def select(self, dimension: int, indices: Sequence[int]) -> "Units":
        """Returns the units at these indices of a dimension, in this order.

        Raises:
            UntrackedError: the dimension has several factors.
        """
        factors = self.layout[dimension]
        if list(indices) == list(range(self.shape[dimension])):
            return self
        if not self.axes_of(dimension):
            return self.with_dimension(dimension, plain_dimension(len(indices)))
        if len(factors) != 1 or factors[0].axis == BLURRED:
            raise UntrackedError
        axis = factors[0].axis
        items = self.items(axis)
        choices = [list(indices) if item.dimension == dimension else range(item.factor.size) for item in items]
        order = [
            sum(index * item.factor.stride for index, item in zip(chosen, items, strict=True))
            for chosen in product(*choices)
        ]
        steps = {after - before for before, after in zip(indices, indices[1:])}  # noqa: B905, RUF007 - neighbors
        field = self.fields[axis]
        step = field.step * steps.pop() if field.step is not None and len(steps) == 1 and len(items) == 1 else None
        if len(indices) == 1 and len(items) == 1:
            step = field.step
        resized = [
            item._replace(factor=item.factor._replace(size=len(choice)))
            for item, choice in zip(items, choices, strict=True)
        ]
        layout = [list(inner) for inner in self.layout]
        for item, stride in zip(resized, contiguous_strides(resized), strict=True):
            layout[item.dimension][item.order] = item.factor._replace(stride=stride)
        fields = (*self.fields[:axis], field.select(order, step), *self.fields[axis + 1 :])
        return Units(tuple(tuple(inner) for inner in layout), fields)

    def reshape(self, shape: Sequence[int]) -> "Units":
        """Returns the same units in another shape.

        Raises:
            UntrackedError: a new dimension has a part of a factor that does not divide it.
        """
        pending = [factor for factors in self.layout for factor in factors if factor.size != 1]
        pending.reverse()
        layout: list[tuple[Factor, ...]] = []
        for size in shape:
            factors: list[Factor] = []
            needed = size
            while needed > 1:
                factor = pending.pop()
                if needed % factor.size:
                    if factor.size % needed:
                        if pending and factor.axis == PLAIN and pending[-1].axis == PLAIN:
                            pending[-1] = Factor(factor.size * pending[-1].size)
                            continue
                        raise UntrackedError
                    inner = factor.size // needed
                    pending.append(factor._replace(size=inner))
                    factor = factor._replace(size=needed, stride=factor.stride * inner if factor.axis >= 0 else 1)
                factors.append(factor)
                needed //= factor.size
            layout.append(join_factors(factors))
        return Units(tuple(layout), self.fields)


def _sharpen(factor: Factor, seen: Sequence[Region]) -> Factor:
    """Returns a blurred factor as a plain one if every unit depends on a region that contains the factor's region."""
    if factor.axis != BLURRED or not any(contains(region, factor.region) for region in seen):
        return factor
    return Factor(factor.size)


def contains(region: Region, other: Region) -> bool:
    """Whether all of ``other`` is in ``region``."""
    return all(
        inner is None or (outer is not None and outer[0] <= inner[0] and outer[1] >= inner[1])
        for outer, inner in zip(region, other, strict=True)
    )


def plain_dimension(size: int) -> tuple[Factor, ...]:
    """Returns the factors of a dimension without positions."""
    return (Factor(size),) if size != 1 else ()


def join_factors(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Returns the factors with neighbors joined where they make up one: plain ones, or contiguous ones of an axis."""
    found: list[Factor] = []
    for factor in factors:
        before = found[-1] if found else None
        if before and before.axis == factor.axis == PLAIN:
            found[-1] = Factor(before.size * factor.size)
        elif before and before.axis == factor.axis >= 0 and before.stride == factor.size * factor.stride:
            found[-1] = Factor(before.size * factor.size, factor.axis, factor.stride)
        else:
            found.append(factor)
    return tuple(found)


def offsets(factors: Sequence[Factor]) -> list[int]:
    """Returns the offset of each combination of the factors' indices, the index of the first changing slowest."""
    found = [0]
    for factor in factors:
        found = [start + index * factor.stride for start in found for index in range(factor.size)]
    return found


def contiguous_strides(items: Sequence[LayoutItem]) -> list[int]:
    """Returns the strides that the factors have if they are contiguous and the last changes fastest."""
    strides = [1] * len(items)
    for position in reversed(range(len(items) - 1)):
        strides[position] = strides[position + 1] * items[position + 1].factor.size
    return strides
