"""Adds the measured time of each module to a summary."""

from collections.abc import Mapping
from dataclasses import replace

from netscope.schema import Summary


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
    rows = (
        replace(
            row,
            time_s=seconds.get(row.path),
            own_time_s=max(seconds[row.path] - children.get(row.path, 0.0), 0.0) if row.path in seconds else None,
        )
        for row in summary.rows
    )
    return replace(summary, rows=tuple(rows))
