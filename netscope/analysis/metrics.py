"""Values of the metrics that rules limit, for a whole architecture and for each of its modules."""

from netscope.schema import METRICS, Figure, LayerRow, Summary

OTHER_NOUNS = {"output_shape": "output shape", "layer_count": "layers"}
"""Names, in sentences, of the metrics that are not figures."""


def noun_of(metric: str) -> str:
    """Returns the name of a metric in sentences, ``"parameters"``."""
    return OTHER_NOUNS.get(metric) or METRICS[metric].noun


def counts_ops(metric: str) -> bool:
    """Whether an op without a formula makes the metric a lower bound."""
    return metric in METRICS and METRICS[metric].counts_ops


def value_of_summary(metric: str, summary: Summary) -> Figure | None:
    """Returns the metric of the whole architecture; None if there is none, as for gradients outside of training."""
    if metric == "output_shape":
        return value_of_row(metric, summary.rows[0])
    if metric == "layer_count":
        parents = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
        return sum(1 for row in summary.rows if row.path not in parents)
    if metric == "memory" and summary.peak_memory:
        return summary.peak_memory.bytes
    if METRICS[metric].needs_training and summary.mode != "train":
        return None
    value: Figure | None = METRICS[metric].value(summary.totals)
    return value


def value_of_row(metric: str, row: LayerRow) -> Figure | None:
    """Returns the metric of one module with everything below it; None if modules have none."""
    if metric == "output_shape":
        return row.output_shapes[0] if row.output_shapes else None
    value: Figure | None = METRICS[metric].value(row.total) if metric in METRICS else None
    return value
