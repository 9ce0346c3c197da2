"""The use cases: what the command line does, for Python."""

from netscope.api.checking import CheckPlan, check, plan_by_itself, plan_checks, run_checks
from netscope.api.comparison import diff, summaries_of, weights_map
from netscope.api.listing import list_architectures
from netscope.api.summaries import summarize, trace
from netscope.api.verification import verify

__all__ = [
    "CheckPlan",
    "check",
    "diff",
    "list_architectures",
    "plan_by_itself",
    "plan_checks",
    "run_checks",
    "summaries_of",
    "summarize",
    "trace",
    "verify",
    "weights_map",
]
