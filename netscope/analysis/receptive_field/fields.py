"""How a tensor's units are laid out over the input's spatial axes, and what of each axis each of them depends on.

A dimension of a tensor is a product of *atoms*: one of 56 rows, or, once a view has split it into windows, one of 8
windows times one of 7 rows in each. Atoms that stand for positions along a spatial axis of the input are the digits of
an index into that axis's ``Field``; so a view, a permutation and their inverses lose nothing, and attention within
windows is followed exactly.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod
from typing import NamedTuple

PLAIN = -1
"""The axis of an atom that does not stand for positions: a batch, channels, heads."""

BLURRED = -2
"""The axis of an atom whose positions were mixed with something that has none, such as a class token."""

NOWHERE_FIRST, NOWHERE_LAST = 1 << 60, -1
"""What a unit that depends on no input position has as its first and last one."""

LARGEST_INDEX = 1 << 16
"""Units along an axis beyond which it is not followed: of the products of all positions with all others."""


class UntrackedError(Exception):
    """Positions cannot be followed through an op."""


Region = tuple[tuple[int, int] | None, ...]
"""For each axis the first and the last position of several units together; None for an axis that is not meant."""


class Atom(NamedTuple):
    """A factor of a dimension.

    Attributes:
        size: how many units.
        axis: whose positions they are.
        weight: their place value in the index of the axis.
        region: what those that are blurred depend on together.
    """

    size: int
    axis: int = PLAIN
    weight: int = 1
    region: Region = ()


Layout = tuple[tuple[Atom, ...], ...]
"""The atoms of each dimension, the outermost first."""


class Field(NamedTuple):
    """What each unit along one axis depends on.

    Attributes:
        low: the first position of each unit, as if the input went on beyond its edges.
        high: the last one.
        first: the first position within the input that it really depends on.
        last: the last one.
        step: between neighbouring units; None where it differs, or there is one unit only.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    step: Fraction | None

    def selected(self, units: Sequence[int], step: Fraction | None) -> "Field":
        """Of these units, in this order."""
        low, high, first, last = (tuple([values[unit] for unit in units]) for values in self._spans)
        return Field(low, high, first, last, step)

    def united(self, groups: Iterable[Sequence[int]], step: Fraction | None) -> "Field":
        """One unit for each group, which depends on what any of its members does."""
        groups = tuple(groups)
        low, high, first, last = (
            tuple([pick([values[unit] for unit in group]) for group in groups])
            for values, pick in zip(self._spans, (min, max, min, max), strict=True)
        )
        return Field(low, high, first, last, step)

    @property
    def _spans(self) -> tuple[tuple[int, ...], ...]:
        return self.low, self.high, self.first, self.last

    def windows(
        self, taps: Sequence[Sequence[int]], step: Fraction | None, mirror: Callable[[int], int] | None = None
    ) -> "Field":
        """One unit for each window of taps, some of which may lie beyond the edges, in the padding.

        Args:
            taps: of each window.
            step: between neighbouring windows' fields.
            mirror: which unit stands in the padding at a place; None for no unit.
        """
        size = len(self.low)
        low, high, first, last = [], [], [], []
        for window in taps:
            inside = [mirror(tap) for tap in window] if mirror else [tap for tap in window if 0 <= tap < size]
            low.append(min([self._beyond(self.low, tap) for tap in window]))
            high.append(max([self._beyond(self.high, tap) for tap in window]))
            first.append(min([self.first[tap] for tap in inside], default=NOWHERE_FIRST))
            last.append(max([self.last[tap] for tap in inside], default=NOWHERE_LAST))
        return Field(tuple(low), tuple(high), tuple(first), tuple(last), step)

    def slid(self, count: int, window: "Window") -> "Field":
        """One unit for each place of a window that slides: as ``windows``, by slices where all taps are inside."""
        step = None if self.step is None else self.step * window.stride
        size, reach = len(self.low), window.dilation * (window.kernel - 1)
        begin = min(-(-window.padding // window.stride), count)
        end = max(min((size - 1 - reach + window.padding) // window.stride + 1, count), begin)
        if any(list(values) != sorted(values) for values in self._spans) or (end == begin):
            return self.windows([window.taps(place) for place in range(count)], step)
        before = self.windows([window.taps(place) for place in range(begin)], step)
        behind = self.windows([window.taps(place) for place in range(end, count)], step)
        start, stop = begin * window.stride - window.padding, (end - 1) * window.stride - window.padding + 1
        shifts = (0, reach, 0, reach)
        low, high, first, last = (
            (*head, *values[start + shift : stop + shift : window.stride], *tail)
            for head, values, tail, shift in zip(before[:4], self._spans, behind[:4], shifts, strict=True)
        )
        return Field(low, high, first, last, step)

    def _beyond(self, values: tuple[int, ...], unit: int) -> int:
        """What a unit beyond the edges would have."""
        if 0 <= unit < len(values):
            return values[unit]
        step = self.step or Fraction(0)
        if unit < 0:
            return values[0] + floor(step * unit)
        return values[-1] + ceil(step * (unit - len(values) + 1))

    def covers(self, other: "Field") -> bool:
        """Whether every unit of it, which are all alike, depends on all that any of the other's does."""
        alike = len(set(self.low)) == len(set(self.high)) == 1
        return alike and self.low[0] <= min(other.low) and self.high[0] >= max(other.high)


class Window(NamedTuple):
    """What slides along an axis: its number of taps, and how far apart these and its places are."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    def taps(self, place: int) -> list[int]:
        """The positions under it."""
        return [place * self.stride - self.padding + self.dilation * tap for tap in range(self.kernel)]


@dataclass(frozen=True, slots=True)
class Units:
    """A tensor that depends on the input: how its units are laid out, and the field along each axis."""

    layout: Layout
    fields: tuple[Field, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return tuple(prod(atom.size for atom in atoms) for atoms in self.layout)

    @property
    def is_exact(self) -> bool:
        """Whether no positions were blurred."""
        return all(atom.axis != BLURRED for atoms in self.layout for atom in atoms)

    def digits(self, axis: int) -> list[tuple[int, int, Atom]]:
        """The atoms of an axis with their dimension and their place in it, the highest place value first."""
        found = [
            (dimension, place, atom)
            for dimension, atoms in enumerate(self.layout)
            for place, atom in enumerate(atoms)
            if atom.axis == axis
        ]
        return sorted(found, key=lambda item: -item[2].weight)

    def axes_in(self, dimension: int) -> set[int]:
        """The axes that a dimension has positions of."""
        return {atom.axis for atom in self.layout[dimension] if atom.axis != PLAIN}

    def permuted(self, order: Sequence[int]) -> "Units":
        """With its dimensions in another order."""
        return Units(tuple(self.layout[dimension] for dimension in order), self.fields)

    def with_dimension(self, dimension: int, atoms: tuple[Atom, ...]) -> "Units":
        """With other atoms in a dimension, which stand for the same."""
        return Units((*self.layout[:dimension], atoms, *self.layout[dimension + 1 :]), self.fields)

    def mixed(self, dimensions: Iterable[int]) -> "Units":
        """After something along these dimensions that makes each unit depend on all: a softmax, a norm."""
        gone = set(dimensions)
        united = self._united(gone)
        layout = tuple(
            plain(prod(atom.size for atom in atoms)) if dimension in gone else united.layout[dimension]
            for dimension, atoms in enumerate(self.layout)
        )
        return Units(layout, united.fields)

    def reduced(self, dimensions: Iterable[int], *, keep: bool) -> "Units":
        """After a sum or the like over these dimensions."""
        gone = set(dimensions)
        united = self._united(gone)
        layout = ((() if d in gone else atoms) for d, atoms in enumerate(united.layout) if keep or d not in gone)
        return Units(tuple(layout), united.fields)

    def _united(self, gone: set[int]) -> "Units":
        """Each unit depends on what all units along the dimensions that go do; the others' place values close up."""
        if not any(self.axes_in(dimension) for dimension in gone):
            return self
        blurs = [atom.region for dimension in gone for atom in self.layout[dimension] if atom.axis == BLURRED]
        layout = [[_sharpened(atom, blurs) for atom in atoms] for atoms in self.layout]
        fields = list(self.fields)
        for axis, field in enumerate(self.fields):
            digits = self.digits(axis)
            staying = [item for item in digits if item[0] not in gone]
            if len(staying) == len(digits):
                continue
            going = [item[2] for item in digits if item[0] in gone]
            within = offsets(going)
            groups = [[start + offset for offset in within] for start in offsets([item[2] for item in staying])]
            step = field.step * staying[0][2].weight if field.step is not None and len(staying) == 1 else None
            fields[axis] = field.united(groups, step)
            for (dimension, place, atom), weight in zip(staying, place_values(staying), strict=True):
                layout[dimension][place] = atom._replace(weight=weight)
        return Units(tuple(tuple(atoms) for atoms in layout), tuple(fields))

    def along(self, dimension: int, change: Callable[[Field], Field]) -> "Units":
        """With the units along one dimension changed, all of which are positions along one axis, or none at all.

        Args:
            dimension: where the units stand.
            change: the field along it → the new one.

        Raises:
            LostError: the positions along an axis are not all there, or those of several are.
        """
        axes = self.axes_in(dimension)
        if not axes:
            return self
        (axis, *others) = axes
        digits = self.digits(axis) if axis >= 0 else []
        if others or not digits or any(item[0] != dimension for item in digits):
            raise UntrackedError
        # Plain atoms in between repeat positions: a pixel shuffle's.
        units = [0]
        for atom in self.layout[dimension]:
            weight = atom.weight if atom.axis == axis else 0
            units = [start + weight * index for start in units for index in range(atom.size)]
        field = self.fields[axis]
        if len(units) != len(field.low) or units != list(range(len(units))):
            field = field.selected(units, field.step and field.step * Fraction(len(field.low), len(units)))
        changed = change(field)
        fields = (*self.fields[:axis], changed, *self.fields[axis + 1 :])
        return Units(self.layout, fields).with_dimension(dimension, (Atom(len(changed.low), axis),))

    def picked(self, dimension: int, units: Sequence[int]) -> "Units":
        """Of a dimension only these units, in this order.

        Raises:
            LostError: they are products of several digits.
        """
        atoms = self.layout[dimension]
        if list(units) == list(range(self.shape[dimension])):
            return self
        if not self.axes_in(dimension):
            return self.with_dimension(dimension, plain(len(units)))
        if len(atoms) != 1 or atoms[0].axis == BLURRED:
            raise UntrackedError
        axis = atoms[0].axis
        digits = self.digits(axis)
        choices = [list(units) if item[0] == dimension else range(item[2].size) for item in digits]
        order = [
            sum(digit * item[2].weight for digit, item in zip(chosen, digits, strict=True))
            for chosen in product(*choices)
        ]
        steps = {after - before for before, after in zip(units, units[1:])}  # noqa: B905, RUF007 - neighbours
        field = self.fields[axis]
        step = field.step * steps.pop() if field.step is not None and len(steps) == 1 and len(digits) == 1 else None
        if len(units) == 1 and len(digits) == 1:
            step = field.step
        sizes = [
            (item[0], item[1], item[2]._replace(size=len(choice))) for item, choice in zip(digits, choices, strict=True)
        ]
        layout = [list(inner) for inner in self.layout]
        for (where, place, atom), weight in zip(sizes, place_values(sizes), strict=True):
            layout[where][place] = atom._replace(weight=weight)
        fields = (*self.fields[:axis], field.selected(order, step), *self.fields[axis + 1 :])
        return Units(tuple(tuple(inner) for inner in layout), fields)

    def viewed(self, shape: Sequence[int]) -> "Units":
        """The same elements in another shape.

        Raises:
            LostError: a new dimension has parts of digits that do not divide.
        """
        pending = [atom for atoms in self.layout for atom in atoms if atom.size != 1]
        pending.reverse()
        layout: list[tuple[Atom, ...]] = []
        for size in shape:
            atoms: list[Atom] = []
            needed = size
            while needed > 1:
                atom = pending.pop()
                if needed % atom.size:
                    if atom.size % needed:
                        if pending and atom.axis == PLAIN and pending[-1].axis == PLAIN:
                            pending[-1] = Atom(atom.size * pending[-1].size)
                            continue
                        raise UntrackedError
                    inner = atom.size // needed
                    pending.append(atom._replace(size=inner))
                    atom = atom._replace(size=needed, weight=atom.weight * inner if atom.axis >= 0 else 1)
                atoms.append(atom)
                needed //= atom.size
            layout.append(joined(atoms))
        return Units(tuple(layout), self.fields)


def _sharpened(atom: Atom, seen: Sequence[Region]) -> Atom:
    """Blurred positions do not matter any more once every unit depends on a region that holds them all."""
    if atom.axis != BLURRED or not any(holds(region, atom.region) for region in seen):
        return atom
    return Atom(atom.size)


def holds(region: Region, other: Region) -> bool:
    """Whether all of ``other`` is in ``region``."""
    return all(
        inner is None or (outer is not None and outer[0] <= inner[0] and outer[1] >= inner[1])
        for outer, inner in zip(region, other, strict=True)
    )


def plain(size: int) -> tuple[Atom, ...]:
    """A dimension that has no positions."""
    return (Atom(size),) if size != 1 else ()


def joined(atoms: Sequence[Atom]) -> tuple[Atom, ...]:
    """With neighbours in one that make up one: two plain ones, or successive digits."""
    found: list[Atom] = []
    for atom in atoms:
        before = found[-1] if found else None
        if before and before.axis == atom.axis == PLAIN:
            found[-1] = Atom(before.size * atom.size)
        elif before and before.axis == atom.axis >= 0 and before.weight == atom.size * atom.weight:
            found[-1] = Atom(before.size * atom.size, atom.axis, atom.weight)
        else:
            found.append(atom)
    return tuple(found)


def offsets(atoms: Sequence[Atom]) -> list[int]:
    """The index of each combination of these digits, the first turning slowest."""
    indices = [0]
    for atom in atoms:
        indices = [start + digit * atom.weight for start in indices for digit in range(atom.size)]
    return indices


def place_values(digits: Sequence[tuple[int, int, Atom]]) -> list[int]:
    """The place value of each digit, where the last turns fastest."""
    values = [1] * len(digits)
    for position in reversed(range(len(digits) - 1)):
        values[position] = values[position + 1] * digits[position + 1][2].size
    return values
