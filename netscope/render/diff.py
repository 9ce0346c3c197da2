"""The document of a ``ModelDiff``: the tree of changes, or a flat list."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from netscope.errors import UsageError
from netscope.render import numbers
from netscope.render.diff_attributes import describe_attributes, describe_layer
from netscope.render.diff_sentences import describe_diff, format_total_change, name_sides
from netscope.render.diff_tree import (
    DiffNode,
    build_trees,
    fold_tree,
    hide_unchanged,
    limit_depth,
    walk,
)
from netscope.render.document import (
    EACH,
    Column,
    Document,
    DocumentRequest,
    Mark,
    NameCell,
    Row,
    Style,
    check_top,
    continue_guides,
    describe_top,
    document_of,
)
from netscope.runtime.wording import show_argument
from netscope.schema import METRICS, Figures, LayerChange, Metric, ModelDiff

_METRICS = {metric.key: metric for metric in METRICS.values() if metric.in_diff}
DIFF_SORTS = ("order", "delta", *_METRICS)

MARKS = {"same": "=", "changed": "~", "added": "+", "removed": "-", "moved": ">"}
SIGNS = MARKS | {"removed": "−"}
"""The marks for pages and pictures, which need not be ASCII."""

_STYLES: dict[str, Style] = {"changed": "changed", "added": "added", "removed": "removed", "moved": "changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffView:
    """The part of a diff that is shown, and in which form.

    Attributes:
        only_changed: whether unchanged layers are hidden, also those whose costs follow from a change elsewhere.
        sort: ``"order"`` for the tree; otherwise a flat list of what differs, sorted by own values: by the largest
            share of either total that changed (``"delta"``), or by the larger side's ``"params"`` or ``"flops"``.
        top: number of rows to show of a flat list; None for all.
        depth: maximum number of levels below the root; None for all.
        expand: whether nothing is folded: neither unchanged, nor repeated, nor entirely added, removed or moved parts.
    """

    shows: ClassVar[type] = ModelDiff
    only_changed: bool = False
    sort: str = "order"
    top: int | None = None
    depth: int | None = None
    expand: bool = False


def check_diff_view(view: DiffView) -> None:
    """Checks the view of a diff.

    Raises:
        UsageError: unknown sort order, or a negative depth.
    """
    if view.sort not in DIFF_SORTS:
        raise UsageError(f"unknown sort order {view.sort!r}; sort orders: {', '.join(DIFF_SORTS)}")
    check_top(view.top, is_sorted=view.sort != "order")
    if view.depth is not None and view.depth < 0:
        raise UsageError(f"{show_argument('--depth')} must be 0 or more, got {view.depth}")


def diff_document(diff: ModelDiff, view: DiffView, *, exact: bool = False, folding: bool = False) -> Document:
    """Returns the document of a diff.

    Args:
        diff: the diff.
        view: the part of it that is shown.
        exact: whether the format is read by programs: one row per module, exact values.
        folding: whether the format can fold: unchanged layers are in the folded part only.

    Raises:
        UsageError: the view names an unknown sort order, or a negative depth.
    """
    check_diff_view(view)
    if exact:
        return _make_exact_document(diff, view)
    flat = view.sort != "order"
    rows = tuple(
        _make_flat_rows(diff, view) if flat else _make_tree_rows(diff, view, changed_only=folding or view.only_changed)
    )
    everything = None
    if folding and not flat and not view.only_changed and any(change.kind == "same" for change in diff.changes):
        everything = Document(
            result=diff,
            heading=("All modules",),
            columns=_COLUMNS,
            rows=tuple(_make_tree_rows(diff, view, changed_only=False)),
            facts=(),
            marks=_MARKS,
        )
    return Document(
        result=diff,
        heading=tuple(_format_heading(diff)),
        columns=_COLUMNS if rows else (),
        rows=rows[: view.top],
        facts=(*describe_top(view.top, len(rows)), *_format_footer(diff)),
        marks=_MARKS,
        folded=everything,
    )


@document_of.register
def _(diff: ModelDiff, request: DocumentRequest) -> Document:
    return diff_document(diff, request.view or DiffView(), exact=request.exact, folding=request.folding)


def _make_columns(metric: Metric) -> Iterator[Column]:
    key, within, rank = metric.key, metric.lowercase_heading, 2 if metric.counts_ops else 3
    yield Column(key=f"{key}-before", title=metric.heading, kind=metric.unit, rank=rank, is_named=False)
    yield Column(key=f"{key}-after", title=f"→ {within}", kind=metric.unit, rank=rank, is_named=False)
    yield Column(key=f"{key}-delta", title=f"Δ {within}", kind="delta-flops" if metric.unit == "flops" else "delta")
    yield Column(key=f"{key}-change", title="", kind="change", rank=1, is_named=False)


_COLUMNS = (
    Column(key="kind", title="", kind="text"),
    Column(key="layer", title="Layer", kind="name"),
    Column(key="change", title="What changed", kind="text"),
    Column(key="output", title="Output", kind="text", rank=4, is_named=False),
    *(column for metric in _METRICS.values() for column in _make_columns(metric)),
)


_MARKS = (
    *(Mark(f"^{re.escape(mark)}$", mark, "equal" if kind == "same" else kind) for kind, mark in MARKS.items()),
    Mark(r" … .* ×\d", "a … b ×n", "n siblings with the same change, added up; --expand lists all"),
    Mark(f" ?{EACH}$", EACH, "one of the n; the rows below are parts of it"),
    Mark(r" \+\d+$", "+n", "n further tensors"),
    Mark(f"^{numbers.NOTHING}$", numbers.NOTHING, "none, or no difference"),
)


def _make_tree_rows(diff: ModelDiff, view: DiffView, *, changed_only: bool) -> Iterator[Row]:
    trees = [limit_depth(node, view.depth) for node in build_trees(diff)]
    if changed_only:
        trees = [hide_unchanged(node) for node in trees if not node.is_same]
    if not view.expand:
        trees = [fold_tree(node) for node in trees]
    for guides, node in walk(trees):
        yield _make_row(node, guides)
        if node.member and node.children:
            name = NameCell(path=node.change.row.path, label="", mark=EACH, guides=continue_guides(guides))
            yield Row(cells=("", name, "", format_outputs(node.change), *_list_figures(node.member)))


def _make_row(node: DiffNode, guides: str) -> Row:
    change = node.change
    mark = f"×{node.copies}" if node.copies > 1 else ""
    former = f"(was {node.former_name})" if node.former_name and change.kind != "moved" else ""
    figures = [None if node.equal_count else figure for figure in _list_figures(node.figures)]
    is_bare = not node.children and not node.has_hidden_children
    return Row(
        cells=(
            choose_mark(node),
            NameCell(path=change.row.path, label=node.label, mark=mark, former=former, guides=guides),
            describe_change(node),
            "" if node.equal_count else format_outputs(change),
            *figures,
        ),
        style=_STYLES.get(change.kind, "faint" if node.is_unaffected and is_bare else "plain"),
    )


def _list_figures(sides: tuple[Figures, Figures]) -> Iterator[Any]:
    """Yields each metric before and after, its difference, and the difference with its base for the percentage."""
    for before, after in _get_values(sides).values():
        yield from (before, after, after - before, (after - before, before))


def choose_mark(node: DiffNode) -> str:
    """Returns the mark of a change's kind; empty if it is unchanged, but something below it or its cost is not."""
    if node.change.kind == "same" and not node.is_unaffected:
        return ""
    return MARKS[node.change.kind]


