"""Adds the measured time of each module to a summary."""

from collections.abc import Mapping
from dataclasses import replace

from netscope.schema import LayerRow, Summary


def add_layer_times(summary: Summary, seconds: Mapping[str, float]) -> Summary:
    """Returns ``summary`` with each module's time, and its own time without its children.

    Args:
        summary: the summary of the timed architecture.
        seconds: the time of each module's calls by path, including children.
    """
    children: dict[str, float] = {}
    for row in summary.rows:
        if row.path and row.path in seconds:
            parent = row.path.rpartition(".")[0]
            while parent and parent not in seconds:  # a ModuleList is not called itself
                parent = parent.rpartition(".")[0]
            children[parent] = children.get(parent, 0.0) + seconds[row.path]
    rows = tuple(_with_time(row, seconds.get(row.path), children.get(row.path, 0.0)) for row in summary.rows)
    return replace(summary, rows=rows, totals=replace(summary.totals, time_s=rows[0].total.time_s))


def _with_time(row: LayerRow, seconds: float | None, children: float) -> LayerRow:
    own = None if seconds is None else max(seconds - children, 0.0)
    return replace(row, own=replace(row.own, time_s=own), total=replace(row.total, time_s=seconds))
