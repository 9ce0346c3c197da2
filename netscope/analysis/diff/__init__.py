"""Two summaries → what differs. No torch."""

from netscope.analysis.diff.differences import diff
from netscope.analysis.diff.ignoring import without
from netscope.analysis.diff.weights import weights_map

__all__ = ["diff", "weights_map", "without"]