def describe_change(node: DiffNode) -> str:
    """Returns the difference in words; for an unchanged leaf or a folded part, that it is equal."""
    change = node.change
    if node.equal_count:
        return f"({node.equal_count} equal)"
    if change.kind == "changed":
        return describe_attributes(change.attributes)
    if change.kind == "moved":
        differs = f", {describe_attributes(change.attributes)}" if change.attributes else ""
        return f"from {node.former_name or 'another place'}{differs}"
    if change.kind in ("added", "removed"):
        return describe_layer(change) + (", contents remain" if node.has_remaining_descendants else "")
    if node.children or not node.is_same:
        return ""
    return "(equal)" if node.is_unaffected else "(same layers)" if node.has_hidden_children else ""


def format_outputs(change: LayerChange) -> str:
    """Returns the output shapes as ``"1×96×55×55 → 1×64×55×55"``; one shape if they are equal."""
    shapes = [numbers.shapes(side.output_shapes) for side in (change.before, change.after) if side]
    return " → ".join(dict.fromkeys(filter(None, shapes)))


def _make_flat_rows(diff: ModelDiff, view: DiffView) -> Iterator[Row]:
    """Yields a flat list of what differs, sorted.

    The values are own values; at the maximum depth they include everything below, so that the list adds up.
    """
    totals = (diff.before.totals, diff.after.totals)
    largest = {key: max(map(metric.value, totals)) or 1 for key, metric in _METRICS.items()}

    def get_sort_key(node: DiffNode) -> float:
        if view.sort != "delta":
            return float(max(map(_METRICS[view.sort].value, node.figures)))
        return max(abs(after - before) / largest[key] for key, (before, after) in _get_values(node.figures).items())

    nodes = [node for _, node in walk([limit_depth(tree, view.depth) for tree in build_trees(diff)])]
    shown = [
        flat
        for node, flat in zip(nodes, map(_flatten, nodes), strict=True)
        if (node.change.kind != "same" and not _is_bare_container(node))
        or (node.has_hidden_children and not node.is_same)
        or (not view.only_changed and any(before != after for before, after in _get_values(flat.figures).values()))
    ]
    for node in sorted(shown, key=lambda node: (-get_sort_key(node), node.label)):
        yield _make_row(node, "")


