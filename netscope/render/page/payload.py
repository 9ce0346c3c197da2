"""The data for the page's scripts: one plain, compact object that contains every text once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from netscope.render import numbers
from netscope.render.cells import cell_text
from netscope.render.channels import have_channels_first
from netscope.render.diff import SIGNS, choose_mark, describe_change, format_outputs
from netscope.render.diff_tree import DiffNode, build_trees
from netscope.render.document import Column, printable
from netscope.render.families import Family, family_of_op, family_of_row
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.render.summary import COLUMNS, folding_key
from netscope.render.tree import TreeNode, build_tree, fold_runs
from netscope.schema import (
    METRICS,
    ArchitectureReport,
    BenchResult,
    DiffReport,
    Figures,
    LayerRow,
    Metric,
    ModelDiff,
    Summary,
)

LARGEST_EXACT = 2**53 - 1
"""The largest integer that is exact in a browser; larger ones are sent as text."""

KINDS = tuple(SIGNS)
"""The kinds of change; the payload contains their positions."""


class Texts:
    """The texts of a payload, each once, by position."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def position(self, text: str) -> int:
        """Returns the position of a text, whose control characters become escapes."""
        return self._positions.setdefault(printable(text), len(self._positions))

    def listed(self) -> list[str]:
        """Returns all texts, in order."""
        return list(self._positions)


def report_payload(report: ArchitectureReport | DiffReport) -> dict[str, Any]:
    """Returns the data of a report: its sides, one or two, and their alignment."""
    texts = Texts()
    if isinstance(report, DiffReport):
        sides = [_side(report.before, texts), _side(report.after, texts)]
        shown = {figure["key"]: figure for side in sides for figure in side["figures"]}
        metrics = [metric for metric in METRICS.values() if metric.in_diff and metric.key in shown]
        diff = {**_diff(report, metrics, texts), "figures": [shown[metric.key] for metric in metrics]}
    else:
        sides, diff = [_side(report, texts)], None
    return {
        "texts": texts.listed(),
        "families": [family.label for family in Family],
        "other": Family.OTHER,
        "container": Family.CONTAINER,
        "signs": SIGNS,
        "kinds": list(KINDS),
        "sides": sides,
        "diff": diff,
    }


def _side(report: ArchitectureReport, texts: Texts) -> dict[str, Any]:
    summary = report.summary
    position_of = {row.path: position for position, row in enumerate(summary.rows)}
    measured = _find_measurement(report)
    metrics = list(_metrics(summary, _timed_rows(summary, (measured and measured.layers) or summary)))
    return {
        "title": printable(summary.architecture.title),
        "bound": summary.is_lower_bound,
        "uncounted": printable(numbers.calls(summary.uncounted_ops)),
        "timed": printable(_describe_measurement(measured)) if measured else "",
        "trained": summary.mode == "train",
        "traced": bool(summary.totals.flops or any(row.calls for row in summary.rows)),
        "rows": _rows(summary, metrics, texts),
        "runs": list(_runs(summary)),
        "figures": [_figure(metric, summary) for metric, _ in metrics],
        "chain": [
            {
                "rows": [position_of.get(path, -1) for path in stage.paths],
                "names": [texts.position(path) for path in stage.paths] if stage.types == ("input",) else [],
                "shape": list(stage.shape),
                "channelsFirst": is_first,
            }
            for stage, is_first in zip(report.chain, have_channels_first(report), strict=True)
        ],
        "dataflow": [
            [
                texts.position(node.op.removeprefix("aten.") if node.op else node.path),
                position_of.get(node.path, 0) if node.op else -1,
                texts.position(numbers.shape(node.shape)),
                exact(node.flops),
                family_of_op(node.op),
                list(node.reads),
            ]
            for node in report.dataflow
        ],
    }


def exact(value: int | None) -> int | str | None:
    """Returns an integer in a form that is exact in a browser."""
    return value if value is None or abs(value) <= LARGEST_EXACT else str(value)


def _rows(summary: Summary, metrics: Sequence[tuple[Metric, Sequence[LayerRow]]], texts: Texts) -> dict[str, list[Any]]:
    """Returns the rows, column by column."""
    rows = summary.rows
    has_children = [below.depth > row.depth for row, below in zip(rows, (*rows[1:], rows[0]), strict=True)]
    shape = Column(key="output", title="", kind="shape")
    columns: dict[str, list[Any]] = {
        "depth": [row.depth for row in rows],
        "label": [texts.position(row.name or row.type_name) for row in rows],
        "type": [texts.position(row.type_name) for row in rows],
        "detail": [
            texts.position(", ".join(notable_hyperparameters(row.type_name, row.hyperparameters))) for row in rows
        ],
        "output": [
            texts.position(cell_text(shape, COLUMNS["output"].value(row, summary)).replace(numbers.NOTHING, ""))
            for row in rows
        ],
        "made": [
            texts.position(numbers.shape(row.output_shapes[0]) if len(row.output_shapes) == 1 else "") for row in rows
        ],
        "family": [family_of_row(row, has_children=below) for row, below in zip(rows, has_children, strict=True)],
        "calls": [row.calls for row in rows],
        "bound": [int(row.is_lower_bound) for row in rows],
        "notes": [texts.position("; ".join(row.notes)) for row in rows],
    }
    for metric, valued in metrics:
        columns[metric.key] = [exact(metric.value(row.total)) for row in valued]
        columns[f"own_{metric.key}"] = [exact(metric.value(row.own)) for row in valued]
    return columns


