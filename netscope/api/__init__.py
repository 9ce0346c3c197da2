"""The use cases: what the command line does, for Python."""

from netscope.api.listing import list_architectures
from netscope.api.summaries import summarize, trace
from netscope.api.verification import verify

__all__ = ["list_architectures", "summarize", "trace", "verify"]
