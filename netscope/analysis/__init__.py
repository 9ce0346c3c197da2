"""Traces and results → results. Data in, data out; no torch."""

from netscope.analysis.diagnosis import diagnose, mixed_dtypes
from netscope.analysis.summary import summarise, without_forward
from netscope.analysis.verification import compare

__all__ = ["compare", "diagnose", "mixed_dtypes", "summarise", "without_forward"]
