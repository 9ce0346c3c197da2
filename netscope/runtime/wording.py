"""How messages name an argument: as an option on the command line, as a keyword argument in Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PYTHON_NAMES = {"--input": "inputs", "--timeout": "timeout_s", "--max-time": "max_time_s"}

# Of the process, not of a context: messages are also written in the threads that wait for workers.
_names_options = False


@contextmanager
def name_options(is_command_line: bool = True) -> Iterator[None]:
    """Makes messages name options of the command line, in which netscope itself was started, or keyword arguments."""
    global _names_options  # noqa: PLW0603 - of the process
    before, _names_options = _names_options, is_command_line
    try:
        yield
    finally:
        _names_options = before


def is_naming_options() -> bool:
    """Whether messages name options of the command line."""
    return _names_options


def show_argument(option: str, *values: Any) -> str:
    """Returns an argument as the caller would write it.

    ``show_argument("--input", "1x3x8x8")`` is ``--input 1x3x8x8`` on the command line and ``inputs="1x3x8x8"`` in
    Python. Without a value it is only the name. The value of a flag is True.

    Args:
        option: the option of the command line.
        values: its values; several of an option that is repeated.
    """
    if _names_options:
        return " ".join(option if value is True else f"{option} {value}" for value in values) or option
    if option == "--train":
        return 'mode="train"'
    name = _PYTHON_NAMES.get(option, option[2:].replace("-", "_"))
    shown = ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    return f"{name}=[{shown}]" if len(values) > 1 else f"{name}={shown}" if values else name


def show_all_names(pattern: str = "") -> str:
    """Returns how the caller lists the names of architectures: with a command or a function."""
    if _names_options:
        return f"run `netscope list{f' {pattern!r}' if pattern else ''}` to see all names"
    return f"netscope.list_architectures({f'{pattern!r}' if pattern else ''}) has all names"
