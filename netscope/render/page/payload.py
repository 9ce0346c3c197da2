"""The data for the page's scripts: one plain, compact object that contains every text once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from netscope.render import numbers
from netscope.render.channels import have_channels_first
from netscope.render.diff import SIGNS, change_text, kind_mark, output_text
from netscope.render.diff_tree import DiffNode, own_figures, trees_of
from netscope.render.document import Column, printable
from netscope.render.families import Family, family_of_op, family_of_row
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.render.summary import COLUMNS, appearance
from netscope.render.terminal import cell_text
from netscope.render.tree import TreeNode, fold, tree_of
from netscope.schema import ArchitectureReport, BenchResult, DiffReport, LayerRow, ModelDiff, Summary

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
        diff = _diff(report, texts)
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
    return {
        "title": printable(summary.architecture.title),
        "bound": summary.is_lower_bound,
        "uncounted": printable(numbers.calls(summary.uncounted_ops)),
        "timed": printable(_timed(report)),
        "trained": summary.mode == "train",
        "traced": bool(summary.totals.flops or any(row.calls for row in summary.rows)),
        "rows": _rows(report, texts),
        "runs": list(_runs(summary)),
        "figures": _figures(report),
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


def _rows(report: ArchitectureReport, texts: Texts) -> dict[str, list[Any]]:
    """Returns the rows, column by column."""
    summary, rows = report.summary, report.summary.rows
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
    times = _times(report)
    for figure in _figures(report):
        key = figure["key"]
        if key == "time":
            columns["time"] = [times.get(row.path, (None, None))[0] for row in rows]
            columns["own_time"] = [times.get(row.path, (None, None))[1] for row in rows]
        else:
            total, own = _FIGURES[key]
            columns[key] = [exact(total(row)) for row in rows]
            columns[f"own_{key}"] = [exact(own(row)) for row in rows]
    return columns


_FIGURES: dict[str, tuple[Callable[[LayerRow], int], Callable[[LayerRow], int]]] = {
    "params": (lambda row: row.params, lambda row: row.own_params),
    "flops": (lambda row: row.flops, lambda row: row.own_flops),
    "backward": (lambda row: row.backward_flops, lambda row: row.own_backward_flops),
    "memory": (lambda row: row.memory.total, lambda row: row.own_memory.total),
}
"""Figure → how a row's is had from it, and what is its own."""


def _figures(report: ArchitectureReport) -> list[dict[str, str]]:
    """Which figures there are, each with its title and how it is shown."""
    totals = report.summary.totals
    found = [{"key": "params", "title": "Params", "kind": "count"}]
    if totals.flops or report.summary.rows[0].calls:
        found.append({"key": "flops", "title": "FLOPs", "kind": "flops"})
    if totals.backward_flops:
        found.append({"key": "backward", "title": "Backward FLOPs", "kind": "flops"})
    if totals.memory.total:
        # Outside of training no row has more than what it keeps.
        title = "Memory" if report.summary.mode == "train" else "Weights + buffers"
        found.append({"key": "memory", "title": title, "kind": "bytes"})
    if _times(report):
        found.append({"key": "time", "title": "Time", "kind": "seconds"})
    return found


def _times(report: ArchitectureReport) -> dict[str, tuple[float | None, float | None]]:
    """Returns, by path, the measured time and own time on the inputs of the summary."""
    summary = report.summary if _has_times(report.summary) else None
    for result in _with_times(report):
        summary = result.layers
        break
    return {row.path: (row.time_s, row.own_time_s) for row in summary.rows} if summary is not None else {}


def _timed(report: ArchitectureReport) -> str:
    """Returns the circumstances of the measurement that the times are from; empty without one."""
    for result in _with_times(report):
        config = result.config
        text = f"{numbers.inputs(result.inputs)}, computed in {config.dtype}, mode {config.mode}, on {config.device}"
        return text + (f", compiled ({config.compile})" if config.compile else "")
    return ""


def _with_times(report: ArchitectureReport) -> Iterator[BenchResult]:
    """Yields the measurements with layer times on the same inputs as the summary."""
    for result in report.bench:
        if result.layers is not None and _has_times(result.layers) and result.is_on(report.summary.inputs):
            yield result


def _has_times(summary: Summary) -> bool:
    return any(row.time_s is not None for row in summary.rows)


def _runs(summary: Summary) -> Iterator[tuple[int, int, str]]:
    """Yields the runs of identical siblings: position of the first row, number of siblings, and label."""
    tree = tree_of(summary.rows)
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

    yield from runs(fold(tree, lambda row: appearance(row, summary)), tree)


def _diff(report: DiffReport, texts: Texts) -> dict[str, Any]:
    nodes = list(_with_depths(trees_of(report.diff)))
    before = {row.path: position for position, row in enumerate(report.before.summary.rows)}
    after = {row.path: position for position, row in enumerate(report.after.summary.rows)}
    changes = [node.change for _, node in nodes]
    rows: dict[str, list[Any]] = {
        "depth": [depth for depth, _ in nodes],
        "label": [texts.position(node.label) for _, node in nodes],
        "kind": [KINDS.index(change.kind) for change in changes],
        "mark": [texts.position(SIGNS[node.change.kind] if kind_mark(node) else "") for _, node in nodes],
        "was": [texts.position("" if node.change.kind == "moved" else node.was) for _, node in nodes],
        "change": [texts.position(change_text(node)) for _, node in nodes],
        "output": [texts.position(output_text(change)) for change in changes],
        "before": [before.get(change.before.path, -1) if change.before else -1 for change in changes],
        "after": [after.get(change.after.path, -1) if change.after else -1 for change in changes],
        "same": [int(node.is_same) for _, node in nodes],
        "quiet": [int(node.is_quiet) for _, node in nodes],
        "whole": [int(node.is_whole) for _, node in nodes],
    }
    for name in ("params", "flops"):
        for position, side in enumerate(("before", "after")):
            figures: Iterable[int] = (getattr(node, name)[position] for _, node in nodes)
            rows[f"{name}_{side}"] = [exact(value) for value in figures]
            rows[f"own_{name}_{side}"] = [exact(own_figures(change, name)[position]) for change in changes]
    return {"rows": rows, "removed": _removed(report.diff)}


def _with_depths(nodes: Sequence[DiffNode], depth: int = 0) -> Iterator[tuple[int, DiffNode]]:
    for node in nodes:
        yield depth, node
        yield from _with_depths(node.children, depth + 1)


def _removed(diff: ModelDiff) -> list[str]:
    """Returns the paths of removed modules, without the modules below them."""
    gone = dict.fromkeys(change.row.path for change in diff.of_kind("removed"))
    return [printable(path) for path in gone if "." not in path or path.rpartition(".")[0] not in gone]
