"""The difference of an architecture from its lock file entry, in which nothing that differs is left unnamed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from netscope.analysis.diff import diff_summaries
from netscope.analysis.diff.layers import select_hyperparameters
from netscope.analysis.lock import restore_summary
from netscope.analysis.metrics import format_value, join_texts
from netscope.schema import AttributeChange, LayerChange, LayerRow, LockedModel, ModelDiff, Summary
from netscope.schema.figures import FIELDS

_MAX_NAMED = 3


def diff_with_lock(before: LockedModel, after: LockedModel, like: Summary) -> ModelDiff:
    """Returns the difference between two lock file entries: that of ``diff``, with each field that it leaves out.

    ``diff`` compares architectures by what they compute, but a lock holds every field: the class of a container, the
    order of sources, whether a buffer is saved.

    Args:
        before: the entry.
        after: the entry of the current architecture.
        like: summary of the current architecture.
    """
    difference = diff_summaries(restore_summary(before, like), restore_summary(after, like))
    renamed = {change.before.path: change.after.path for change in difference.changes if change.before and change.after}
    follows = any(
        change.has_value_changes or change.kind in {"added", "removed", "moved"} for change in difference.changes
    )
    changes = tuple(_add_fields(change, renamed, follows=follows) for change in difference.changes)
    return replace(difference, changes=changes)


def _add_fields(change: LayerChange, renamed: Mapping[str, str], *, follows: bool) -> LayerChange:
    """Returns a change with the fields that differ in addition to its attributes."""
    before, after = change.before, change.after
    if before is None or after is None:
        return change
    known = {attribute.name for attribute in change.attributes}
    follows = follows or bool(change.attributes)
    found = tuple(item for item in _diff_fields(before, after, renamed, follows=follows) if item.name not in known)
    kind = "changed" if found and change.kind == "same" else change.kind
    return replace(change, kind=kind, attributes=(*change.attributes, *found))


def _diff_fields(
    before: LayerRow, after: LayerRow, renamed: Mapping[str, str], *, follows: bool
) -> Iterator[AttributeChange]:
    """Yields the fields that differ; ``follows`` is whether wiring and computation may follow from other changes."""
    if before.type_name != after.type_name:
        yield AttributeChange(name="type", before=before.type_name, after=after.type_name)
    values, others = dict(select_hyperparameters(before)), dict(select_hyperparameters(after))
    for name in dict.fromkeys((*values, *others)):
        if values.get(name) != others.get(name) or (name in values) != (name in others):
            yield AttributeChange(name=name, before=values.get(name), after=others.get(name))
    yield from _diff_tensors(before, after)
    for name in FIELDS:
        was, now = getattr(before.own, name), getattr(after.own, name)
        if was != now and name not in {"params", "trainable_params", "flops"}:
            yield AttributeChange(name=f"own {name}", before=was, after=now)
    if follows:
        return
    sources = tuple(sorted(renamed.get(path, path) for path in before.reads_from))
    if sources != after.reads_from:
        yield AttributeChange(name="reads_from", before=before.reads_from, after=after.reads_from)
    if before.operations != after.operations:
        yield AttributeChange(name="ops", before=tuple(before.operations), after=tuple(after.operations))
    elif before.computation != after.computation:
        yield AttributeChange(name="computation", before=before.computation, after=after.computation)


def _diff_tensors(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    others = {tensor.name: tensor for tensor in after.tensors}
    for tensor in before.tensors:
        other = others.get(tensor.name)
        for field in ("is_buffer", "persistent", "unread"):
            if other is not None and getattr(tensor, field) != getattr(other, field):
                name = f"{tensor.name}.{field}"
                yield AttributeChange(name=name, before=getattr(tensor, field), after=getattr(other, field))
    if [tensor.name for tensor in before.tensors] != [tensor.name for tensor in after.tensors]:
        yield AttributeChange(
            name="tensors",
            before=tuple(tensor.name for tensor in before.tensors),
            after=tuple(tensor.name for tensor in after.tensors),
        )


def describe_difference(before: LockedModel, after: LockedModel, difference: ModelDiff) -> str:
    """Returns the most important difference from the lock file, as a sentence."""
    if not difference.is_same:
        return f"architecture differs from the lock file: {', '.join(_list_differences(difference))}"
    for name in ("model", "inputs", "mode"):
        then, now = getattr(before, name), getattr(after, name)
        if then != now:
            return f"{name} differs from the lock file: {join_texts(then)} → {join_texts(now)}"
    for name in before.metrics | after.metrics:
        then, now = before.metrics.get(name), after.metrics.get(name)
        if then != now:
            return f"{name} differs from the lock file: {format_value(then)} → {format_value(now)}"
    return "the order of its modules differs from the lock file"


def _list_differences(difference: ModelDiff) -> Iterator[str]:
    changed = [change.row.path or "the root" for change in difference.changes if change.kind != "same"]
    if changed:
        named = _join_names(changed)
        yield f"{len(changed)} module{'' if len(changed) == 1 else 's'} changed ({named})"
    renamed = [change for change in difference.renamed if not _is_explained(change, difference.renamed)]
    if renamed:
        names = [f"{change.before.path} → {change.after.path}" for change in renamed if change.before and change.after]
        yield f"renamed: {_join_names(names)}"
    if not changed and not renamed:
        shapes = [change.row.path or "the root" for change in difference.changes if change.has_value_changes]
        yield f"other sizes in {_join_names(shapes)}"
    deltas = ((difference.delta.params, "params"), (difference.delta.flops, "FLOPs"))
    yield from (f"{delta:+,} {unit}".replace("-", "−") for delta, unit in deltas if delta)


def _is_explained(change: LayerChange, renamed: tuple[LayerChange, ...]) -> bool:
    """Whether a module has another path only because a module above it was renamed."""
    if change.before is None or change.after is None:
        return True
    (above, _, name), (other, _, other_name) = change.before.path.rpartition("."), change.after.path.rpartition(".")
    pairs = {(item.before.path, item.after.path) for item in renamed if item.before and item.after}
    return name == other_name and (above, other) in pairs


def _join_names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
