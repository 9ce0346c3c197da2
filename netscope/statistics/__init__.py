"""What measurements say, and how surely. Plain numbers in and out; nothing else of netscope below it."""

from netscope.statistics.comparison import Difference, Verdict, compare_pairs, compare_series, corrected
from netscope.statistics.series import LEVEL, Estimate, Trend, mean_estimate, outliers, percentile, trend

__all__ = [
    "LEVEL",
    "Difference",
    "Estimate",
    "Trend",
    "Verdict",
    "compare_pairs",
    "compare_series",
    "corrected",
    "mean_estimate",
    "outliers",
    "percentile",
    "trend",
]
