"""``Summary`` → ``Document``: which rows and columns there are, and what stands around them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from netscope.errors import UsageError, did_you_mean
from netscope.render import numbers
from netscope.render.document import INEXACT, AtLeast, Column, Document, Kind, NameCell, Row, Style, TypeCell
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.render.tree import TreeNode, cut, fold, tree_of
from netscope.schema import (
    METRICS,
    NEVER_CALLED,
    NOT_TRACED,
    OUTPUT_SHAPES_VARY,
    Figures,
    LayerRow,
    Metric,
    OpCount,
    Summary,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which part of a summary is shown.

    Attributes:
        columns: keys of ``COLUMNS``; None for the usual ones of the format.
        depth: of the tree, None for all of it.
        sort: ``"order"`` for the tree in order of execution; otherwise a flat list of the modules by their own figures.
        expand: whether runs of identical siblings stay open.
        macs: multiply–adds instead of FLOPs.
        ops: the ops that each module ran itself, below it.
    """

    columns: tuple[str, ...] | None = None
    depth: int | None = None
    sort: str = "order"
    expand: bool = False
    macs: bool = False
    ops: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _SummaryColumn:
    """A column of the summary: how a row's raw value is had from it."""

    title: str
    kind: Kind
    value: Callable[[LayerRow, Summary], Any]


_QUANTISED = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "quint4x2": "uint4", "quint2x4": "uint2"}


def _details(row: LayerRow) -> tuple[str, ...]:
    """What tells most about a layer, and what its weights are quantised to."""
    stored = dict.fromkeys(_QUANTISED[tensor.dtype] for tensor in row.tensors if tensor.dtype in _QUANTISED)
    return (*notable_hyperparameters(row.type_name, row.hyperparameters), *stored)


def _output(row: LayerRow) -> Any:
    """The output shapes; for a module that ran nothing, in words why there are none."""
    if row.calls or not row.notes:
        return row.output_shapes
    return NEVER_CALLED if NEVER_CALLED in row.notes else "not called"


def _columns_of(metric: Metric) -> dict[str, _SummaryColumn]:
    """Returns a metric's columns: its value with and without the children, and its share as a number and as a bar."""

    def value(figures: Figures, row: LayerRow) -> Any:
        found = metric.value(figures)
        return AtLeast(value=found) if metric.counts_ops and row.is_lower_bound else found

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
        title="Type",
        kind="type",
        value=lambda row, _: TypeCell(name=row.type_name, details=_details(row)),
    ),
    "input": _SummaryColumn(title="Input", kind="shape", value=lambda row, _: row.input_shapes),
    "output": _SummaryColumn(title="Output", kind="shape", value=lambda row, _: _output(row)),
    **{key: column for metric in METRICS.values() for key, column in _columns_of(metric).items()},
    "calls": _SummaryColumn(title="Calls", kind="count", value=lambda row, _: row.calls),
}
"""Every column that ``--columns`` can name; the layer's own name always stands first."""

_OF_KEY = {metric.key: metric for metric in METRICS.values()}
COLUMNS_TEXT = (
    f"type, input, output, calls, {', '.join(_OF_KEY)}; own-NAME leaves out the children's, "
    "NAME-share and NAME-bar show the share of the total"
)
SORTS = ("order", *_OF_KEY, "name")

