"""``ModelDiff`` → ``Document``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from netscope.errors import UsageError
from netscope.render import numbers
from netscope.render.diff_sentences import attributes_text, layer_text, sentence, total_text
from netscope.render.diff_tree import DiffNode, cut, folded, only_changed, own_figures, trees_of, walked
from netscope.render.document import Column, Document, NameCell, Row, Style
from netscope.schema import METRICS, LayerChange, Metric, ModelDiff

_METRICS = {metric.key: metric for metric in METRICS.values() if metric.in_diff}
DIFF_SORTS = ("order", "delta", *_METRICS)

MARKS = {"same": "=", "changed": "~", "added": "+", "removed": "-", "moved": ">"}
_STYLES: dict[str, Style] = {"changed": "changed", "added": "added", "removed": "removed", "moved": "changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffView:
    """Which part of a diff is shown.

    Attributes:
        only_changed: leaves out what is the same, also where its figures follow from a change elsewhere.
        sort: ``"order"`` for the tree; otherwise a flat list of what differs, by its own figures: by the largest
            share of either total that it changes (``"delta"``), or by its larger ``"params"`` or ``"flops"``.
        depth: of the tree, None for all of it.
        expand: whether what is equal, repeated or whole is left open.
    """

    only_changed: bool = False
    sort: str = "order"
    depth: int | None = None
    expand: bool = False


def check_diff_view(view: DiffView) -> None:
    """Checks that a diff can be shown that way.

    Raises:
        UsageError: unknown order, or a negative depth.
    """
    if view.sort not in DIFF_SORTS:
        raise UsageError(f"there is no order {view.sort!r}; the orders are {', '.join(DIFF_SORTS)}")
    if view.depth is not None and view.depth < 0:
        raise UsageError(f"the depth must be 0 or more, not {view.depth}")


def diff_document(diff: ModelDiff, view: DiffView, *, exact: bool = False, folding: bool = False) -> Document:
    """The document of ``diff``.

    Args:
        diff: what is shown.
        view: which part of it.
        exact: whether the format is read by programs: one row for each module, exact figures.
        folding: whether the format folds: what is the same goes into the folded part.

    Raises:
        UsageError: the view names an unknown order, or a negative depth.
    """
    check_diff_view(view)
    if exact:
        return _exact_document(diff, view)
    flat = view.sort != "order"
    rows = tuple(_flat_rows(diff, view) if flat else _tree_rows(diff, view, changed_only=folding or view.only_changed))
    everything = None
    if folding and not flat and not view.only_changed and any(change.kind == "same" for change in diff.changes):
        everything = Document(
            result=diff,
            heading=("All modules",),
            columns=_COLUMNS,
            rows=tuple(_tree_rows(diff, view, changed_only=False)),
            facts=(),
        )
    return Document(
        result=diff,
        heading=tuple(_heading(diff)),
        columns=_COLUMNS if rows else (),
        rows=rows,
        facts=tuple(_facts(diff)),
        folded=everything,
    )


def _columns_of(metric: Metric) -> Iterator[Column]:
    key, within, rank = metric.key, metric.lowercase_heading, 2 if metric.counts_ops else 3
    yield Column(key=f"{key}-before", title=metric.heading, kind=metric.unit, rank=rank)
    yield Column(key=f"{key}-after", title=f"→ {within}", kind=metric.unit, rank=rank)
    yield Column(key=f"{key}-delta", title=f"Δ {within}", kind="delta-flops" if metric.unit == "flops" else "delta")
    yield Column(key=f"{key}-change", title="", kind="change", rank=1)


_COLUMNS = (
    Column(key="kind", title="", kind="text"),
    Column(key="layer", title="Layer", kind="name"),
    Column(key="change", title="What changed", kind="text"),
    Column(key="output", title="Output", kind="text", rank=4),
    *(column for metric in _METRICS.values() for column in _columns_of(metric)),
)


def _tree_rows(diff: ModelDiff, view: DiffView, *, changed_only: bool) -> Iterator[Row]:
    trees = [cut(node, view.depth) for node in trees_of(diff)]
    if changed_only:
        trees = [only_changed(node) for node in trees if not node.is_same]
    if not view.expand:
        trees = [folded(node) for node in trees]
    for guides, node in walked(trees):
        yield _row(node, guides)


def _row(node: DiffNode, guides: str) -> Row:
    change = node.change
    mark = f"×{node.copies}" if node.copies > 1 else ""
    if node.was and change.kind != "moved":
        mark = f"{mark} (was {node.was})".strip()
    figures = [None if node.equal else cell for sides in _values(node).values() for cell in _cells(*sides)]
    is_bare = not node.children and not node.hidden
    return Row(
        cells=(
            kind_mark(node),
            NameCell(path=change.row.path, label=node.label, mark=mark, guides=guides),
            change_text(node),
            "" if node.equal else output_text(change),
            *figures,
        ),
        style=_STYLES.get(change.kind, "faint" if node.is_quiet and is_bare else "plain"),
    )


def _cells(before: int, after: int) -> tuple[int | None, int | None, int, tuple[int, int]]:
    """Before and after, the difference, and what it is a share of."""
    return before, after, after - before, (after - before, before)


def kind_mark(node: DiffNode) -> str:
    """The mark of its kind; none for what is the same and holds or follows from something that is not."""
    if node.change.kind == "same" and not node.is_quiet:
        return ""
    return MARKS[node.change.kind]


def change_text(node: DiffNode) -> str:
    """What differs, or that nothing does."""
    change = node.change
    if node.equal:
        return f"({node.equal} equal)"
    if change.kind == "changed":
        return attributes_text(change.attributes)
    if change.kind == "moved":
        differs = f", {attributes_text(change.attributes)}" if change.attributes else ""
        return f"from {node.was or 'another place'}{differs}"
    if change.kind in ("added", "removed"):
        return layer_text(change) + (", what it held stayed" if node.is_dissolved else "")
    if node.children or not node.is_same:
        return ""
    return "(equal)" if node.is_quiet else "(same layers)" if node.hidden else ""


def output_text(change: LayerChange) -> str:
    """``1×96×55×55 → 1×64×55×55``; one shape where it is the same."""
    shapes = [numbers.shapes(side.output_shapes) for side in (change.before, change.after) if side]
    return " → ".join(dict.fromkeys(filter(None, shapes)))


def _flat_rows(diff: ModelDiff, view: DiffView) -> Iterator[Row]:
    """What differs, without a tree, by its own figures and those of what is cut off below it, so that they add up."""
    totals = (diff.before.totals, diff.after.totals)
    most = {key: max(map(metric.value, totals)) or 1 for key, metric in _METRICS.items()}

    def rank(node: DiffNode) -> float:
        if view.sort != "delta":
            return float(max(map(_METRICS[view.sort].value, node.figures)))
        return max(abs(after - before) / most[key] for key, (before, after) in _values(node).items())

    nodes = [node for _, node in walked([cut(tree, view.depth) for tree in trees_of(diff)])]
    kept = [
        flat
        for node, flat in zip(nodes, map(_flat, nodes), strict=True)
        if (node.change.kind != "same" and not _only_holds(node))
        or (node.hidden and not node.is_same)
        or (not view.only_changed and any(before != after for before, after in _values(flat).values()))
    ]
    for node in sorted(kept, key=lambda node: (-rank(node), node.label)):
        yield _row(node, "")


def _values(node: DiffNode) -> dict[str, tuple[int, int]]:
    """Each metric of a diff's table, before and after."""
    before, after = node.figures
    return {key: (metric.value(before), metric.value(after)) for key, metric in _METRICS.items()}


