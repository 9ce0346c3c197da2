"""Two summaries → what differs. No torch."""

from netscope.analysis.diff.differences import diff_summaries
from netscope.analysis.diff.ignoring import without
from netscope.analysis.diff.weights import map_weights

__all__ = ["diff_summaries", "map_weights", "without"]
