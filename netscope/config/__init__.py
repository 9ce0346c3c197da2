"""The configuration of a project: checks in its TOML file, and the lock file. Does not import torch."""

from netscope.config.checks import OPTIONS, find_checks, make_check_request, parse_lock, parse_rules
from netscope.config.lockfile import LOCK_NAME, Lock, format_lock, read_lock, read_lock_text, update_lock, write_lock

__all__ = [
    "LOCK_NAME",
    "OPTIONS",
    "Lock",
    "find_checks",
    "format_lock",
    "make_check_request",
    "parse_lock",
    "parse_rules",
    "read_lock",
    "read_lock_text",
    "update_lock",
    "write_lock",
]
