"""The document of a ``Summary``: its rows and columns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar

from netscope.errors import UsageError, did_you_mean
from netscope.render import numbers
from netscope.render.document import (
    EACH,
    INEXACT,
    Column,
    Document,
    DocumentRequest,
    Kind,
    Mark,
    NameCell,
    Row,
    Style,
    TypeCell,
    check_top,
    continue_guides,
    describe_top,
    document_of,
    mark_bound,
)
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.render.summary_footer import format_footer, mask_numbers
from netscope.render.tree import TreeNode, build_tree, fold_runs, limit_depth, show_member
from netscope.runtime.wording import show_argument
from netscope.schema import METRICS, NOT_TRACED, Figures, LayerRow, Metric, OpCount, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of a summary that is shown, and in which form.

    Attributes:
        columns: keys of ``COLUMNS``; None for the default columns of the format.
        depth: maximum number of levels below the root; None for all.
        top: number of modules to show of a sorted list; None for all.
        sort: ``"order"`` for the tree in order of execution; otherwise a flat list of the modules, sorted by their own
            values, without their children's.
        expand: whether runs of identical siblings are listed one by one instead of folded.
        macs: whether MACs are shown instead of FLOPs.
        ops: whether the ops that each module ran directly are listed below it.
    """

    shows: ClassVar[type] = Summary
    columns: tuple[str, ...] | None = None
    depth: int | None = None
    sort: str = "order"
    top: int | None = None
    expand: bool = False
    macs: bool = False
    ops: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _SummaryColumn:
    """A column of a summary: its title, how its values are written, and the function that gets the value of a row."""

    title: str
    kind: Kind
    value: Callable[[LayerRow, Summary], Any]


_QUANTIZED_TYPES = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "quint4x2": "uint4", "quint2x4": "uint2"}


def _list_details(row: LayerRow) -> tuple[str, ...]:
    """Returns the notable hyperparameters of a layer and the integer types that its weights are quantized to."""
    stored = dict.fromkeys(_QUANTIZED_TYPES[tensor.dtype] for tensor in row.tensors if tensor.dtype in _QUANTIZED_TYPES)
    return (*notable_hyperparameters(row.type_name, row.hyperparameters), *stored)


def _get_output(row: LayerRow) -> Any:
    """Returns the output shapes; for a module without any, the reason in words."""
    if row.calls or not row.notes:
        return row.output_shapes
    return "not called"


def _make_columns(metric: Metric) -> dict[str, _SummaryColumn]:
    """Returns a metric's columns: its value with and without the children, and its share as a number and as a bar."""

    def value(figures: Figures, row: LayerRow) -> Any:
        return mark_bound(metric, metric.value(figures), is_lower_bound=row.is_lower_bound)

    def share(row: LayerRow, summary: Summary) -> tuple[Any, Any]:
        return metric.value(row.total) or 0, metric.value(summary.rows[0].total) or 0

    key, heading, kind = metric.key, metric.heading, metric.unit
    own = f"Own {metric.lowercase_heading}"
    columns = {
        key: _SummaryColumn(title=heading, kind=kind, value=lambda row, _: value(row.total, row)),
        f"own-{key}": _SummaryColumn(title=own, kind=kind, value=lambda row, _: value(row.own, row)),
    }
    if metric.is_sum:
        columns[f"{key}-share"] = _SummaryColumn(title="", kind="share", value=share)
        columns[f"{key}-bar"] = _SummaryColumn(title="", kind="bar", value=share)
    return columns


COLUMNS: dict[str, _SummaryColumn] = {
    "type": _SummaryColumn(
        title="Type", kind="type", value=lambda row, _: TypeCell(name=row.type_name, details=_list_details(row))
    ),
    "input": _SummaryColumn(title="Input", kind="shape", value=lambda row, _: row.input_shapes),
    "output": _SummaryColumn(title="Output", kind="shape", value=lambda row, _: _get_output(row)),
    **{key: column for metric in METRICS.values() for key, column in _make_columns(metric).items()},
    "calls": _SummaryColumn(title="Calls", kind="count", value=lambda row, _: row.calls),
}
"""All columns for ``--columns``, by key, besides the layer's name, which is always first."""

_MACS_KEYS = {
    key: macs_key
    for metric in METRICS.values()
    if metric.macs
    for key, macs_key in zip(_make_columns(metric), _make_columns(METRICS[metric.macs]), strict=True)
}
"""The columns that ``--macs`` shows, by the key of the column with FLOPs."""

_METRICS_BY_KEY = {metric.key: metric for metric in METRICS.values()}
COLUMNS_TEXT = (
    f"type, input, output, calls, {', '.join(_METRICS_BY_KEY)}; own-NAME leaves out the children's, "
    "NAME-share and NAME-bar show the share of the total"
)
COLUMN_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "type": "class of the module, and its notable hyperparameters",
        "input": "shapes of the tensors it takes",
        "output": "shapes of the tensors it returns",
        "calls": "number of calls",
        **{key: metric.noun for key, metric in _METRICS_BY_KEY.items()},
        "own-NAME": "a metric without the module's children, e.g. own-params",
        "NAME-share": "share of the total, in percent",
        "NAME-bar": "share of the total, as a bar",
    }
)
"""What each column shows, for help."""
SORTS = ("order", *_METRICS_BY_KEY, "name")

