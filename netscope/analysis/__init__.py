"""Traces and results → results. Data in, data out; no torch."""

from netscope.analysis.budget import LockEntry, judged
from netscope.analysis.diagnosis import diagnose, mixed_dtypes
from netscope.analysis.diff import diff, weights_map
from netscope.analysis.locking import locked
from netscope.analysis.summary import summarise, without_forward
from netscope.analysis.verification import compare

__all__ = [
    "LockEntry",
    "compare",
    "diagnose",
    "diff",
    "judged",
    "locked",
    "mixed_dtypes",
    "summarise",
    "weights_map",
    "without_forward",
]
