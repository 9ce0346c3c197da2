"""The figures that rules are about, of a whole architecture and of each of its modules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from netscope.schema import Figure, LayerRow, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure.

    Attributes:
        title: what it is called.
        of_summary: that of the whole; None where there is none.
        of_row: that of one module with everything below it; None where modules have none.
        own: what one module has of it itself, by which the heaviest are found; None where it is no sum.
        counts_ops: whether an op without a formula makes it a lower bound.
    """

    title: str
    of_summary: Callable[[Summary], Figure | None]
    of_row: Callable[[LayerRow], Figure | None] | None
    own: Callable[[LayerRow], int] | None = None
    counts_ops: bool = False


def _memory(summary: Summary) -> int:
    return summary.peak_memory.bytes if summary.peak_memory else summary.totals.memory.total


def _output(row: LayerRow) -> Figure | None:
    return row.output_shapes[0] if row.output_shapes else None


def _layer_count(summary: Summary) -> int:
    holders = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
    return sum(1 for row in summary.rows if row.path not in holders)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "params": Metric(
            title="parameters",
            of_summary=lambda summary: summary.totals.params,
            of_row=lambda row: row.params,
            own=lambda row: row.own_params,
        ),
        "trainable_params": Metric(
            title="trainable parameters",
            of_summary=lambda summary: summary.totals.trainable_params,
            of_row=lambda row: row.trainable_params,
            own=lambda row: row.own_trainable_params,
        ),
        "unread_params": Metric(
            title="unread parameters",
            of_summary=lambda summary: summary.totals.unread_params,
            of_row=lambda row: row.unread_params,
            own=lambda row: row.own_unread_params,
        ),
        "flops": Metric(
            title="FLOPs",
            of_summary=lambda summary: summary.totals.flops,
            of_row=lambda row: row.flops,
            own=lambda row: row.own_flops,
            counts_ops=True,
        ),
        "macs": Metric(
            title="MACs",
            of_summary=lambda summary: summary.totals.macs,
            of_row=lambda row: row.macs,
            own=lambda row: row.own_macs,
            counts_ops=True,
        ),
        "weight_bytes": Metric(
            title="bytes of weights",
            of_summary=lambda summary: summary.totals.memory.weights,
            of_row=lambda row: row.memory.weights,
            own=lambda row: row.own_memory.weights,
        ),
        "memory": Metric(
            title="bytes of memory",
            of_summary=_memory,
            of_row=lambda row: row.memory.total,
            own=lambda row: row.own_memory.total,
        ),
        "output_shape": Metric(
            title="output shape", of_summary=lambda summary: _output(summary.rows[0]), of_row=_output
        ),
        "layer_count": Metric(title="layers", of_summary=_layer_count, of_row=None),
    }
)
"""By the keys of ``METRIC_UNITS``."""