DEFAULT_COLUMNS = ("type", "output", "params", "params-share", "params-bar", "flops", "flops-share", "flops-bar")
DEFAULT_STEP_COLUMNS = ("type", "output", "params", "flops", "backward-flops", "step-share", "activations")
DEFAULT_WEIGHTS_COLUMNS = ("params", "params-share", "params-bar", "weights")
CSV_WEIGHTS_COLUMNS = ("params", "own-params", "weights")
_PLAIN = ("type", "input", "output", "calls")
CSV_COLUMNS, CSV_STEP_COLUMNS = (
    (
        *_PLAIN,
        *(
            key
            for metric in METRICS.values()
            if metric.in_csv and (is_step or not metric.needs_training)
            for key in (metric.key, f"own-{metric.key}")
        ),
    )
    for is_step in (False, True)
)
"""The default columns of CSV: exact values, no shares."""


_MARKS = (
    Mark(r" … .* ×\d", "a … b ×n", "n identical siblings, added up; --expand lists all"),
    Mark(f" ?{EACH}$", EACH, "one of the n; the rows below are parts of it"),
    Mark(r"^[^…∙]* ×\d+$", "name ×n", "one module called n times: its calls added up, the output of the first"),
    Mark(r" \+\d+$", "+n", "n further tensors"),
    Mark("∙ ", "∙", "an op that the module above it ran itself"),
    Mark(f"^{numbers.NOTHING}$", numbers.NOTHING, "none"),
)


@document_of.register
def summary_document(summary: Summary, request: DocumentRequest) -> Document:
    """Returns the document of a summary.

    In exact formats nothing is folded, and the default columns are ``CSV_COLUMNS``.

    Raises:
        UsageError: the view names an unknown column or sort order, a negative depth, or, for an exact format, a column
            of shares.
    """
    view, exact = request.view or View(), request.exact
    check_view(view)
    keys = view.columns or _choose_columns(summary, exact=exact)
    inexact = [key for key in keys if exact and COLUMNS[key].kind in INEXACT]
    if inexact:
        raise UsageError(f"column {inexact[0]!r} is not available in csv and json, which contain exact values only")
    if view.macs:
        keys = tuple(_MACS_KEYS.get(key, key) for key in keys)
    columns = tuple(Column(key=key, title=COLUMNS[key].title, kind=COLUMNS[key].kind) for key in keys)
    nodes = list(_sort_modules(summary, view) if view.sort != "order" else _walk_tree(summary, view, exact=exact))
    rows: list[Row] = []
    for name, node in nodes[: view.top]:
        cells = tuple(COLUMNS[key].value(node.row, summary) for key in keys)
        if not exact and (_is_container(node) or node.is_member):
            cells = tuple(None if isinstance(cell, TypeCell) else cell for cell in cells)
        rows.append(Row(cells=(name, *cells), style=_choose_style(node)))
        if view.ops and (node.copies == 1 or not node.children):
            rows += (_make_op_row(op, name, keys, summary) for op in node.row.ops)
            rows += (_make_op_row(op, name, keys, summary, backward=True) for op in node.row.backward_ops)
    return Document(
        result=summary,
        heading=_format_heading(summary),
        columns=(Column(key="layer", title="Layer", kind="name"), *columns),
        rows=tuple(rows),
        facts=(*describe_top(view.top, len(nodes)), *format_footer(summary)),
        marks=_MARKS,
    )


def _choose_columns(summary: Summary, *, exact: bool) -> tuple[str, ...]:
    if summary.traced_on == NOT_TRACED:
        return CSV_WEIGHTS_COLUMNS if exact else DEFAULT_WEIGHTS_COLUMNS
    if summary.optimizer:
        return CSV_STEP_COLUMNS if exact else DEFAULT_STEP_COLUMNS
    return CSV_COLUMNS if exact else DEFAULT_COLUMNS


def check_view(view: View) -> None:
    """Checks the view of a summary.

    Raises:
        UsageError: unknown column or sort order, or a negative depth.
    """
    if view.columns is not None and not any(view.columns):
        raise UsageError(f"{show_argument('--columns')} is empty; columns: {COLUMNS_TEXT}")
    for key in view.columns or ():
        if key not in COLUMNS:
            raise UsageError(f"unknown column {key!r}{did_you_mean(key, COLUMNS)}; columns: {COLUMNS_TEXT}")
    if view.sort not in SORTS:
        raise UsageError(f"unknown sort order {view.sort!r}; sort orders: {', '.join(SORTS)}")
    check_top(view.top, is_sorted=view.sort != "order")
    if view.depth is not None and view.depth < 0:
        raise UsageError(f"{show_argument('--depth')} must be 0 or more, got {view.depth}")


def _walk_tree(summary: Summary, view: View, *, exact: bool) -> Iterator[tuple[NameCell, TreeNode]]:
    """Yields the modules of the tree with their names, folded and down to the requested depth."""
    root = limit_depth(build_tree(summary.rows), view.depth)
    if not (view.expand or exact):
        root = fold_runs(root, folding_key)
    yield from _walk(root, lead="", guides="")


