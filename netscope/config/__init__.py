"""What a project says about its architectures: checks in its TOML file, and the lock file. No torch."""

from netscope.config.checks import find_checks, request_from_options, rules_from_table
from netscope.config.lockfile import LOCK_NAME, Lock, read_lock, write_lock

__all__ = [
    "LOCK_NAME",
    "Lock",
    "find_checks",
    "read_lock",
    "request_from_options",
    "rules_from_table",
    "write_lock",
]
