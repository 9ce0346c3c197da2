"""Shortcuts in processes that netscope started itself; in a user's process nothing global changes.

Each says what it saves of a cold ``netscope summary alexnet --no-cache``, measured in CPU seconds with torch 2.14.
"""

import atexit
import builtins
import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import NoReturn

from netscope.runtime.import_stubs import import_with_stubs

_RECURSION_LIMIT = 5000

_IS_OWN_PROCESS: ContextVar[bool] = ContextVar("is_own_process", default=False)


def mark_own_process() -> None:
    """Marks the process as netscope's own, and lets modules be nested deeper than Python's recursion limit allows."""
    _IS_OWN_PROCESS.set(True)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))


def is_own_process() -> bool:
    """Whether netscope started this process: the command line, or a worker of it."""
    return _IS_OWN_PROCESS.get()


@contextmanager
def trim_imports() -> Iterator[None]:
    """Speeds up importing torch and packages that depend on it: stubs for some imports, no garbage collection."""
    with pause_gc(), stub_imports():
        yield


@contextmanager
def stub_imports() -> Iterator[None]:
    """Replaces imports that torch and torchvision do not need here by stubs; see ``import_stubs``."""
    before = builtins.__import__
    if is_own_process():
        builtins.__import__ = import_with_stubs
    try:
        yield
    finally:
        builtins.__import__ = before


@contextmanager
def pause_gc() -> Iterator[None]:
    """Pauses the search for garbage in cycles while many objects are made that stay, as in imports and traces."""
    pauses = is_own_process() and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """Hides the warnings of models that are built or run; a user's process may want them."""
    if not is_own_process():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def exit_process(code: int) -> NoReturn:
    """Ends the process without tearing down the interpreter and torch.

    Threads are waited for and functions registered with ``atexit`` are called, as usual.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # A failure to write was reported before, or nobody reads the stream.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
