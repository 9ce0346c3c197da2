"""Statistics of measurements: intervals, trends and comparisons. Plain numbers, no other part of netscope."""

from netscope.statistics.comparison import Difference, Verdict, apply_holm_correction, compare_pairs, compare_series
from netscope.statistics.series import (
    LEVEL,
    Estimate,
    Trend,
    compute_percentile,
    count_outliers,
    estimate_mean,
    estimate_trend,
)

__all__ = [
    "LEVEL",
    "Difference",
    "Estimate",
    "Trend",
    "Verdict",
    "apply_holm_correction",
    "compare_pairs",
    "compare_series",
    "compute_percentile",
    "count_outliers",
    "estimate_mean",
    "estimate_trend",
]