def _get_values(sides: tuple[Figures, Figures]) -> dict[str, tuple[int, int]]:
    """Returns each metric of the table before and after, by key."""
    before, after = sides
    return {key: (metric.value(before), metric.value(after)) for key, metric in _METRICS.items()}


def _is_bare_container(node: DiffNode) -> bool:
    """Returns whether a node has children and no values besides theirs, and did not change itself."""
    has_figures = any(metric.value(side) for side in node.change.own_figures for metric in _METRICS.values())
    return bool(node.children) and not has_figures and node.change.kind != "changed"


def _flatten(node: DiffNode) -> DiffNode:
    """Returns a node without children, labeled with its full path."""
    change = node.change
    former_name = (change.before.path or change.before.type_name) if change.before and node.former_name else ""
    return replace(
        node,
        label=change.row.path or change.row.type_name,
        former_name=former_name,
        children=[],
        figures=node.figures if node.has_hidden_children else change.own_figures,
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


def _make_exact_document(diff: ModelDiff, view: DiffView) -> Document:
    """Returns a document with one row per module, in the order of the diff."""
    changes = [
        change
        for change in diff.changes
        if (change.kind != "same" or not view.only_changed) and (view.depth is None or change.row.depth <= view.depth)
    ]
    return Document(
        result=diff, heading=(), columns=_EXACT_COLUMNS, rows=tuple(map(_make_exact_row, changes)), facts=()
    )


def _make_exact_row(change: LayerChange) -> Row:
    sides = (change.before, change.after)
    figures: list[int | None] = []
    for metric in _EXACT_METRICS:
        for part, delta in (("total", change.delta), ("own", change.own_delta)):
            figures += [metric.value(getattr(side, part)) if side else None for side in sides]
            figures.append(metric.value(delta))
    return Row(
        cells=(
            change.kind,
            *(side.path if side else None for side in sides),
            *(side.type_name if side else None for side in sides),
            describe_attributes(change.attributes),
            *(side.output_shapes if side else () for side in sides),
            *figures,
        )
    )


def _format_heading(diff: ModelDiff) -> Iterator[str]:
    before, after = name_sides(diff)
    yield f"{before} → {after}: {describe_diff(diff)}."
    inputs, others = numbers.inputs(diff.before.inputs), numbers.inputs(diff.after.inputs)
    yield f"input {inputs}" if inputs == others else f"input {inputs} → {others}"


def _format_footer(diff: ModelDiff) -> Iterator[tuple[str, str]]:
    before, after = diff.before.totals, diff.after.totals
    yield "Parameters", format_total_change(before.params, after.params)
    bound = "   lower bounds: no formula for some op" if diff.is_lower_bound else ""
    yield "FLOPs", format_total_change(before.flops, after.flops) + bound
    for side in (diff.before, diff.after):
        if side.unread_note:
            yield "Unread", f"{side.architecture.title}: {side.unread_note}"
    if diff.ignored:
        yield "Ignored", ", ".join(diff.ignored)
    for note in diff.notes:
        yield "Note", note