USUAL = ("type", "output", "params", "params-share", "params-bar", "flops", "flops-share", "flops-bar")
USUAL_OF_A_STEP = ("type", "output", "params", "flops", "backward-flops", "step-share", "activations")
USUAL_OF_WEIGHTS = ("params", "params-share", "params-bar", "weights")
EXACT_OF_WEIGHTS = ("params", "own-params", "weights")
_PLAIN = ("type", "input", "output", "calls")
EXACT, EXACT_OF_A_STEP = (
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
"""What CSV gives: exact figures, no shares."""


def summary_document(summary: Summary, view: View, *, exact: bool = False) -> Document:
    """The document of ``summary``.

    Args:
        summary: what is shown.
        view: which part of it.
        exact: whether the format is read by programs: nothing is folded then, and the usual columns are ``EXACT``.

    Raises:
        UsageError: the view names an unknown column or order, or a negative depth.
    """
    check_view(view)
    keys = view.columns or _usual_columns(summary, exact=exact)
    inexact = [key for key in keys if exact and COLUMNS[key].kind in INEXACT]
    if inexact:
        raise UsageError(f"csv and json carry exact figures, so there is no column {inexact[0]!r} in them")
    if view.macs:
        keys = tuple(key.replace("flops", "macs") for key in keys)
    columns = tuple(Column(key=key, title=COLUMNS[key].title, kind=COLUMNS[key].kind) for key in keys)
    nodes = _sorted_rows(summary, view) if view.sort != "order" else _tree_rows(summary, view, exact=exact)
    rows: list[Row] = []
    shown: list[TreeNode] = []
    for name, node in nodes:
        shown.append(node)
        cells = tuple(COLUMNS[key].value(node.row, summary) for key in keys)
        if not exact and _is_container(node):
            cells = tuple(None if isinstance(cell, TypeCell) else cell for cell in cells)
        rows.append(Row(cells=(name, *cells), style=_style(node)))
        if view.ops:
            rows += (_op_row(op, name, keys, summary) for op in node.row.ops)
            rows += (_op_row(op, name, keys, summary, backward=True) for op in node.row.backward_ops)
    return Document(
        result=summary,
        heading=_heading(summary),
        columns=(Column(key="layer", title="Layer", kind="name"), *columns),
        rows=tuple(rows),
        facts=tuple(_facts(summary, shown)),
    )


def _usual_columns(summary: Summary, *, exact: bool) -> tuple[str, ...]:
    if summary.traced_on == NOT_TRACED:
        return EXACT_OF_WEIGHTS if exact else USUAL_OF_WEIGHTS
    if summary.optimizer:
        return EXACT_OF_A_STEP if exact else USUAL_OF_A_STEP
    return EXACT if exact else USUAL


def check_view(view: View) -> None:
    """Checks that a summary can be shown that way.

    Raises:
        UsageError: unknown column or order, or a negative depth.
    """
    if view.columns is not None and not any(view.columns):
        raise UsageError(f"--columns names none; the columns are {COLUMNS_TEXT}")
    for key in view.columns or ():
        if key not in COLUMNS:
            raise UsageError(f"there is no column {key!r}{did_you_mean(key, COLUMNS)}; the columns are {COLUMNS_TEXT}")
    if view.sort not in SORTS:
        raise UsageError(f"there is no order {view.sort!r}; the orders are {', '.join(SORTS)}")
    if view.depth is not None and view.depth < 0:
        raise UsageError(f"the depth must be 0 or more, not {view.depth}")


def _tree_rows(summary: Summary, view: View, *, exact: bool) -> Iterator[tuple[NameCell, TreeNode]]:
    root = cut(tree_of(summary.rows), view.depth)
    if not (view.expand or exact):
        root = fold(root, lambda row: appearance(row, summary))
    yield from _walk(root, lead="", guides="")


def _walk(node: TreeNode, *, lead: str, guides: str) -> Iterator[tuple[NameCell, TreeNode]]:
    """The node and what is below it, with the lines that lead to each."""
    above = node.row.path.rpartition(".")[0]
    path = node.row.path if node.copies == 1 else f"{above}.{node.label}".lstrip(".")
    yield NameCell(path=path, label=node.label, mark=_mark(node), guides=lead), node
    for child in node.children:
        last = child is node.children[-1]
        yield from _walk(child, lead=guides + ("└─ " if last else "├─ "), guides=guides + ("   " if last else "│  "))


def _mark(node: TreeNode) -> str:
    """``×35`` for 35 identical siblings, or for one module that ran 35 times."""
    times = node.copies * node.row.calls
    return f"×{times}" if times > 1 else ""


def _sorted_rows(summary: Summary, view: View) -> Iterator[tuple[NameCell, TreeNode]]:
    """The modules that do something themselves, by what they do themselves; so the figures add up.

    Those at the depth where the tree is cut do what all below them does.
    """
    rows = [
        row if row.depth == view.depth else replace(row, total=row.own)
        for row in summary.rows
        if view.depth is None or row.depth <= view.depth
    ]
    kept = [row for row in rows if any(metric.value(row.total) for metric in METRICS.values())] or rows[:1]

    def rank(row: LayerRow) -> Any:
        return row.path if view.sort == "name" else -(_OF_KEY[view.sort].value(row.total) or 0)

    for row in sorted(kept, key=rank):
        node = TreeNode(row=row, label=row.path or row.type_name)
        yield NameCell(path=row.path, label=node.label, mark=_mark(node)), node


def appearance(row: LayerRow, summary: Summary) -> object:
    """Everything that any column may show of the row, and its notes with the numbers in their paths left out."""
    keys = (key for key in (*EXACT_OF_A_STEP, "macs", "memory") if key != "input")
    shown = tuple(COLUMNS[key].value(row, summary) for key in keys)
    # Of the inputs the first alone: a cache that layers hand on grows from one to the next.
    return (*shown, row.input_shapes[:1], row.ops, tuple(_generalised(note) for note in row.notes))


def _is_container(node: TreeNode) -> bool:
    """Whether its type says no more than the tree does already."""
    is_root = not node.row.path and node.label == node.row.type_name
    return is_root or (bool(node.children) and node.row.type_name in ("Sequential", "ModuleList", "ModuleDict"))


def _style(node: TreeNode) -> Style:
    if node.row.own.params or node.row.own.flops:
        return "strong"
    return "plain" if node.children or node.hidden else "faint"


def _op_row(op: OpCount, below: NameCell, keys: tuple[str, ...], summary: Summary, *, backward: bool = False) -> Row:
    """An op below the module that ran it: only its name, calls and FLOPs are known."""
    known: dict[str, Any] = {
        "type": TypeCell(name="op", details=("uncounted",) if op.flops is None else ()),
        "calls": op.calls,
    }
    figures = Figures(**{"backward_flops" if backward else "flops": op.flops or 0})
    for key, metric in _OF_KEY.items():
        if metric.counts_ops and backward <= metric.needs_training:
            value = metric.value(figures)
            known[f"{key}-share"] = (value, metric.value(summary.totals))
            known[key] = value if op.flops is not None and (value or not metric.needs_training or backward) else None
    guides = re.sub("─", " ", below.guides.replace("├", "│").replace("└", " ")) or "   "
    mark = f"×{op.calls}" if op.calls > 1 else ""
    name = NameCell(path=f"{below.path}:{op.op}", label=op.op, mark=mark, guides=f"{guides}∙ ")
    return Row(cells=(name, *(known.get(key) for key in keys)), style="faint")


def _heading(summary: Summary) -> tuple[str, ...]:
    architecture = summary.architecture
    title = [architecture.title, architecture.source]
    typed = architecture.spec.partition("@")[0].rpartition("/")[2]
    resolved = "" if architecture.name.endswith(typed) else f"  ({typed} → {architecture.name})"
    return (
        "  ·  ".join(title) + resolved,
        *filter(None, (architecture.description,)),
        "weights alone"
        if summary.traced_on == NOT_TRACED
        else f"input {numbers.inputs(summary.inputs)}  ·  traced on {summary.traced_on}  ·  {summary.mode} mode",
    )


def _facts(summary: Summary, shown: list[TreeNode]) -> Iterator[tuple[str, str]]:
    yield from _facts_of_parameters(summary)
    if summary.traced_on == NOT_TRACED:
        yield "FLOPs", "unknown: weights alone do not say what is done with them"
    else:
        yield from _facts_of_the_run(summary)
    if any(node.copies > 1 for node in shown):
        yield "Folded", "a … b ×n sums n identical siblings, what is below it is one of them; --expand opens them"
    if any(node.row.calls > 1 for node in shown):
        differ = any(OUTPUT_SHAPES_VARY in node.row.notes for node in shown)
        yield (
            "Repeated",
            "name ×n ran n times" + ("; where its output shapes differ the first is shown" if differ else ""),
        )
    for note, paths in _grouped_notes(summary):
        yield "Note", f"{paths}: {note}"
    for note in summary.notes:
        yield "Note", note


def _facts_of_parameters(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    if not totals.params or summary.traced_on == NOT_TRACED:
        trainable = ""
    elif not totals.frozen_params:
        trainable = "all trainable"
    else:
        trainable = f"{numbers.count(totals.trainable_params)} trainable, {numbers.count(totals.frozen_params)} frozen"
    dtypes = f" in {', '.join(totals.param_dtypes)}" if totals.param_dtypes else ""
    weight = f"{numbers.size(totals.param_bytes)}{dtypes}"
    yield "Parameters", "   ".join((numbers.count(totals.params), " · ".join(filter(None, (trainable, weight)))))
    if totals.active_params is not None:
        share = numbers.share(totals.active_params, totals.params)
        yield "Active", f"{numbers.count(totals.active_params)}   {share} of the parameters: what one token meets"
    if totals.buffers:
        yield "Buffers", f"{numbers.count(totals.buffers)}   {numbers.size(totals.buffer_bytes)}"


def _facts_of_the_run(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    bound = "≥ " if summary.is_lower_bound else ""
    yield (
        "FLOPs",
        f"{bound}{numbers.count(totals.flops)} = 2 × {numbers.count(totals.macs)} MACs   {_accounted(summary)}",
    )
    if summary.optimizer:
        passes = f"forward {numbers.count(totals.flops)}, backward {numbers.count(totals.backward_flops)}"
        yield "Step", f"{bound}{numbers.count(totals.step_flops)} FLOPs: {passes}"
    yield "Memory", _memory(summary)


def _memory(summary: Summary) -> str:
    use, peak = summary.totals, summary.peak_memory
    if peak is not None:
        where = f", most in {peak.path}" if peak.path else ""
        return f"{numbers.size(peak.bytes)} at the peak, {numbers.size(peak.activations)} of it activations{where}"
    parts = {
        "weights": use.param_bytes,
        "buffers": use.buffer_bytes,
        "gradients": use.gradient_bytes,
        f"{summary.optimizer} state": use.optimizer_bytes,
        "activations kept for backward": use.activation_bytes,
    }
    listed = ", ".join(f"{numbers.size(value)} {name}" for name, value in parts.items() if value)
    return f"{numbers.size(use.memory_bytes)}: {listed}"


def _accounted(summary: Summary) -> str:
    convention = summary.flop_convention.partition("; ")[2]
    return f"{convention}; {coverage(summary)}"


def coverage(summary: Summary) -> str:
    """Whether the FLOPs are of all that was to be run, and of what not."""
    bound = f"a lower bound: there is no formula for {numbers.calls(summary.uncounted_ops)}"
    told = "; ".join(filter(None, (bound if summary.is_lower_bound else "", summary.unread_note)))
    # Of a summary that an older netscope saved it is not known what was read.
    return told or ("every op has a formula" if summary.totals.unread_params is None else "every op accounted for")


def _grouped_notes(summary: Summary) -> Iterator[tuple[str, str]]:
    """Each note once, with the paths that it holds for, numbers in which are told as ``*`` where there are several.

    What is below a module that never ran goes without saying.
    """
    idle = {row.path for row in summary.rows if NEVER_CALLED in row.notes}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in summary.rows:
        for note in row.notes:
            if note == OUTPUT_SHAPES_VARY or (note == NEVER_CALLED and row.path.rpartition(".")[0] in idle):
                continue
            key = (_generalised(note), _generalised(row.path))
            groups.setdefault(key, []).append((note, row.path or row.type_name))
    for (note, path), members in groups.items():
        if len(members) == 1:
            yield members[0]
        else:
            yield note, f"{path} ({len(members)} modules)"


def _generalised(text: str) -> str:
    """``layers.3.attn`` as ``layers.*.attn``."""
    return re.sub(r"(?<![^\W_])\d+(?![^\W_])", "*", text)
