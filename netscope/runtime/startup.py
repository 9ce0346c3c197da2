"""What a process that netscope started itself leaves out, and one that it is merely imported into does not."""

import atexit
import builtins
import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from netscope.runtime.import_stubs import import_sparingly

ARGUMENTS: list[str] = []
"""Of the command; a user's module that reads ``sys.argv`` finds none."""

OURS = threading.Event()
"""Set in the process of the command line and in those of its workers."""


_DEEPEST = 5000


def begin() -> None:
    """Makes the process ours. A module may lie deeper in others than Python goes by itself."""
    OURS.set()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEEPEST))


@contextmanager
def importing() -> Iterator[None]:
    """For importing torch and what stands on it: sparingly, and without looking for garbage.

    Hundreds of thousands of objects come into being and hardly any goes, yet they are searched again and again: an
    eighth of the time.
    """
    with uncollected(), sparing():
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


@contextmanager
def uncollected() -> Iterator[None]:
    """Has Python look for no cycles in its garbage, which takes it a fifth of a second with torch loaded.

    What makes many objects that stay, as a trace does, sets it off again and again.
    """
    pauses = OURS.is_set() and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


@contextmanager
def unwarned() -> Iterator[None]:
    """Keeps the warnings of what is built or run out of our answer; whoever called us may want them."""
    if not OURS.is_set():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
