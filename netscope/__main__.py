"""``python -m netscope`` and the ``netscope`` command."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from netscope.runtime.files import remove_draft

_exit = os._exit

RESTORE_TERMINAL = b"\r\x1b[2K\x1b[?25h"
"""Clears the line of a spinner and shows the cursor that it hides."""


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    """Ends the process at once, without an unfinished output file or a hidden cursor.

    An exception would have to find its way through whatever is being imported or traced: libraries catch it, or are
    left half-imported and abort.
    """
    remove_draft()
    if os.isatty(2) and os.environ.get("TERM") != "dumb":
        os.write(2, RESTORE_TERMINAL)
    _exit(128 + number)


def main() -> None:
    """Runs the command line and exits with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit_on_signal)
    # A stream that was closed before the start; the output is discarded, as intended.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    from netscope.cli.app import run
    from netscope.runtime import startup

    startup.mark_own_process()
    startup.refuse_early_exit()

    # A user's module that reads sys.argv finds no arguments.
    arguments, sys.argv[1:] = sys.argv[1:], []
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has closed the pipe.
        _discard_stdout()
        code = 0
    except OSError as error:
        print(f"netscope: cannot write to stdout: {error.strerror or error}", file=sys.stderr)
        _discard_stdout()
        code = 2
    if _is_watched() or _has_user_modules():
        sys.exit(code)
    startup.exit_process(code)


def _is_watched() -> bool:
    """Whether a profiler or a debugger runs this process and writes its results at the end."""
    monitoring = getattr(sys, "monitoring", None)
    tools = any(monitoring.get_tool(number) for number in range(6)) if monitoring else False
    return bool(sys.gettrace() or sys.getprofile() or tools)


def _has_user_modules() -> bool:
    """Whether a user's module was imported, which may have left files open."""
    if "torch" not in sys.modules:
        return False
    from netscope.cache import list_local_modules

    return bool(list_local_modules())


def _discard_stdout() -> None:
    """Redirects stdout to the null device, so that flushing the rest at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
