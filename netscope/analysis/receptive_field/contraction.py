"""Receptive fields of ops on several tensors: elementwise ops with broadcasting, and contractions, e.g. matmuls."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from netscope.analysis.receptive_field.fields import (
    BLURRED,
    MAX_UNITS,
    PLAIN,
    Factor,
    Field,
    LayoutItem,
    Region,
    Units,
    UntrackedError,
    contiguous_strides,
    plain_dimension,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor in a contraction.

    Attributes:
        units: its units.
        labels: label of each of its dimensions, as in ``einsum``; None for a dimension that is broadcast.
    """

    units: Units
    labels: tuple[int | None, ...]


def combine_elementwise(operands: Sequence[Units], shape: Sequence[int]) -> Units:
    """Returns the units of an elementwise op: each depends on the units at its index in every operand."""
    first = operands[0]
    if first.shape == tuple(shape) and all(other.layout == first.layout for other in operands[1:]):
        return _combine_same_layout(operands)
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
    return contract(labelled, range(rank), shape)


def _combine_same_layout(operands: Sequence[Units]) -> Units:
    """Returns the units of an elementwise op whose operands have the same layout."""
    fields = []
    for along_axis in zip(*(units.fields for units in operands), strict=True):
        distinct = list({id(field): field for field in along_axis}.values())
        fields.append(distinct[0] if len(distinct) == 1 else _unite_fields(distinct))
    return Units(operands[0].layout, tuple(fields))


def _unite_fields(fields: Sequence[Field]) -> Field:
    """Returns the union of fields, unit by unit."""
    step = fields[0].step
    return Field(
        tuple(map(min, *(field.low for field in fields))),
        tuple(map(max, *(field.high for field in fields))),
        tuple(map(min, *(field.first for field in fields))),
        tuple(map(max, *(field.last for field in fields))),
        step if all(field.step is step or field.step == step for field in fields) else None,
    )


def contract(operands: Sequence[Operand], output: Sequence[int], shape: Sequence[int]) -> Units:
    """Returns the units of a contraction, such as a matmul.

    Args:
        operands: operands that depend on the input.
        output: labels of the result's dimensions; all other labels are summed over.
        shape: shape of the result.

    Raises:
        UntrackedError: operands have positions along one dimension that do not match.
    """
    factors = _factors_by_label(operands)
    labels = sorted({label for operand in operands for label in operand.labels if label is not None} | set(output))
    sizes = dict(zip(output, shape, strict=True))
    layout = {label: list(factors.get(label) or plain_dimension(sizes.get(label, 1))) for label in labels}
    fields = []
    for axis in range(len(operands[0].units.fields)):
        items = [
            LayoutItem(label, index, factor)
            for label in labels
            for index, factor in enumerate(layout[label])
            if factor.axis == axis
        ]
        items.sort(key=lambda item: -item.factor.stride)
        for item, stride in zip(items, contiguous_strides(items), strict=True):
            layout[item.dimension][item.order] = item.factor._replace(stride=stride)
        fields.append(_contract_axis(operands, axis, items))
    units = Units(tuple(tuple(layout[label]) for label in labels), tuple(fields))
    summed = [position for position, label in enumerate(labels) if label not in sizes]
    staying = [label for label in labels if label in sizes]
    result = units.reduce(summed, keep=False).permute([staying.index(label) for label in output])
    return _sharpen_if_covered(result, operands)


def _factors_by_label(operands: Sequence[Operand]) -> dict[int, tuple[Factor, ...]]:
    """Returns for each label the factors of the operands that have positions along it."""
    found: dict[int, tuple[Factor, ...]] = {}
    for operand in operands:
        for label, factors in zip(operand.labels, operand.units.layout, strict=True):
            if label is None or not any(factor.axis != PLAIN for factor in factors):
                continue
            known = found.setdefault(label, factors)
            if [factor[:2] for factor in known] != [factor[:2] for factor in factors]:
                raise UntrackedError
            found[label] = tuple(
                one._replace(region=_unite_regions(one.region, other.region))
                for one, other in zip(known, factors, strict=True)
            )
    return found


def _unite_regions(one: Region, other: Region) -> Region:
    return tuple(
        (min(first[0], second[0]), max(first[1], second[1])) if first and second else first or second
        for first, second in zip(one, other, strict=True)
    )


def _contract_axis(operands: Sequence[Operand], axis: int, items: Sequence[LayoutItem]) -> Field:
    """Returns the fields along one axis: for each combination of indices, the union of the operands' fields there."""
    if prod(item.factor.size for item in items) > MAX_UNITS:
        raise UntrackedError
    fields = []
    for operand in operands:
        field = operand.units.fields[axis]
        strides = {
            (operand.labels[dimension], index): factor.stride for dimension, index, factor in operand.units.items(axis)
        }
        if not set(strides) <= {(item.dimension, item.order) for item in items}:
            # Another operand is blurred along this label, so any of its positions may be meant.
            field, strides = field.merge([range(len(field.low))], None), {}
        units = [0]
        for label, index, factor in items:
            stride = strides.get((label, index), 0)
            units = [start + stride * number for start in units for number in range(factor.size)]
        step = field.step if len(units) == len(field.low) else None
        fields.append(field if units == list(range(len(field.low))) else field.select(units, step))
    if len(fields) == 1:
        return fields[0]
    with_positions = {field.step for field, operand in zip(fields, operands, strict=True) if operand.units.items(axis)}
    step = with_positions.pop() if len(with_positions) == 1 else None
    return _unite_fields(fields)._replace(step=step)


def _sharpen_if_covered(result: Units, operands: Sequence[Operand]) -> Units:
    """Returns blurred units as exact ones if all units of one exact operand have a field that covers the result's."""
    if result.is_exact:
        return result
    for operand in operands:
        if operand.units.is_exact and all(
            own.covers(field) for own, field in zip(operand.units.fields, result.fields, strict=True)
        ):
            layout = tuple(
                tuple(Factor(factor.size) if factor.axis == BLURRED else factor for factor in factors)
                for factors in result.layout
            )
            return Units(layout, result.fields)
    return result
