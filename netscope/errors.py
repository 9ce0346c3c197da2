"""Every error that netscope raises on purpose: one class per remedy, each with its exit code."""

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A clause for a message about an unknown name: ``"; did you mean resnet50?"``, or nothing if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    matches = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[match] for match in matches)}?" if matches else ""


def describe_error(error: BaseException) -> str:
    """What someone else's exception says, its kind first; where it says nothing, where it was raised."""
    kind = type(error).__name__
    try:
        message = str(error).strip()
    except Exception:  # noqa: BLE001 - an exception may fail at this as well
        message = ""
    if message:
        return f"{kind}: {message}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else kind


def describe_unexpected_error(error: Exception) -> str:
    """What is said of an exception that nobody raised on purpose."""
    # So the dynamic linker puts it where a library does not fit into memory.
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map segment" in str(error)):
        return "this could not be answered: there is not enough memory"
    if isinstance(error, RecursionError):
        return "this could not be answered: something in it is nested too deeply"
    return f"this is a mistake in netscope, and --debug shows where: unexpected {describe_error(error)}"


class NetscopeError(Exception):
    """Says in one sentence what was asked, what was found and what to do.

    Attributes:
        exit_code: what the command line exits with: 2 if the question was wrong, 3 if it could not be answered.
    """

    exit_code = 3


class UsageError(NetscopeError):
    """The question was wrong: an option or its value."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No architecture, source, file or attribute of that name."""


class MissingExtraError(UsageError):
    """A source's package is not installed."""


class InputError(UsageError):
    """The inputs are malformed, too many or too few, or do not fit the architecture."""


class OutputError(UsageError):
    """The output file cannot be written."""


class SavedResultError(UsageError):
    """A saved result cannot be read: not JSON, not ours, or of a newer schema."""


class BrokenInstallError(NetscopeError):
    """Installed packages do not fit each other."""


class BuildError(NetscopeError):
    """The architecture's factory raised, or returned no module."""


class TracingError(NetscopeError):
    """The forward or the backward pass raised, or the model could not be copied."""


class UntrainableError(TracingError):
    """There is nothing to differentiate."""


class DeviceError(NetscopeError):
    """No such device here, or not enough memory on it."""


class ConfigError(UsageError):
    """The project's file says something that netscope does not understand; the message names file, line and key."""


class MeasuringError(NetscopeError):
    """A step that was to be measured raised."""


class OutOfMemoryError(DeviceError):
    """The device's memory does not suffice for what was to be measured."""
