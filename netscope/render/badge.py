"""A badge of a ``CheckReport`` as SVG: a metric of one check, or how many checks passed."""

from netscope.errors import UsageError
from netscope.render import numbers
from netscope.render.check import format_outcome
from netscope.render.document import printable
from netscope.render.templating import render_template
from netscope.schema import METRIC_UNITS, METRICS, CheckReport, MetricValue, ModelCheck

_FILLS = {"passed": "#2e7d32", "warned": "#8a5a00", "failed": "#c62828", "error": "#c62828"}
"""Colors on which white text has a contrast of at least 4.5:1."""

_WIDE, _NARROW = "mwMW%@→", "ijltfrI1.,:;|!'()[] "
_PADDING = 6


def find_badge_metric(stem: str) -> str | None:
    """Returns the metric that the name of a badge's file names, such as ``"weight_bytes"`` for ``"weight-bytes"``."""
    name = stem.lower().replace("-", "_")
    return name if name in METRIC_UNITS else None


def render_badge(report: CheckReport, stem: str) -> str:
    """Returns the badge: the metric that its file is named after, otherwise how many checks passed.

    Raises:
        UsageError: the file is named after a metric, but there are several checks.
    """
    metric = find_badge_metric(stem)
    if metric is None:
        text = format_outcome(report)
        return _draw("netscope", text, text, report.status)
    check_badge(stem, len(report.models))
    (model,) = report.models
    value, exact = _format_value(metric, model)
    return _draw(_get_label(metric), value, exact, model.status)


def check_badge(stem: str, count: int) -> None:
    """Checks that a badge can show what its file is named after.

    Raises:
        UsageError: the file is named after a metric, but there is not exactly one check.
    """
    if find_badge_metric(stem) and count != 1:
        raise UsageError(
            f"a badge of {find_badge_metric(stem)} shows one check, but {count} run; name one, or choose a file name "
            f"that is not a metric, e.g. netscope.svg"
        )


def _get_label(metric: str) -> str:
    return METRICS[metric].lowercase_heading if metric in METRICS else metric.replace("_", " ")


def _format_value(metric: str, model: ModelCheck) -> tuple[str, str]:
    """Returns the value of a metric in short, and exactly."""
    value: MetricValue | None = model.metrics.get(metric)
    if value is None:
        return ("error", model.error) if model.error else ("unknown", "unknown")
    bound = "≥ " if metric in METRICS and METRICS[metric].counts_ops and model.is_lower_bound else ""
    if isinstance(value, tuple):
        return numbers.shape(value), numbers.shape(value)
    unit = METRICS[metric].unit if metric in METRICS else "count"
    short = numbers.size(value) if unit == "bytes" else numbers.compact(value, unit)
    return f"{bound}{short}", f"{bound}{numbers.count(value)}"


def _draw(label: str, value: str, exact: str, status: str) -> str:
    label_width, value_width = _measure(label) + 2 * _PADDING, _measure(value) + 2 * _PADDING
    return render_template(
        "badge.svg",
        title=printable(f"{label}: {exact}"),
        label=label,
        value=value,
        fill=_FILLS[status],
        label_width=label_width,
        value_width=value_width,
        padding=_PADDING,
    )


def _measure(text: str) -> int:
    """Returns the width of text in Verdana of 11 pixels, to which the badge stretches that of another font."""
    widths = (10 if letter in _WIDE else 4 if letter in _NARROW else 6.4 if letter.islower() else 7 for letter in text)
    return round(sum(widths))
