"""The use cases: what the command line does, for Python."""

from netscope.api.comparison import diff, summaries_of, weights_map
from netscope.api.listing import list_architectures
from netscope.api.summaries import summarize, trace
from netscope.api.verification import verify

__all__ = ["diff", "list_architectures", "summaries_of", "summarize", "trace", "verify", "weights_map"]
