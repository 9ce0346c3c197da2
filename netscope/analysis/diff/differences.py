"""Two summaries → ``ModelDiff``: their layers aligned, and what differs in each."""

from collections.abc import Collection, Iterator

from netscope.analysis.diff.alignment import align_trees
from netscope.analysis.diff.attributes import Wiring, diff_descriptions, diff_layers, drop_incomparable, list_uncompared
from netscope.analysis.diff.ignoring import without
from netscope.analysis.diff.layers import LayerTree
from netscope.schema import (
    AttributeChange,
    ChangeKind,
    ComparedModel,
    Ignorable,
    LayerChange,
    ModelDiff,
    Summary,
)


def diff_summaries(before: Summary, after: Summary, ignored: Collection[Ignorable] = ()) -> ModelDiff:
    """The difference between two architectures, row by row.

    Args:
        before: the one.
        after: the other.
        ignored: what is left out of the comparison, and of the figures of both sides.
    """
    before, after = without(before, ignored), without(after, ignored)
    return ModelDiff(
        before=ComparedModel.of(before),
        after=ComparedModel.of(after),
        changes=_with_unexplained(list(_changes(before, after))),
        delta=after.totals - before.totals,
        ignored=tuple(sorted(set(ignored))),
        notes=tuple(list_uncompared(before, after)),
    )


def _changes(before: Summary, after: Summary) -> Iterator[LayerChange]:
    """One for each row of either side: in the order of ``after``, what was removed before what came behind it."""
    compared = _Compared(*(LayerTree.of(side) for side in drop_incomparable(before, after)))
    partners = compared.alignment.partners
    origins = {j: i for i, j in partners.items()}
    removed = [i for i in range(len(before.rows)) if i not in partners]
    emitted = 0
    for j, row in enumerate(after.rows):
        i = origins.get(j)
        if i is None:
            yield LayerChange(kind="added", before=None, after=row)
            continue
        if i not in compared.alignment.moved:
            while emitted < len(removed) and removed[emitted] < i:
                yield LayerChange(kind="removed", before=before.rows[removed[emitted]], after=None)
                emitted += 1
        kind, attributes = compared.pair(i, j)
        yield LayerChange(kind=kind, before=before.rows[i], after=row, attributes=attributes)
    for i in removed[emitted:]:
        yield LayerChange(kind="removed", before=before.rows[i], after=None)


def _with_unexplained(changes: list[LayerChange]) -> tuple[LayerChange, ...]:
    """The changes with those of modules that hold others, compute something, and differ in a hyperparameter alone.

    Mostly such a hyperparameter describes what differs below, and is no change of its own.
    """
    different = [change for change in changes if change.kind != "same"]
    told: list[LayerChange] = []
    for change in reversed(changes):
        attributes = _hyperparameters_alone(change)
        if attributes and not any(_is_below(other, change) for other in different):
            told.append(LayerChange(kind="changed", before=change.before, after=change.after, attributes=attributes))
            different.append(told[-1])
        else:
            told.append(change)
    return tuple(reversed(told))


def _hyperparameters_alone(change: LayerChange) -> tuple[AttributeChange, ...]:
    before, after = change.before, change.after
    if change.kind != "same" or before is None or after is None or not (before.ops or before.tensors):
        return ()
    return tuple(item for item in diff_descriptions(before, after) if item.name != "type")


def _is_below(change: LayerChange, holder: LayerChange) -> bool:
    pairs = ((change.before, holder.before), (change.after, holder.after))
    return any(row and top and (not top.path or row.path.startswith(f"{top.path}.")) for row, top in pairs)


class _Compared:
    """Two architectures, aligned, by what both tell."""

    def __init__(self, before: LayerTree, after: LayerTree) -> None:
        self.before, self.after = before, after
        self.alignment = align_trees(before, after)
        self.wiring = Wiring(before, after, self.alignment.partners, self.alignment.moved)

    def pair(self, i: int, j: int) -> tuple[ChangeKind, tuple[AttributeChange, ...]]:
        """What became of row i before, which is row j after."""
        is_leaf = not self.before.children[i] and not self.after.children[j]
        found = diff_layers(self.before.rows[i], self.after.rows[j], is_leaf=is_leaf, wiring=self.wiring)
        if i in self.alignment.moved:
            # That it now reads from others is what moving means.
            return "moved", tuple(change for change in found if change.name != "reads_from")
        return "changed" if found else "same", found
