"""Whether two architectures are the same in other modules or under other names."""

from collections import Counter
from collections.abc import Iterable, Iterator

from netscope.render.diff_census import Side, is_identity
from netscope.render.diff_topics import Finding, Topic, find_topic_of_name
from netscope.render.numbers import count_nouns
from netscope.schema import AttributeChange, LayerRow, LayerTensor, ModelDiff
from netscope.schema.diff_families import find_family


def is_other_notation(diff: ModelDiff, sides: tuple[Side, Side]) -> bool:
    """Whether both sides have equal weights, ops and hyperparameters, under other names or in other modules."""
    before, after = sides
    return (
        diff.delta.params == diff.delta.flops == 0
        and diff.before.inputs == diff.after.inputs
        and any(row.operations for row in before.rows)
        and _has_other_names(diff)
        and _is_wired_alike(diff)
        and not any(_differs(item) for change in diff.changes for item in change.attributes)
        and _list_weights(before) == _list_weights(after)
        and _count_tensors(before) == _count_tensors(after)
        and _count_ops(before.rows) == _count_ops(after.rows)
        and _count_settings(before) == _count_settings(after)
    )


def _has_other_names(diff: ModelDiff) -> bool:
    return bool(diff.renamed) or any(not is_identity(change.row) for change in diff.of_kind("added", "removed"))


def _is_wired_alike(diff: ModelDiff) -> bool:
    """Whether nothing moved, and modules read from others only because one module became several or the reverse."""
    added, removed = (
        _count_ops(change.row for change in diff.of_kind(kind) if change.row.own == change.row.total)
        for kind in ("added", "removed")
    )
    names = {item.name for change in diff.changes for item in change.attributes}
    is_moved = any(not is_identity(change.row) for change in diff.of_kind("moved")) or not added.keys().isdisjoint(
        removed
    )
    return not is_moved and ("calls" in names or "reads_from" not in names)


def _differs(item: AttributeChange) -> bool:
    """Whether an attribute has two values of which each changes a result; a size may be per axis on one side."""
    if item.name in {"type", "ops", "calls", "reads_from"} or find_topic_of_name(item.name) == Topic.DROPOUT:
        return False
    if item.name == "computation":
        return True
    sizes = [set(value) if isinstance(value, tuple) else {value} for value in (item.before, item.after)]
    return sizes[0] != sizes[1] and None not in (item.before, item.after)


def _list_weights(side: Side) -> list[tuple[int, ...]]:
    """Returns the shapes of weights in order of execution.

    Sizes of 1 are left out: a convolution of kernel 1 and a linear layer have the same weights.
    """
    return [_squeeze(tensor) for row in side.rows for tensor in row.tensors if "weight" in tensor.name]


def _squeeze(tensor: LayerTensor) -> tuple[int, ...]:
    return tuple(size for size in tensor.shape or () if size != 1)


def _count_tensors(side: Side) -> Counter[object]:
    return Counter(
        (_squeeze(tensor), tensor.dtype, tensor.trainable)
        for row in side.rows
        for tensor in row.tensors
        if not tensor.is_buffer and tensor.shared_with is None
    )


def _count_ops(rows: Iterable[LayerRow]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.operations)
    return counts


_SETTINGS = ("kernel_size", "stride", "padding", "dilation", "groups", "num_groups", "eps", "ceil_mode")


def _count_settings(side: Side) -> Counter[object]:
    """Returns how many layers have which settings, by their families."""
    return Counter(
        (find_family(row), tuple((name, row.hyperparameters.get(name)) for name in _SETTINGS))
        for row in side.rows
        if row.calls and find_family(row) in ("convolution", "normalization")
    )


def find_dropouts(sides: tuple[Side, Side]) -> Iterator[Finding]:
    """Yields the classes of dropout layers that came or went, apart from those that drop nothing."""
    before, after = (
        Counter(
            row.type_name
            for row in side.rows
            if not row.tensors and (row.hyperparameters.get("p") or row.hyperparameters.get("drop_prob"))
        )
        for side in sides
    )
    for name in dict.fromkeys((*before, *after)):
        count = after[name] - before[name]
        if count:
            yield Finding(Topic.DROPOUT, f"{count_nouns(abs(count), name)} {'added' if count > 0 else 'removed'}")
