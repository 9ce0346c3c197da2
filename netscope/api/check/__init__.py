"""The ``check`` use case: checks of architectures against rules and the lock file."""

from netscope.api.check.revisions import describe_head
from netscope.api.check.run import check, check_for_test, plan_checks, plan_single_check, run_checks, update_lock

__all__ = [
    "Head",
    "check",
    "check_for_test",
    "describe_head",
    "plan_checks",
    "plan_single_check",
    "run_checks",
    "update_lock",
]
