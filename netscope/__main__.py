"""``python -m netscope`` and the ``netscope`` command."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the process at once.

    An exception would have to find its way through whatever is being imported or traced: libraries catch it, or are
    left half-imported and abort. A spinner hides the cursor, and an output file is written under another name first:
    one is shown again, the other removed.
    """
    # Which may not be imported yet, or only in part.
    for draft in getattr(sys.modules.get("netscope.runtime.files"), "DRAFTS", ()):
        draft.unlink(missing_ok=True)
    spinning = getattr(sys.modules.get("netscope.cli.output"), "SPINNING", None)
    if spinning is not None and spinning.is_set():
        os.write(2, SHOW_CURSOR)
    os._exit(128 + number)


def main() -> None:
    """Runs the command line and exits with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # A stream that was closed before we started; what is printed into it is lost, as asked.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as we are
    from netscope.runtime import startup

    startup.begin()
    with startup.importing():
        from netscope.cli.app import run

    startup.ARGUMENTS[:], sys.argv[1:] = sys.argv[1:], []
    try:
        code = run(startup.ARGUMENTS)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough.
        _leave_stdout()
        code = 0
    except OSError as error:
        print(f"netscope: stdout cannot be written to: {error.strerror or error}", file=sys.stderr)
        _leave_stdout()
        code = 2
    if _is_watched() or _ran_foreign_code():
        sys.exit(code)
    startup.leave(code)


def _is_watched() -> bool:
    """Whether a profiler or a debugger runs us, which writes at the end what it saw."""
    monitoring = getattr(sys, "monitoring", None)
    tools = any(monitoring.get_tool(number) for number in range(6)) if monitoring else False
    return bool(sys.gettrace() or sys.getprofile() or tools)


def _ran_foreign_code() -> bool:
    """Whether a user's module was imported, whose files may not be closed yet."""
    if "torch" not in sys.modules:
        return False
    from netscope.cache import list_local_modules

    return bool(list_local_modules())


def _leave_stdout() -> None:
    """Keeps the interpreter from flushing what is left into a stream that does not take it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
