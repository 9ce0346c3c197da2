"""Two summaries → what differs. No torch."""

from netscope.analysis.diffing.differences import diff
from netscope.analysis.diffing.ignoring import without
from netscope.analysis.diffing.weights import weights_map

__all__ = ["diff", "weights_map", "without"]
