"""What a process that netscope started itself leaves out, and one that it is merely imported into does not."""

import atexit
import builtins
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import NoReturn

from netscope.machine import uncollected
from netscope.stand_ins import import_sparingly

ARGUMENTS: list[str] = []
"""Of the command; a user's module that reads ``sys.argv`` finds none."""

OURS = threading.Event()
"""Set in the process of the command line and in those of its workers."""


@contextmanager
def importing() -> Iterator[None]:
    """For importing torch and what stands on it: sparingly, and without looking for garbage.

    Hundreds of thousands of objects come into being and hardly any goes, yet they are searched again and again: an
    eighth of the time.
    """
    with uncollected() if OURS.is_set() else nullcontext(), sparing():
        yield


@contextmanager
def sparing() -> Iterator[None]:
    """Has torch and torchvision do without imports that they do not need for what they are asked here."""
    before = builtins.__import__
    if OURS.is_set():
        builtins.__import__ = import_sparingly
    try:
        yield
    finally:
        builtins.__import__ = before


def leave(code: int) -> NoReturn:
    """Ends the process without taking the interpreter and torch apart, which takes a quarter of torch's own import.

    What is promised to happen at the end does: threads are waited for, and what is registered for it is called.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # What could not be written has been told, or nobody reads it.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