def _metrics(summary: Summary, timed: Sequence[LayerRow]) -> Iterator[tuple[Metric, Sequence[LayerRow]]]:
    """Yields the metrics that the page shows, each with the rows that have its values.

    Parameters and FLOPs are shown wherever they are known, others if there are any.
    """
    for metric in METRICS.values():
        rows = timed if metric.unit == "seconds" else summary.rows
        is_known = metric.in_diff and (not metric.counts_ops or bool(rows[0].calls))
        if metric.in_page and rows and (is_known or metric.value(rows[0].total)):
            yield metric, rows


def _figure(metric: Metric, summary: Summary) -> dict[str, Any]:
    # Outside of training, modules keep nothing else.
    heading = "Weights + buffers" if metric.key == "memory" and summary.mode == "eval" else metric.heading
    return {"key": metric.key, "title": heading, "kind": metric.unit, "bounded": metric.counts_ops}


def _find_measurement(report: ArchitectureReport) -> BenchResult | None:
    """Returns the measurement with layer times on the same inputs as the summary; None if there is none."""
    for result in report.bench:
        if result.layers is not None and _has_times(result.layers) and result.is_on(report.summary.inputs):
            return result
    return None


def _timed_rows(summary: Summary, timed: Summary) -> Sequence[LayerRow]:
    """Returns the rows with measured times, in the summary's order; empty if ``timed`` has no times."""
    if not _has_times(timed):
        return ()
    row_of = {row.path: row for row in timed.rows}
    return [row_of.get(row.path, replace(row, own=Figures(), total=Figures())) for row in summary.rows]


def _describe_measurement(result: BenchResult) -> str:
    """Returns the circumstances of a measurement."""
    config = result.config
    text = f"{numbers.inputs(result.inputs)}, computed in {config.dtype}, mode {config.mode}, on {config.device}"
    return text + (f", compiled ({config.compile})" if config.compile else "")


def _has_times(summary: Summary) -> bool:
    return any(row.total.time_s is not None for row in summary.rows)


def _runs(summary: Summary) -> Iterator[tuple[int, int, str]]:
    """Yields the runs of identical siblings: position of the first row, number of siblings, and label."""
    tree = build_tree(summary.rows)
    position_of = {id(row): position for position, row in enumerate(summary.rows)}

    def runs(folded: TreeNode, node: TreeNode) -> Iterator[tuple[int, int, str]]:
        start = 0
        for child in folded.children:
            members = node.children[start : start + child.copies]
            start += child.copies
            if child.copies > 1:
                yield position_of[id(members[0].row)], child.copies, printable(child.label)
            for member in members:
                yield from runs(child, member)

    yield from runs(fold_runs(tree, folding_key), tree)


def _diff(report: DiffReport, metrics: Sequence[Metric], texts: Texts) -> dict[str, Any]:
    nodes = list(_with_depths(build_trees(report.diff)))
    before = {row.path: position for position, row in enumerate(report.before.summary.rows)}
    after = {row.path: position for position, row in enumerate(report.after.summary.rows)}
    changes = [node.change for _, node in nodes]
    rows: dict[str, list[Any]] = {
        "depth": [depth for depth, _ in nodes],
        "label": [texts.position(node.label) for _, node in nodes],
        "kind": [KINDS.index(change.kind) for change in changes],
        "mark": [texts.position(SIGNS[node.change.kind] if choose_mark(node) else "") for _, node in nodes],
        "was": [texts.position("" if node.change.kind == "moved" else node.former_name) for _, node in nodes],
        "change": [texts.position(describe_change(node)) for _, node in nodes],
        "output": [texts.position(format_outputs(change)) for change in changes],
        "before": [before.get(change.before.path, -1) if change.before else -1 for change in changes],
        "after": [after.get(change.after.path, -1) if change.after else -1 for change in changes],
        "same": [int(node.is_same) for _, node in nodes],
        "quiet": [int(node.is_unaffected) for _, node in nodes],
        "whole": [int(node.is_subtree_change) for _, node in nodes],
    }
    for metric in metrics:
        for position, side in enumerate(("before", "after")):
            rows[f"{metric.key}_{side}"] = [exact(metric.value(node.figures[position])) for _, node in nodes]
            own = (change.own_figures[position] for change in changes)
            rows[f"own_{metric.key}_{side}"] = [exact(metric.value(figures)) for figures in own]
    return {"rows": rows, "removed": _removed(report.diff)}


def _with_depths(nodes: Sequence[DiffNode], depth: int = 0) -> Iterator[tuple[int, DiffNode]]:
    for node in nodes:
        yield depth, node
        yield from _with_depths(node.children, depth + 1)


def _removed(diff: ModelDiff) -> list[str]:
    """Returns the paths of removed modules, without the modules below them."""
    gone = dict.fromkeys(change.row.path for change in diff.of_kind("removed"))
    return [printable(path) for path in gone if "." not in path or path.rpartition(".")[0] not in gone]
