"""A summary with the measured time of each module."""

from collections.abc import Mapping
from dataclasses import replace

from netscope.schema import LayerRow, Summary


def with_times(summary: Summary, seconds: Mapping[str, float]) -> Summary:
    """``summary`` with each module's time, and what of it is its own: without that of its children.

    Args:
        summary: of the architecture that was timed.
        seconds: of the calls of the module at each path, its children's included.
    """
    below: dict[str, float] = {}
    for row in summary.rows:
        if row.path and row.path in seconds:
            above = row.path.rpartition(".")[0]
            while above and above not in seconds:  # a list of modules, which is not called itself
                above = above.rpartition(".")[0]
            below[above] = below.get(above, 0.0) + seconds[row.path]
    rows = tuple(_with_time(row, seconds.get(row.path), below.get(row.path, 0.0)) for row in summary.rows)
    return replace(summary, rows=rows, totals=replace(summary.totals, time_s=rows[0].total.time_s))


def _with_time(row: LayerRow, seconds: float | None, below: float) -> LayerRow:
    own = None if seconds is None else max(seconds - below, 0.0)
    return replace(row, own=replace(row.own, time_s=own), total=replace(row.total, time_s=seconds))