def _only_holds(node: DiffNode) -> bool:
    """Whether it came, went or moved without anything that is not listed for what is below it."""
    has_figures = any(metric.value(side) for side in own_figures(node.change) for metric in _METRICS.values())
    return bool(node.children) and not has_figures and node.change.kind != "changed"


def _flat(node: DiffNode) -> DiffNode:
    """A node by itself, under its whole path."""
    change = node.change
    was = (change.before.path or change.before.type_name) if change.before and node.was else ""
    return replace(
        node,
        label=change.row.path or change.row.type_name,
        was=was,
        children=[],
        figures=node.figures if node.hidden else own_figures(change),
    )


_EXACT_METRICS = [metric for metric in METRICS.values() if metric.in_csv and metric.is_inference_metric]
_EXACT_COLUMNS = (
    *(Column(key=key, title=key, kind="text") for key in ("kind", "before", "after", "type_before", "type_after")),
    Column(key="attributes", title="attributes", kind="text"),
    *(Column(key=f"output_{side}", title=f"output_{side}", kind="shape") for side in ("before", "after")),
    *(
        Column(key=f"{part}{metric.name}_{side}", title=f"{part}{metric.name}_{side}", kind="count")
        for metric in _EXACT_METRICS
        for part in ("", "own_")
        for side in ("before", "after", "delta")
    ),
)


def _exact_document(diff: ModelDiff, view: DiffView) -> Document:
    """One row for each module, in the order of the diff."""
    changes = [
        change
        for change in diff.changes
        if (change.kind != "same" or not view.only_changed) and (view.depth is None or change.row.depth <= view.depth)
    ]
    return Document(result=diff, heading=(), columns=_EXACT_COLUMNS, rows=tuple(map(_exact_row, changes)), facts=())


def _exact_row(change: LayerChange) -> Row:
    sides = (change.before, change.after)
    figures: list[int | None] = []
    for metric in _EXACT_METRICS:
        for part in ("total", "own"):
            before, after = (metric.value(getattr(side, part)) if side else None for side in sides)
            figures += [before, after, (after or 0) - (before or 0)]
    return Row(
        cells=(
            change.kind,
            *(side.path if side else None for side in sides),
            *(side.type_name if side else None for side in sides),
            attributes_text(change.attributes),
            *(side.output_shapes if side else () for side in sides),
            *figures,
        )
    )


def _heading(diff: ModelDiff) -> Iterator[str]:
    yield f"{diff.before.architecture.title} → {diff.after.architecture.title}: {sentence(diff)}."
    inputs, others = numbers.inputs(diff.before.inputs), numbers.inputs(diff.after.inputs)
    yield f"input {inputs}" if inputs == others else f"input {inputs} → {others}"


def _facts(diff: ModelDiff) -> Iterator[tuple[str, str]]:
    before, after = diff.before.totals, diff.after.totals
    yield "Parameters", total_text(before.params, after.params)
    bound = "   lower bounds: there is no formula for some op" if diff.is_lower_bound else ""
    yield "FLOPs", total_text(before.flops, after.flops) + bound
    for side in (diff.before, diff.after):
        if side.unread_note:
            yield "Unread", f"{side.architecture.title}: {side.unread_note}"
    if diff.ignored:
        yield "Ignored", ", ".join(diff.ignored)
    for note in diff.notes:
        yield "Note", note
