"""What a project says about its architectures: checks in its TOML file, and the lock file. No torch."""

from netscope.config.checks import OPTIONS, find_checks, request_from_options, rules_from_table
from netscope.config.lockfile import LOCK_NAME, Lock, lock_text, merged, read_lock, read_lock_text, write_lock

__all__ = [
    "LOCK_NAME",
    "OPTIONS",
    "Lock",
    "find_checks",
    "lock_text",
    "merged",
    "read_lock",
    "read_lock_text",
    "request_from_options",
    "rules_from_table",
    "write_lock",
]
