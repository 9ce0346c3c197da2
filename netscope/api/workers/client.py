"""The client of a worker: a separate process, so a model that crashes or hangs takes nothing else with it.

The process is started as a command rather than by ``multiprocessing``, whose children import the caller's script again.
Requests and responses are lines of JSON.
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
from netscope.runtime.wording import is_naming_options, show_argument
from netscope.schema.codec import encode_json

REQUEST_FILE = "request.json"
FAILURE_FILE = "failure.json"
"""Files in the folder that a process group shares: the task, and the error of a process other than the first."""

PREPARE = "prepare"
"""The task that only imports torch, after which a process still counts as fresh."""

CAN_FORK = sys.platform == "linux"
"""Whether a child forked after torch was imported can run a task. On other systems libraries do not allow it."""

_POLL_INTERVAL_S = 1.0
_START = "import sys; sys.path[:] = {path!r}; from netscope.api.workers.server import {serve}; {serve}({arguments})"


class WorkerError(NetscopeError):
    """A task of a worker failed.

    Attributes:
        exit_code: exit code for the command line: that of the error in the worker, or 3 if it crashed or hung.
        out_of_memory: whether memory ran out, or the worker was killed by SIGKILL, as the system does then.
    """

    def __init__(self, message: str, exit_code: int = 3, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class Worker:
    """A process that imports torch once and runs one task after another.

    If it crashes, or is killed after a timeout, a new process runs the next task. Processes that it started, e.g. data
    loaders, are killed with it.
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
            folder: working directory, where an architecture's files and modules are searched.
            nproc: number of processes; several are launched with torchrun and run each task together.
            threads: CPU threads per process if there are several; None for one.
            environment: variables to add to the environment of the process.
        """
        self._folder = folder
        self._environment = environment
        self._nproc = nproc
        self._threads = threads or 1
        self._process: subprocess.Popen[bytes] | None = None
        self._group_folder: TemporaryDirectory[str] | None = None
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_terminated = False
        self._has_run_task = False

    def prepare(self, folder: Path, *, import_torch: bool = True, fresh: bool = False) -> None:
        """Makes ``folder`` the working directory of the next tasks, in a new process if this one ran a task elsewhere.

        Args:
            folder: working directory for the next tasks.
            import_torch: whether to wait until the process has imported torch.
            fresh: whether the process must not have run any task.

        Raises:
            WorkerError: importing torch failed.
        """
        if self._has_run_task and (fresh or folder != self._folder):
            self.close()
        self._folder = folder
        is_running = self._process is not None and self._process.poll() is None
        if import_torch and not is_running:
            self.run(PREPARE, ())

    def run(
        self,
        task: str,
        arguments: Sequence[Any],
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Any], None] = lambda _: None,
        fork: bool = False,
    ) -> Any:
        """Returns the result of a task, as plain data.

        Args:
            task: a key of ``server.TASKS``.
            arguments: plain data.
            timeout_s: seconds after which the process is killed; None for no limit.
            on_progress: called with each progress message of the task.
            fork: whether to run the task in a forked child, where the system can fork, so the process stays fresh.

        Raises:
            WorkerError: the task failed, crashed or timed out.
        """
        request = {
            "task": task,
            "arguments": arguments,
            "folder": str(self._folder),
            "fork": fork and CAN_FORK,
            "names_options": is_naming_options(),
        }
        process = self._ensure_process(request)
        self._has_run_task = self._has_run_task or not (request["fork"] or task == PREPARE)
        end = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        try:
            if self._nproc == 1:
                self._send(request)
            while "progress" in (message := self._next_message(process, end)):
                on_progress(message["progress"])
            if request["fork"] and "ended" not in message:
                self._next_message(process, end)  # that the child has ended
        except TimeoutError as error:
            self.close()
            raise WorkerError(
                f"it took longer than {timeout_s:g} s ({show_argument('--timeout')}) and was stopped"
            ) from error
        except msgspec.DecodeError as error:
            self.close()
            raise WorkerError("its process wrote something other than an answer, and was stopped") from error
        except (EOFError, OSError) as error:
            raise self._crash_error(process) from error
        if "ended" in message:
            raise _describe_end(message["ended"])
        if "error" in message:
            failure = WorkerError(**message["error"])
            # If another process of a group failed, the error of the first is only that the other is gone.
            raise failure if failure.out_of_memory else self._group_error() or failure
        return message["result"]

    def stop(self) -> None:
        """Asks the running task to finish early; a measurement then returns the results so far."""
        with suppress(OSError):
            self._send({"stop": True})

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(encode_json(message) + b"\n")
            self._process.stdin.flush()

    def _ensure_process(self, request: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """Returns the running process, or a new one; a group is launched for each request."""
        if self._nproc > 1:
            return self._launch_group(request)
        if self._process is None or self._process.poll() is not None:
            self.close()
            return self._start_process((), "serve", "")
        return self._process

    def _launch_group(self, request: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """Returns torchrun's process, which starts the group; its processes read the request from a file."""
        self.close()
        self._group_folder = TemporaryDirectory(prefix="netscope-")
        path = Path(self._group_folder.name, REQUEST_FILE)
        path.write_bytes(encode_json(request))
        options = ("--standalone", "--nproc-per-node", str(self._nproc), "--no-python")
        launcher = (sys.executable, "-m", "torch.distributed.run", *options)
        return self._start_process(launcher, "serve_in_group", repr(str(path)))

    def _start_process(self, launcher: tuple[str, ...], serve: str, arguments: str) -> "subprocess.Popen[bytes]":
        self._lines = SimpleQueue()
        self._has_run_task = False
        code = _START.format(path=sys.path, serve=serve, arguments=arguments)
        # torchrun sets the number of threads to 1 unless it is given.
        environment = {"OMP_NUM_THREADS": str(self._threads)} if launcher else self._environment
        with self._starting:
            if self._is_terminated:
                raise WorkerError("the worker was terminated")
            self._process = process = subprocess.Popen(  # noqa: S603 - our own code
                [*launcher, sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                # torchrun reports failed processes at length, and their own errors arrive as responses.
                stderr=subprocess.DEVNULL if launcher else None,
                env={**os.environ, **environment} if environment else None,
            )
        threading.Thread(target=_read_lines, args=(process, self._lines), daemon=True).start()
        return process

    def _next_message(self, process: "subprocess.Popen[bytes]", end: float) -> Any:
        """Returns the next message of the process.

        Raises:
            TimeoutError: no message arrived before ``end``.
            EOFError: the process is dead. The end of its pipe does not show that while a process it forked holds it.
            msgspec.DecodeError: something else was written into the pipe, or only a part of a message.
        """
        while True:
            was_alive = process.poll() is None
            try:
                line = self._lines.get(timeout=max(0, min(_POLL_INTERVAL_S, end - time.monotonic())))
            except Empty:
                if time.monotonic() >= end:
                    raise TimeoutError from None
                if not was_alive:
                    raise EOFError from None
                continue
            if not line:
                raise EOFError
            return msgspec.json.decode(line)

    def _crash_error(self, process: "subprocess.Popen[bytes]") -> WorkerError:
        """Returns the error that describes how the process ended."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.returncode
        error = self._group_error()
        self.close()
        return error or _describe_end(code)

    def _group_error(self) -> WorkerError | None:
        """Returns the error that a process of the group wrote before the launcher ended the others, if any."""
        with suppress(OSError):
            if self._group_folder is not None:
                failure = msgspec.json.decode(Path(self._group_folder.name, FAILURE_FILE).read_bytes())
                return WorkerError(**failure["error"])
        return None

    def terminate(self) -> None:
        """Kills the process, also while another thread waits for its result, and starts no other."""
        with self._starting:
            self._is_terminated = True
            process = self._process
        if process is not None:
            _kill(process)

    def close(self) -> None:
        """Kills the process; the next task starts a new one."""
        folder, self._group_folder = self._group_folder, None
        if folder is not None:
            folder.cleanup()
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()


def _describe_end(code: int | None) -> WorkerError:
    """Returns the error for a process that ended before it answered.

    Args:
        code: exit code, or the negative number of the signal that killed it; None if unknown.
    """
    if code is None or code >= 0:
        return WorkerError(f"its process ended with exit code {code} before it answered")
    is_killed = -code == signal.SIGKILL
    hint = ", as when memory runs out" if is_killed else ""
    return WorkerError(f"its process was killed by {signal.Signals(-code).name}{hint}", out_of_memory=is_killed)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kills the process and the processes that it started."""
    with suppress(AttributeError, OSError):  # a system without process groups, or a group that is gone
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _read_lines(process: "subprocess.Popen[bytes]", lines: "SimpleQueue[bytes]") -> None:
    """Puts each line that the process writes into the queue, then an empty one, and closes the pipe.

    No other thread may close it: that would wait for a daemon that a model started, which keeps the other end open.
    """
    if process.stdout is not None:
        with process.stdout, suppress(OSError):
            for line in process.stdout:
                lines.put(line)
    lines.put(b"")
