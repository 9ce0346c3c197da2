"""Two summaries → what differs. No torch."""

from netscope.analysis.diff.differences import diff_summaries
from netscope.analysis.diff.ignoring import without
from netscope.analysis.diff.weights import weights_map

__all__ = ["diff_summaries", "weights_map", "without"]
