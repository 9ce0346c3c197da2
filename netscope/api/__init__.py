"""The use cases: what the command line does, for Python."""

from netscope.api.benchmark import bench
from netscope.api.checking import CheckPlan, check, check_for_test, plan_by_itself, plan_checks, run_checks, update_lock
from netscope.api.comparing import ComparisonPlan, compare, run_comparison
from netscope.api.diffing import diff, summaries_of, summary_of, weights_map
from netscope.api.explaining import explain
from netscope.api.listing import list_architectures
from netscope.api.reporting import report
from netscope.api.summarizing import summarize, trace
from netscope.api.verifying import verify

__all__ = [
    "CheckPlan",
    "ComparisonPlan",
    "bench",
    "check",
    "check_for_test",
    "compare",
    "diff",
    "explain",
    "list_architectures",
    "plan_by_itself",
    "plan_checks",
    "report",
    "run_checks",
    "run_comparison",
    "summaries_of",
    "summarize",
    "summary_of",
    "trace",
    "update_lock",
    "verify",
    "weights_map",
]
