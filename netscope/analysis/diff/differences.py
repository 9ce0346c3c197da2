"""The diff of two summaries: their aligned layers, and the differences of each pair."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from netscope.analysis.diff.alignment import align_trees
from netscope.analysis.diff.attributes import Wiring, diff_descriptions, diff_layers, drop_incomparable, list_uncompared
from netscope.analysis.diff.ignoring import drop_ignored
from netscope.analysis.diff.layers import LayerTree
from netscope.schema import AttributeChange, ChangeKind, ComparedModel, Ignorable, LayerChange, ModelDiff, Summary


def diff_summaries(before: Summary, after: Summary, ignored: Collection[Ignorable] = ()) -> ModelDiff:
    """Returns the difference between two architectures, row by row.

    Args:
        before: first summary.
        after: second summary.
        ignored: aspects to exclude from the comparison and from the figures of both sides.
    """
    before, after = drop_ignored(before, ignored), drop_ignored(after, ignored)
    return ModelDiff(
        before=ComparedModel.of(before),
        after=ComparedModel.of(after),
        changes=_add_hyperparameter_changes(list(_pair_rows(before, after, ignored))),
        delta=after.totals - before.totals,
        ignored=tuple(sorted(set(ignored))),
        notes=tuple(list_uncompared(before, after)),
    )


def _pair_rows(before: Summary, after: Summary, ignored: Collection[Ignorable]) -> Iterator[LayerChange]:
    """Yields a change for each row of either side, in the order of ``after``; removed rows at their old positions."""
    trees = [LayerTree.of(side) for side in drop_incomparable(before, after)]
    comparison = _AlignedSides(*trees, ignores_wiring="wiring" in ignored)
    partners = comparison.alignment.partners
    origins = {j: i for i, j in partners.items()}
    removed = [i for i in range(len(before.rows)) if i not in partners]
    emitted = 0
    for j, row in enumerate(after.rows):
        i = origins.get(j)
        if i is None:
            yield LayerChange(kind="added", before=None, after=row)
            continue
        if i not in comparison.alignment.moved:
            while emitted < len(removed) and removed[emitted] < i:
                yield LayerChange(kind="removed", before=before.rows[removed[emitted]], after=None)
                emitted += 1
        kind, attributes = comparison.compare_rows(i, j)
        yield LayerChange(kind=kind, before=before.rows[i], after=row, attributes=attributes)
    for i in removed[emitted:]:
        yield LayerChange(kind="removed", before=before.rows[i], after=None)


def _add_hyperparameter_changes(changes: list[LayerChange]) -> tuple[LayerChange, ...]:
    """Returns the changes, with unchanged modules marked as changed if only their hyperparameters differ.

    This concerns modules with children that also compute something themselves. Mostly such a hyperparameter describes a
    difference below the module, so it counts only if nothing below the module differs.
    """
    different = [change for change in changes if change.kind != "same"]
    result: list[LayerChange] = []
    for change in reversed(changes):
        attributes = _diff_hyperparameters(change)
        if attributes and not any(_is_below(other, change) for other in different):
            result.append(replace(change, kind="changed", attributes=attributes))
            different.append(result[-1])
        else:
            result.append(change)
    return tuple(reversed(result))


def _diff_hyperparameters(change: LayerChange) -> tuple[AttributeChange, ...]:
    before, after = change.before, change.after
    if change.kind != "same" or before is None or after is None or not (before.operations or before.tensors):
        return ()
    return tuple(item for item in diff_descriptions(before, after) if item.name != "type")


def _is_below(change: LayerChange, parent: LayerChange) -> bool:
    pairs = ((change.before, parent.before), (change.after, parent.after))
    return any(row and top and (not top.path or row.path.startswith(f"{top.path}.")) for row, top in pairs)


class _AlignedSides:
    """The alignment of two architectures, and the differences of its pairs."""

    def __init__(self, before: LayerTree, after: LayerTree, *, ignores_wiring: bool) -> None:
        self.before, self.after, self.ignores_wiring = before, after, ignores_wiring
        self.alignment = align_trees(before, after)
        self.wiring = Wiring(before, after, self.alignment.partners, self.alignment.moved)

    def compare_rows(self, i: int, j: int) -> tuple[ChangeKind, tuple[AttributeChange, ...]]:
        """Returns the kind of change from row ``i`` before to row ``j`` after, and the attributes that differ."""
        is_leaf = not self.before.children[i] and not self.after.children[j]
        found = diff_layers(self.before.rows[i], self.after.rows[j], is_leaf=is_leaf, wiring=self.wiring)
        is_moved = i in self.alignment.moved
        if is_moved or self.ignores_wiring:
            # A moved layer reads from other layers by definition.
            found = tuple(change for change in found if change.name != "reads_from")
        return "moved" if is_moved else "changed" if found else "same", found
