"""The ``check`` use case: architectures against their rules and the lock file."""

from netscope.api.check.run import check, check_for_test, plan_by_itself, plan_checks, run_checks, update_lock

__all__ = ["check", "check_for_test", "plan_by_itself", "plan_checks", "run_checks", "update_lock"]
