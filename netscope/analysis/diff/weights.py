"""The map from the tensors of one architecture to the tensors of another that they load into."""

from collections.abc import Iterator
from math import prod

from netscope.analysis.diff.alignment import align_trees
from netscope.analysis.diff.layers import LayerTree
from netscope.errors import UsageError
from netscope.schema import LayerRow, LayerTensor, Summary, UnmappedTensor, WeightsMap


def map_weights(before: Summary, after: Summary) -> WeightsMap:
    """Returns the map from the state dict of ``before`` to the state dict of ``after``.

    Tensors of paired layers are matched by name and shape; if their names differ, by shape and order.

    Raises:
        UsageError: a saved summary has no tensors.
    """
    for summary in (before, after):
        if summary.totals.params and not any(row.tensors for row in summary.rows):
            raise UsageError(f"the saved summary of {summary.architecture.spec} has no tensors; save it again")
    trees = LayerTree.of(before), LayerTree.of(after)
    partners = align_trees(*trees).partners
    tensors: dict[str, str] = {}
    for i, j in partners.items():
        tensors |= dict(_pairs(before.rows[i], after.rows[j]))
    loaded = set(tensors.values())
    order = {key: position for position, (key, _, _) in enumerate(_state(after))}
    return WeightsMap(
        before=before.architecture,
        after=after.architecture,
        tensors=dict(sorted(tensors.items(), key=lambda pair: order[pair[1]])),
        params=after.totals.params,
        covered_params=sum(
            prod(tensor.shape or ())
            for key, tensor, _ in _state(after)
            if key in loaded and not tensor.is_buffer and tensor.shared_with is None
        ),
        missing=tuple(_unmapped(after, loaded, {after.rows[j].path for j in partners.values()})),
        unused=tuple(_unmapped(before, set(tensors), {before.rows[i].path for i in partners})),
    )


def _pairs(before: LayerRow, after: LayerRow) -> Iterator[tuple[str, str]]:
    """Yields pairs of keys of equal shapes: tensors of equal names first, then the others in order."""
    others = {tensor.name: tensor for tensor in after.tensors if tensor.persistent and tensor.shape is not None}
    left: list[LayerTensor] = []
    for tensor in before.tensors:
        if not tensor.persistent or tensor.shape is None:
            continue
        other = others.get(tensor.name)
        if other is not None and _loads(tensor, other):
            del others[tensor.name]
            yield _key(before, tensor), _key(after, other)
        else:
            left.append(tensor)
    for tensor in left:
        other = next((item for item in others.values() if _loads(tensor, item)), None)
        if other is not None:
            del others[other.name]
            yield _key(before, tensor), _key(after, other)


def _loads(tensor: LayerTensor, other: LayerTensor) -> bool:
    return tensor.shape == other.shape and tensor.is_buffer == other.is_buffer


def _key(row: LayerRow, tensor: LayerTensor) -> str:
    return f"{row.path}.{tensor.name}" if row.path else tensor.name


def _state(summary: Summary) -> Iterator[tuple[str, LayerTensor, LayerRow]]:
    """Yields the state dict's tensors: key, tensor and row."""
    for row in summary.rows:
        for tensor in row.tensors:
            if tensor.persistent:
                yield _key(row, tensor), tensor, row


def _unmapped(summary: Summary, mapped: set[str], paired: set[str]) -> Iterator[UnmappedTensor]:
    for key, tensor, row in _state(summary):
        if key not in mapped:
            reason = "no tensor of this shape in the layer's counterpart" if row.path in paired else "no counterpart"
            yield UnmappedTensor(name=key, shape=tensor.shape, reason=reason)
