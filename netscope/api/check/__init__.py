"""The ``check`` use case: checks of architectures against rules and the lock file."""

from netscope.api.check.plans import plan_all_checks, plan_checks, plan_single_check
from netscope.api.check.revisions import describe_head
from netscope.api.check.run import check, check_for_test, run_checks, update_lock

__all__ = [
    "check",
    "check_for_test",
    "describe_head",
    "plan_all_checks",
    "plan_checks",
    "plan_single_check",
    "run_checks",
    "update_lock",
]
