"""Whether two architectures are the same in other modules or under other names."""

from collections import Counter
from collections.abc import Iterator

from netscope.render.diff_attributes import count_nouns
from netscope.render.diff_census import Side
from netscope.render.diff_topics import Finding, Topic
from netscope.schema import ModelDiff
from netscope.schema.diff_families import LAYOUT_OPS, find_family


def is_other_notation(diff: ModelDiff, sides: tuple[Side, Side]) -> bool:
    """Whether both sides have equal weights, ops and hyperparameters, under other names or in other modules."""
    has_other_names = bool(diff.renamed) or any(change.kind in ("added", "removed") for change in diff.changes)
    before, after = sides
    return (
        has_other_names
        and diff.delta.params == diff.delta.flops == 0
        and diff.before.inputs == diff.after.inputs
        and any(row.ops for row in before.rows)
        and _list_weights(before) == _list_weights(after)
        and _count_ops(before) == _count_ops(after)
        and _count_settings(before) == _count_settings(after)
    )


def _list_weights(side: Side) -> Counter[object]:
    return Counter(
        # A convolution of kernel 1 and a linear layer have the same weights.
        (tuple(size for size in tensor.shape or () if size != 1), tensor.dtype, tensor.trainable)
        for row in side.rows
        for tensor in row.tensors
        if not tensor.is_buffer and tensor.shared_with is None
    )


def _count_ops(side: Side) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in side.rows:
        for op in row.ops:
            if op.op.removesuffix("_") not in LAYOUT_OPS and op.op.removeprefix("aten.") not in _RESHAPING_OPS:
                counts[op.op.removesuffix("_")] += op.calls
    return counts


_RESHAPING_OPS = frozenset({"as_strided", "chunk", "split", "unbind", "unflatten", "empty"})

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
