"""Summaries made in a process of their own, so that a model that crashes or hangs takes nothing else with it."""

import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from netscope.errors import NetscopeError, described
from netscope.schema import Summary

LONGEST_MESSAGE = 1000

_LOOK_AFTER_S = 1.0


class WorkerError(NetscopeError):
    """The worker could not make a summary.

    Attributes:
        exit_code: what the command line exits with: that of the error in the worker, 3 if it crashed or hung.
    """

    def __init__(self, message: str, exit_code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Worker:
    """A process that imports torch once and makes one summary after another.

    One that crashes, or takes too long and is killed, is replaced for the next summary. What it started, such as the
    processes that load data, is killed with it.
    """

    def __init__(self, folder: Path) -> None:
        """Starts no process yet.

        Args:
            folder: where its architectures' files and modules are looked for.
        """
        self._folder = folder
        self._process: Any = None
        self._connection: Connection | None = None

    def summary(self, model: str, inputs: tuple[str, ...], options: dict[str, Any], timeout_s: float | None) -> Summary:
        """The summary of ``model``.

        Args:
            model: an architecture's name.
            inputs: as ``--input`` takes them; empty for its own.
            options: the others of ``summarize``.
            timeout_s: after which it is given up, in seconds; None for never.

        Raises:
            WorkerError: it failed, crashed, or took too long.
        """
        line = self._started()
        try:
            line.send((model, inputs, options))
            if not self._answers(line, timeout_s):
                self.close()
                raise WorkerError(f"it took longer than {timeout_s:g} s (--timeout) and was stopped")
            answer, exit_code = line.recv()
        except (EOFError, OSError) as error:
            raise WorkerError(self._cause_of_death()) from error
        if exit_code:
            raise WorkerError(answer, exit_code)
        return Summary.from_json(answer)

    def _started(self) -> Connection:
        if self._connection is None or not self._process.is_alive():
            self.close()
            context = get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, str(self._folder)), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _answers(self, line: Connection, timeout_s: float | None) -> bool:
        """Whether there is an answer within the time.

        Raises:
            EOFError: the process is dead. What it forked may still hold its end of the line, which then never ends.
        """
        end = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while not line.poll(max(0, min(_LOOK_AFTER_S, end - time.monotonic()))):
            if time.monotonic() >= end:
                return False
            if not self._process.is_alive() and not line.poll():
                raise EOFError
        return True

    def _cause_of_death(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        self.close()
        if code is None or code >= 0:
            return f"its process ended with exit code {code} in the middle of it"
        name = signal.Signals(-code).name
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            _kill_group(self._process.pid)
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _kill_group(leader: int) -> None:
    """Kills what is left of the worker's group, if the system knows such and the worker has come to lead one."""
    with suppress(AttributeError, OSError):
        os.killpg(leader, signal.SIGKILL)


def _serve(line: Connection, folder: str) -> None:
    """In the worker: answers with a summary's JSON, or with a sentence and its exit code, until nobody asks."""
    with suppress(AttributeError, OSError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)
    # A package may be installed from another checkout than this folder's: here, this folder's is meant.
    sys.path[:0] = [folder, *(str(source) for source in [Path(folder, "src")] if source.is_dir())]
    warnings.simplefilter("ignore")
    path, process = tuple(sys.path), os.getpid()
    while True:
        os.chdir(folder)
        sys.path[:] = path
        try:
            model, inputs, options = line.recv()
        except (EOFError, OSError):
            return
        answer = _answer(model, inputs, options)
        if os.getpid() != process:
            os._exit(0)  # the model forked, and its other half answers
        line.send(answer)


def _answer(model: str, inputs: tuple[str, ...], options: dict[str, Any]) -> tuple[str, int]:
    from netscope.api.comparison import summary_of
    from netscope.schema.inputs import parse_inputs

    try:
        return summary_of(model, parse_inputs(inputs) if inputs else None, options).to_json(), 0
    except NetscopeError as error:
        return _shortened(str(error)), error.exit_code
    except KeyboardInterrupt as error:
        return f"it raised {described(error)}", 3
    except Exception as error:  # noqa: BLE001 - our own mistake, but the other models' checks are none of it
        return _shortened(f"this is a mistake in netscope: unexpected {described(error)}"), 3


def _shortened(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_MESSAGE else f"{sentence[:LONGEST_MESSAGE]} …"


def _end_with_parent() -> None:
    """Ends the worker, and what it started, when whoever started it has ended, however that was."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
            _kill_group(os.getpid())
        os._exit(1)
