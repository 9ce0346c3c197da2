"""Work in a process of its own, so that a model that crashes or hangs takes nothing else with it.

The process is started as a command rather than by ``multiprocessing``, whose children import the caller's script again.
Questions and answers are lines of JSON.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec

from netscope.errors import NetscopeError
from netscope.schema.codec import encode_json

QUESTION = "question.json"
FAILURE = "failure.json"
"""What processes that work together find and leave in the folder that they share."""

PREPARE = "prepare"
"""The task after which a process is as good as new."""

FORKS = sys.platform == "linux"
"""Whether a process that has imported torch can be forked, and its child run something. Elsewhere libraries object."""

_LOOK_AFTER_S = 1.0
_START = "import sys; sys.path[:] = {path!r}; from netscope.api.workers.server import {serve}; {serve}({arguments})"


class WorkerError(NetscopeError):
    """The worker has no answer.

    Attributes:
        exit_code: what the command line exits with: that of the error in the worker, 3 if it crashed or hung.
        out_of_memory: whether that was for want of memory, or the worker was killed as it is then.
    """

    def __init__(self, message: str, exit_code: int = 3, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class Worker:
    """A process that imports torch once and does one task after another.

    One that crashes, or takes too long and is killed, is replaced for the next task. What it started, such as the
    processes that load data, is killed with it.
    """

    def __init__(
        self,
        folder: Path,
        nproc: int = 1,
        threads: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Starts no process yet.

        Args:
            folder: where its architectures' files and modules are looked for.
            nproc: of how many processes the worker consists, which torchrun starts and which do each task together.
            threads: of each of several processes; None for one.
            environment: variables that its process has besides ours.
        """
        self._folder = folder
        self._environment = environment
        self._nproc = nproc
        self._threads = threads or 1
        self._process: subprocess.Popen[bytes] | None = None
        self._shared: TemporaryDirectory[str] | None = None
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_ended = False
        self._is_used = False

    def prepare(
        self,
        folder: Path,
        *,
        imports_torch: bool = True,
        untouched: bool = False,
    ) -> None:
        """Has a process that looks for files and modules in ``folder``, and may wait until it has imported torch.

        Args:
            folder: there.
            imports_torch: whether it does.
            untouched: whether it has to be a process in which no task was done.

        Raises:
            WorkerError: it failed at this.
        """
        if folder != self._folder or (untouched and self._is_used):
            self.close()
            self._folder = folder
        is_running = self._process is not None and self._process.poll() is None
        if imports_torch and not is_running:
            self.answer(PREPARE, ())

    def answer(
        self,
        task: str,
        arguments: Sequence[Any],
        *,
        timeout_s: float | None = None,
        tell: Callable[[Any], None] = lambda _: None,
        apart: bool = False,
    ) -> Any:
        """What the task answers, as plain data.

        Args:
            task: a key of ``worker.TASKS``.
            arguments: plain data.
            timeout_s: after which it is given up, in seconds; None for never.
            tell: is given what the task tells on the way.
            apart: whether the process is left untouched by it, as far as the system can fork one.

        Raises:
            WorkerError: it failed, crashed, or took too long.
        """
        question = {
            "task": task,
            "arguments": arguments,
            "apart": apart and FORKS,
        }
        process = self._started(question)
        self._is_used = self._is_used or not (question["apart"] or task == PREPARE)
        end = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        try:
            if self._nproc == 1:
                self._send(question)
            while True:
                message = msgspec.json.decode(self._line(process, end))
                if "told" not in message:
                    break
                tell(message["told"])
        except TimeoutError as error:
            self.close()
            raise WorkerError(f"it took longer than {timeout_s:g} s (--timeout) and was stopped") from error
        except (EOFError, OSError) as error:
            raise self._death(process) from error
        if "error" in message:
            # Where another of several processes failed, what the first one says is only that it is gone.
            raise self._failure_in_group() or WorkerError(message["error"], message["exit_code"])
        return message["answer"]

    def stop(self) -> None:
        """Asks the task that is being done to come to an end; one that measures answers with what it has."""
        with suppress(OSError):
            self._send({"stop": True})

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(encode_json(message) + b"\n")
            self._process.stdin.flush()

    def _started(self, question: dict[str, Any]) -> "subprocess.Popen[bytes]":
        if self._nproc > 1:
            return self._launched(question)
        if self._process is None or self._process.poll() is not None:
            self.close()
            return self._opened((), "serve", repr(str(self._folder)))
        return self._process

    def _launched(self, question: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """Several processes, started by torch's own launcher for this one question, which they find in a file."""
        self.close()
        self._shared = TemporaryDirectory(prefix="netscope-")
        path = Path(self._shared.name, QUESTION)
        path.write_bytes(encode_json(question))
        options = ("--standalone", "--nproc-per-node", str(self._nproc), "--no-python")
        launcher = (sys.executable, "-m", "torch.distributed.run", *options)
        return self._opened(launcher, "serve_in_group", f"{str(self._folder)!r}, {str(path)!r}")

    def _opened(self, launcher: tuple[str, ...], serve: str, arguments: str) -> "subprocess.Popen[bytes]":
        self._lines = SimpleQueue()
        self._is_used = False
        code = _START.format(path=sys.path, serve=serve, arguments=arguments)
        # Without a number torchrun sets it to 1.
        environment = {"OMP_NUM_THREADS": str(self._threads)} if launcher else self._environment
        with self._starting:
            if self._is_ended:
                raise WorkerError("nobody waits for it any more")
            self._process = process = subprocess.Popen(  # noqa: S603 - our own code
                [*launcher, sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                # What torchrun says of processes that fail is long, and what they say of themselves comes otherwise.
                stderr=subprocess.DEVNULL if launcher else None,
                env={**os.environ, **environment} if environment else None,
            )
        threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
        return process

    def _line(self, process: "subprocess.Popen[bytes]", end: float) -> bytes:
        """The next line.

        Raises:
            TimeoutError: there is none before ``end``.
            EOFError: the process is dead. What it forked may still hold its end of the pipe, which then never ends.
        """
        while True:
            was_alive = process.poll() is None
            try:
                line = self._lines.get(timeout=max(0, min(_LOOK_AFTER_S, end - time.monotonic())))
            except Empty:
                if time.monotonic() >= end:
                    raise TimeoutError from None
                if not was_alive:
                    raise EOFError from None
                continue
            if not line:
                raise EOFError
            return line

    def _death(self, process: "subprocess.Popen[bytes]") -> WorkerError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.returncode
        failure = self._failure_in_group()
        self.close()
        if failure is not None:
            return failure
        if code is None or code >= 0:
            return WorkerError(f"its process ended with exit code {code} in the middle of it")
        name = signal.Signals(-code).name
        is_killed = -code == signal.SIGKILL
        hint = ", as when memory runs out" if is_killed else ""
        return WorkerError(f"its process was killed by {name}{hint}", out_of_memory=is_killed)

    def _failure_in_group(self) -> WorkerError | None:
        """What one of several processes left behind, before the launcher ended the others."""
        with suppress(OSError):
            if self._shared is not None:
                left = msgspec.json.decode(Path(self._shared.name, FAILURE).read_bytes())
                return WorkerError(left["error"], left["exit_code"], out_of_memory=left["out_of_memory"])
        return None

    def end(self) -> None:
        """Ends the process while another thread may be waiting for its answer, and lets it start no other."""
        with self._starting:
            self._is_ended = True
            process = self._process
        if process is not None:
            _kill(process)

    def close(self) -> None:
        """Ends the process."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.cleanup()
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends it, and what it started."""
    with suppress(AttributeError, OSError):  # systems without groups, and one that is gone
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _read(process: "subprocess.Popen[bytes]", lines: "SimpleQueue[bytes]") -> None:
    """Hands on what the process says, then an empty line."""
    with suppress(OSError, ValueError):  # closed under us
        for line in process.stdout or ():
            lines.put(line)
    lines.put(b"")
