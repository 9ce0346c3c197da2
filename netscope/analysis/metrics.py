"""Values of the metrics that rules limit, for an architecture and for its modules."""

from netscope.schema import METRIC_UNITS, METRICS, LayerRow, MetricValue, Summary

OTHER_NOUNS = {"output_shape": "output shape", "layer_count": "layers"}
"""Names in sentences of the metrics that are not in ``METRICS``."""


def get_noun(metric: str) -> str:
    """Returns the name of a metric for sentences, ``"parameters"``."""
    return OTHER_NOUNS.get(metric) or METRICS[metric].noun


def counts_ops(metric: str) -> bool:
    """Whether an op without a formula makes the metric a lower bound."""
    return metric in METRICS and METRICS[metric].counts_ops


def get_summary_value(metric: str, summary: Summary) -> MetricValue | None:
    """Returns the value for an architecture; None if it has none, such as gradients outside of training."""
    if metric == "output_shape":
        return get_row_value(metric, summary.rows[0])
    if metric == "layer_count":
        parents = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
        return sum(1 for row in summary.rows if row.path not in parents)
    if metric == "memory" and summary.peak_memory:
        return summary.peak_memory.bytes
    value: MetricValue | None = METRICS[metric].value(summary.totals)
    return value


def get_metrics(summary: Summary) -> dict[str, MetricValue]:
    """Returns the values of an architecture by metric, without the metrics that it does not have."""
    values = {name: get_summary_value(name, summary) for name in METRIC_UNITS}
    return {name: value for name, value in values.items() if value is not None}


def format_value(value: MetricValue | None) -> str:
    """Returns a value for sentences: ``"1,000"``, ``"1×1000"`` or ``"none"``."""
    if value is None:
        return "none"
    return "×".join(map(str, value)) or "scalar" if isinstance(value, tuple) else f"{value:,}"


def join_texts(value: str | tuple[str, ...]) -> str:
    """Returns a text, or several as ``"a, b"``."""
    return value if isinstance(value, str) else ", ".join(value) or "none"


def get_row_value(metric: str, row: LayerRow) -> MetricValue | None:
    """Returns the value for a module with everything below it; None if modules have none."""
    if metric == "output_shape":
        return row.output_shapes[0] if row.output_shapes else None
    value: MetricValue | None = METRICS[metric].value(row.total) if metric in METRICS else None
    return value
