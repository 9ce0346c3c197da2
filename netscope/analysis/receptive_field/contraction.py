"""Several tensors into one: elementwise, by broadcasting, or as a product that sums over dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from netscope.analysis.receptive_field.fields import (
    BLURRED,
    LARGEST_INDEX,
    PLAIN,
    Atom,
    Field,
    Region,
    Units,
    UntrackedError,
    place_values,
    plain,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor in a product.

    Attributes:
        units: what it depends on.
        labels: of its dimensions; None where it is broadcast.
    """

    units: Units
    labels: tuple[int | None, ...]


def elementwise(operands: Sequence[Units], shape: Sequence[int]) -> Units:
    """Each unit depends on what the units at its place do."""
    first = operands[0]
    if first.shape == tuple(shape) and all(other.layout == first.layout for other in operands[1:]):
        return _united(operands)
    rank = len(shape)
    labelled = [
        Operand(
            units,
            tuple(
                None if size == 1 != shape[position - len(units.layout)] else rank - len(units.layout) + position
                for position, size in enumerate(units.shape)
            ),
        )
        for units in operands
    ]
    return contracted(labelled, range(rank), shape)


def _united(operands: Sequence[Units]) -> Units:
    """Of operands that are laid out alike."""
    fields = []
    for own in zip(*(units.fields for units in operands), strict=True):
        distinct = list({id(field): field for field in own}.values())
        fields.append(distinct[0] if len(distinct) == 1 else _union_of(distinct))
    return Units(operands[0].layout, tuple(fields))


def _union_of(fields: Sequence[Field]) -> Field:
    """Unit by unit."""
    step = fields[0].step
    return Field(
        tuple(map(min, *(field.low for field in fields))),
        tuple(map(max, *(field.high for field in fields))),
        tuple(map(min, *(field.first for field in fields))),
        tuple(map(max, *(field.last for field in fields))),
        step if all(field.step is step or field.step == step for field in fields) else None,
    )


def contracted(operands: Sequence[Operand], output: Sequence[int], shape: Sequence[int]) -> Units:
    """The units of a product.

    Args:
        operands: those that depend on the input.
        output: the labels of its dimensions; all others are summed over.
        shape: its sizes.

    Raises:
        LostError: operands have positions along one dimension that do not fit each other.
    """
    patterns = _patterns(operands)
    labels = sorted({label for operand in operands for label in operand.labels if label is not None} | set(output))
    sizes = dict(zip(output, shape, strict=True))
    layout: dict[int, list[Atom]] = {label: list(patterns.get(label) or plain(sizes.get(label, 1))) for label in labels}
    fields = []
    for axis in range(len(operands[0].units.fields)):
        digits = [
            (label, place, atom) for label in labels for place, atom in enumerate(layout[label]) if atom.axis == axis
        ]
        digits.sort(key=lambda item: -item[2].weight)
        weights = place_values(digits)
        for (label, place, atom), weight in zip(digits, weights, strict=True):
            layout[label][place] = atom._replace(weight=weight)
        fields.append(_field(operands, axis, [(label, place, atom.size) for label, place, atom in digits]))
    whole = Units(tuple(tuple(layout[label]) for label in labels), tuple(fields))
    summed = [position for position, label in enumerate(labels) if label not in sizes]
    result = whole.reduced(summed, keep=False)
    kept = [label for label in labels if label in sizes]
    ordered = result.permuted([kept.index(label) for label in output])
    return _unblurred(ordered, operands)


def _patterns(operands: Sequence[Operand]) -> dict[int, tuple[Atom, ...]]:
    """For each label the atoms of the operand that has positions along it."""
    patterns: dict[int, tuple[Atom, ...]] = {}
    for operand in operands:
        for label, atoms in zip(operand.labels, operand.units.layout, strict=True):
            if label is None or not any(atom.axis != PLAIN for atom in atoms):
                continue
            known = patterns.setdefault(label, atoms)
            if [atom[:2] for atom in known] != [atom[:2] for atom in atoms]:
                raise UntrackedError
            patterns[label] = tuple(
                one._replace(region=_union(one.region, other.region)) for one, other in zip(known, atoms, strict=True)
            )
    return patterns


def _union(one: Region, other: Region) -> Region:
    return tuple(
        (min(first[0], second[0]), max(first[1], second[1])) if first and second else first or second
        for first, second in zip(one, other, strict=True)
    )


def _field(operands: Sequence[Operand], axis: int, digits: Sequence[tuple[int, int, int]]) -> Field:
    """What each combination of digits depends on: the union over the operands, each by its own digits."""
    total = prod(size for _, _, size in digits)
    if total > LARGEST_INDEX:
        raise UntrackedError
    fields = []
    for operand in operands:
        field = operand.units.fields[axis]
        own = {(operand.labels[dimension], place): atom.weight for dimension, place, atom in operand.units.digits(axis)}
        known = {(label, place) for label, place, _ in digits}
        if not set(own) <= known:  # blurred along this label: any of its positions
            whole = list(range(len(field.low)))
            field, own = field.united([whole], None), {}
        units = [0]
        for label, place, size in digits:
            weight = own.get((label, place), 0)
            units = [start + weight * index for start in units for index in range(size)]
        fields.append(field if units == list(range(len(field.low))) else field.selected(units, _step(field, units)))
    if len(fields) == 1:
        return fields[0]
    with_positions = {field.step for field, operand in zip(fields, operands, strict=True) if operand.units.digits(axis)}
    step = with_positions.pop() if len(with_positions) == 1 else None
    return _union_of(fields)._replace(step=step)


def _step(field: Field, units: Sequence[int]) -> Fraction | None:
    return field.step if len(units) == len(field.low) else None


def _unblurred(result: Units, operands: Sequence[Operand]) -> Units:
    """Exact again if one operand, whose units all are alike, covers all the others."""
    if result.is_exact:
        return result
    for operand in operands:
        if operand.units.is_exact and all(
            own.covers(field) for own, field in zip(operand.units.fields, result.fields, strict=True)
        ):
            layout = tuple(
                tuple(Atom(atom.size) if atom.axis == BLURRED else atom for atom in atoms) for atoms in result.layout
            )
            return Units(layout, result.fields)
    return result
