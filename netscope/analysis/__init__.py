"""Traces and results → results. Data in, data out; no torch."""

from netscope.analysis.diagnosis import diagnose
from netscope.analysis.summary import summarise

__all__ = ["diagnose", "summarise"]
