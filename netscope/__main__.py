"""``python -m netscope`` and the ``netscope`` command."""

import os
import signal
import sys
from types import FrameType


class _Interrupted(BaseException):
    """Ctrl-C. No library catches it, as some do with ``KeyboardInterrupt``."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def main() -> None:
    """Runs the command line and exits with its code."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        from netscope.cli.app import run

        code = run(sys.argv[1:])
        sys.stdout.flush()
    except _Interrupted:
        code = 130
    except BrokenPipeError:
        # Whoever read our output has had enough; keep the interpreter from flushing into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
