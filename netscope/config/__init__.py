"""The configuration of a project: checks in its TOML file, and the lock file. Does not import torch."""

from netscope.config.checks import (
    OPTIONS,
    explain_no_failure,
    find_checks,
    find_checks_in_folder,
    make_check_request,
    parse_lock,
    parse_rules,
    read_checks,
)
from netscope.config.lockfile import LOCK_NAME, Lock, format_lock, read_lock, read_lock_text, update_lock, write_lock
from netscope.config.project import PROJECT_FILES

__all__ = [
    "LOCK_NAME",
    "OPTIONS",
    "PROJECT_FILES",
    "Lock",
    "explain_no_failure",
    "find_checks",
    "find_checks_in_folder",
    "format_lock",
    "make_check_request",
    "parse_lock",
    "parse_rules",
    "read_checks",
    "read_lock",
    "read_lock_text",
    "update_lock",
    "write_lock",
]