def _walk(node: TreeNode, *, lead: str, guides: str) -> Iterator[tuple[NameCell, TreeNode]]:
    """Yields the node and all nodes below it, each with its name and the tree lines that lead to it."""
    parent = node.row.path.rpartition(".")[0]
    path = node.row.path if node.copies == 1 else f"{parent}.{node.label}".lstrip(".")
    yield NameCell(path=path, label=node.label, mark=_format_multiplier(node), guides=lead), node
    if node.copies > 1 and node.children:
        member = show_member(node)
        yield NameCell(path=member.row.path, label="", mark=EACH, guides=guides), member
    for child in node.children:
        last = child is node.children[-1]
        yield from _walk(child, lead=guides + ("└─ " if last else "├─ "), guides=guides + ("   " if last else "│  "))


def _format_multiplier(node: TreeNode) -> str:
    """Returns ``"×35"`` for 35 identical siblings, or for one module that was called 35 times; empty for one call."""
    times = node.copies * node.row.calls
    return f"×{times}" if times > 1 else ""


def _sort_modules(summary: Summary, view: View) -> Iterator[tuple[NameCell, TreeNode]]:
    """Yields the modules that have costs outside their children, sorted by these costs, which add up to the total.

    A module at the maximum depth includes everything below it.
    """
    rows = [
        row if row.depth == view.depth else replace(row, total=row.own)
        for row in summary.rows
        if view.depth is None or row.depth <= view.depth
    ]
    costly = [row for row in rows if any(metric.value(row.total) for metric in METRICS.values())] or rows[:1]

    def get_sort_key(row: LayerRow) -> Any:
        return row.path if view.sort == "name" else -(_METRICS_BY_KEY[view.sort].value(row.total) or 0)

    for row in sorted(costly, key=get_sort_key):
        node = TreeNode(row=row, label=row.path or row.type_name)
        yield NameCell(path=row.path, label=node.label, mark=_format_multiplier(node)), node


_get_folded_figures = attrgetter(
    *(metric.attribute or metric.name for metric in METRICS.values() if metric.in_csv or metric.name == "memory")
)


def folding_key(row: LayerRow) -> object:
    """Returns the visible content of a row: what columns can show of it, and its notes without numbers.

    Siblings of equal keys can be folded.
    """
    return (
        row.type_name,
        _list_details(row),
        row.input_shapes[:1],  # only the first: a cache that is passed from layer to layer grows on the way
        _get_output(row),
        row.calls,
        _get_folded_figures(row.own),
        _get_folded_figures(row.total),
        row.is_lower_bound,
        row.ops,
        tuple(mask_numbers(note) for note in row.notes),
    )


def _is_container(node: TreeNode) -> bool:
    """Returns whether the type adds nothing to the tree: the root, whose name is its type, and plain containers."""
    is_root = not node.row.path and node.label == node.row.type_name
    return is_root or (bool(node.children) and node.row.type_name in ("Sequential", "ModuleList", "ModuleDict"))


def _choose_style(node: TreeNode) -> Style:
    """Returns ``"strong"`` for a module with parameters or FLOPs outside its children, ``"faint"`` for another leaf."""
    if node.row.own.params or node.row.own.flops:
        return "strong"
    return "plain" if node.children or node.has_hidden_children else "faint"


def _make_op_row(
    op: OpCount, module: NameCell, keys: tuple[str, ...], summary: Summary, *, backward: bool = False
) -> Row:
    """Returns the row of an op below the module that ran it; it has only a name, calls and FLOPs."""
    known: dict[str, Any] = {
        "type": TypeCell(name="op", details=("uncounted",) if op.flops is None else ()),
        "calls": op.calls,
    }
    figures = Figures(**{"flops": 0, "backward_flops": 0, "backward_flops" if backward else "flops": op.flops or 0})
    for key, metric in _METRICS_BY_KEY.items():
        if metric.counts_ops and backward <= metric.needs_training:
            value = metric.value(figures)
            known[f"{key}-share"] = (value, metric.value(summary.totals) or 0)
            known[key] = value if op.flops is not None and (value or not metric.needs_training or backward) else None
    guides = continue_guides(module.guides) or "   "
    mark = f"×{op.calls}" if op.calls > 1 else ""
    name = NameCell(path=f"{module.path}:{op.op}", label=op.op, mark=mark, guides=f"{guides}∙ ")
    return Row(cells=(name, *(known.get(key) for key in keys)), style="faint")


def _format_heading(summary: Summary) -> tuple[str, ...]:
    architecture = summary.architecture
    title = [architecture.title, architecture.source]
    resolved = f"  ({architecture.resolution})" if architecture.resolution else ""
    return (
        "  ·  ".join(title) + resolved,
        *filter(None, (architecture.description,)),
        "weights file"
        if summary.traced_on == NOT_TRACED
        else f"input {numbers.inputs(summary.inputs)}  ·  traced on {summary.traced_on}  ·  {summary.mode} mode",
    )
