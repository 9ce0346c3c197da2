"""Differences between two summaries, without torch."""

from netscope.analysis.diff.differences import diff_summaries
from netscope.analysis.diff.ignoring import drop_ignored
from netscope.analysis.diff.weights import map_weights

__all__ = ["diff_summaries", "drop_ignored", "map_weights"]
