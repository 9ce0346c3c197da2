"""The errors that netscope raises on purpose: one class per remedy, each with its exit code."""

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

MAX_MESSAGE_LENGTH = 1000


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a clause for a message about an unknown name, ``"; did you mean resnet50?"``; empty if none is close.

    If no name is similar, the first that start with ``name`` are suggested.
    """
    by_lower = {candidate.lower(): candidate for candidate in names}
    wanted = name.lower()
    matches = get_close_matches(wanted, by_lower, n=3, cutoff=0.6)
    matches = matches or [candidate for candidate in by_lower if name and candidate.startswith(wanted)][:3]
    return f"; did you mean {join_choices(by_lower[match] for match in matches)}?" if matches else ""


def join_choices(names: Iterable[str]) -> str:
    """Returns the names as a list in a sentence, such as ``"table, json or csv"``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def describe_error(error: BaseException) -> str:
    """Returns an exception's type and message; if it has no message, its type and where it was raised."""
    kind = type(error).__name__
    try:
        message = str(error).strip()
    except Exception:  # noqa: BLE001 - the __str__ of a third-party exception may raise anything
        message = ""
    if message:
        return f"{kind}: {message}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else kind


def describe_unexpected_error(error: Exception) -> str:
    """Returns the message for an exception that is not a ``NetscopeError``."""
    # The dynamic linker's message for a library that does not fit into memory.
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map segment" in str(error)):
        return "not enough memory to finish"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply"
    return f"internal error (a bug in netscope): {describe_error(error)}; rerun with --debug for the traceback"


def shorten_message(text: str, hint: str = "") -> str:
    """Returns the message on one line of at most ``MAX_MESSAGE_LENGTH``, without the stack frames of torch's C++.

    The middle is cut, because the message begins with the request, which may be long; then ``hint`` follows.
    """
    line = " ".join(text.partition("Exception raised from")[0].split())
    half = MAX_MESSAGE_LENGTH // 2 - len(" … ")
    return line if len(line) <= MAX_MESSAGE_LENGTH else f"{line[:half]} … {line[-half:]}{hint}"


class NetscopeError(Exception):
    """An error whose message says what was requested, what was found and what to do.

    Attributes:
        exit_code: the exit code of the command: 2 for a wrong request, 3 for a request that failed.
    """

    exit_code = 3


class UsageError(NetscopeError):
    """The request is wrong: an option or its value."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No architecture, source, file or attribute has that name."""


class UnknownLayerError(UnknownNameError, KeyError):
    """An architecture has no module of that path."""

    __str__ = Exception.__str__  # KeyError shows its message in quotes


class UnknownArgumentError(UsageError, TypeError):
    """A function of the Python API has no argument of that name."""


class MissingExtraError(UsageError):
    """The package of a source is not installed."""


class InputError(UsageError):
    """The inputs are malformed, too many or too few, or do not fit the architecture."""


class OutputError(UsageError):
    """The output file cannot be written."""


class SavedResultError(UsageError):
    """A saved file cannot be read: damaged, of another kind or schema version, or more than data."""


class BrokenInstallError(NetscopeError):
    """Installed packages are incompatible."""


class BuildError(NetscopeError):
    """The architecture's factory raised, or did not return a module."""


class TracingError(NetscopeError):
    """The forward or the backward pass raised, or the model could not be copied."""


class UntrainableError(TracingError):
    """The model has nothing to differentiate."""


class DeviceError(NetscopeError):
    """The device is not available, or has not enough memory."""


class ConfigError(UsageError):
    """The configuration file is invalid; the message names file, line and key."""


class MeasuringError(NetscopeError):
    """A measured step raised."""


class OutOfMemoryError(DeviceError):
    """The device has not enough memory for the measurement."""
