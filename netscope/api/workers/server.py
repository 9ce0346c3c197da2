"""The server of a worker: the process that runs the tasks its client requests."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

import msgspec

from netscope.api.result_cache import inherit_cache
from netscope.api.workers.client import FAILURE_FILE, PREPARE
from netscope.errors import NetscopeError, OutOfMemoryError, describe_error, describe_unexpected_error, shorten_message
from netscope.runtime import startup
from netscope.runtime.wording import name_options
from netscope.schema.codec import encode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """The connection of a running task to the client.

    Attributes:
        report: sends progress, as plain data.
        stopped: set when the client wants the task to finish early, with the results so far.
    """

    report: Callable[[Any], None]
    stopped: threading.Event


def _prepare(_context: TaskContext) -> None:
    """Summarizes a built-in architecture, so no task's time includes what only the first one takes.

    Most of that is imports, half of them on first use. A forked child inherits them, and so takes a tenth of the time.
    """
    with startup.stub_imports(), startup.defer_garbage_collection():
        from netscope.api.result_cache import without_cache
        from netscope.api.summary import get_summary

        with without_cache():
            get_summary("lenet5").to_json()


def _summary(_context: TaskContext, model: str, inputs: Sequence[str], options: dict[str, Any]) -> Any:
    """Returns the JSON of ``get_summary``."""
    from netscope.api.summary import get_summary

    return get_summary(model, inputs or None, options).to_json()


def _compared(_context: TaskContext, model: str, inputs: Sequence[str], options: dict[str, Any]) -> Any:
    """Returns the result of ``compare_one``."""
    from netscope.api.compare import compare_one

    return compare_one(model, inputs or None, options)


def _bench_device(_context: TaskContext, config: Any, command: str) -> Any:
    """Returns the result of ``inspect_device``."""
    from netscope.api.bench.preflight import inspect_device
    from netscope.schema import BenchConfig

    return inspect_device(msgspec.convert(config, BenchConfig), command)


def _bench_preflight(_context: TaskContext, model: str, config: Any, with_summary: bool) -> Any:
    """Returns the result of ``run_preflight``."""
    from netscope.api.bench.preflight import run_preflight
    from netscope.schema import BenchConfig

    return run_preflight(model, msgspec.convert(config, BenchConfig), with_summary=with_summary)


def _bench_measure(context: TaskContext, request: Any) -> Any:
    """Returns the results of ``run_request``."""
    from netscope.api.bench.request import run_request
    from netscope.schema import BenchRequest

    return run_request(msgspec.convert(request, BenchRequest), context.report, context.stopped.is_set)


def _bench_try(_context: TaskContext, request: Any) -> None:
    """Calls ``try_steps``."""
    from netscope.api.bench.request import try_steps
    from netscope.schema import BenchRequest

    try_steps(msgspec.convert(request, BenchRequest))


def _bench_selftest(context: TaskContext, config: Any) -> Any:
    """Returns the result of ``run_self_test_here``."""
    from netscope.api.bench.selftest import run_self_test_here
    from netscope.schema import BenchConfig

    return run_self_test_here(msgspec.convert(config, BenchConfig), context.report)


TASKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        PREPARE: _prepare,
        "summary": _summary,
        "compared": _compared,
        "bench_device": _bench_device,
        "bench_preflight": _bench_preflight,
        "bench_measure": _bench_measure,
        "bench_try": _bench_try,
        "bench_selftest": _bench_selftest,
    }
)
"""The tasks by name. Each takes a ``TaskContext`` and its arguments, and returns plain data."""


class Server:
    """The requests and responses of this process, on its stdin and stdout; what tasks print goes to stderr."""

    def __init__(self, *, is_connected: bool = True) -> None:
        """Makes this process a worker.

        Args:
            is_connected: whether it reads requests and sends progress; only the first process of a group does.
        """
        startup.mark_own_process()
        self._is_connected = is_connected
        self._responses = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._stopped = threading.Event()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if is_connected:
            stdin = os.fdopen(os.dup(0), "rb")
            threading.Thread(target=self._listen, args=(stdin,), daemon=True).start()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)

    def next_request(self) -> dict[str, Any]:
        """Returns the next request, once there is one."""
        return self._requests.get()

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Runs a task and returns the response to send: its result, or its error."""
        context = TaskContext(report=self._report, stopped=self._stopped)
        try:
            with name_options(request["names_options"]):
                return {"result": TASKS[request["task"]](context, *request["arguments"])}
        except NetscopeError as error:
            return _make_failure(str(error), error.exit_code, out_of_memory=isinstance(error, OutOfMemoryError))
        except Exception as error:  # noqa: BLE001 - a bug of netscope, which must not affect the other tasks
            return _make_failure(describe_unexpected_error(error))
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, and this process goes on
            return _make_failure(f"it raised {describe_error(error)}")

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message to the client, or exits if the client is gone or a model closed the connection."""
        try:
            self._responses.write(encode_json(message) + b"\n")
            self._responses.flush()
        except BrokenPipeError:
            _exit_with_children()
        except OSError:
            os._exit(1)

    def _report(self, progress: Any) -> None:
        if self._is_connected:
            self.send({"progress": progress})

    def _listen(self, stdin: BinaryIO) -> None:
        """Queues the requests from the client; exits when the client is gone, for whatever reason."""
        for line in stdin:
            request = msgspec.json.decode(line)
            if "stop" in request:
                self._stopped.set()
            else:
                self._requests.put(request)
        _exit_with_children()


def serve() -> None:
    """Runs one task after another until the client is gone, each in the folder where its files are searched."""
    server = Server()
    inherit_cache()
    path, process = tuple(sys.path), os.getpid()
    while True:
        request = server.next_request()
        os.chdir(request["folder"])
        sys.path[:] = path
        if request["fork"]:
            _run_in_child(server, request)
            continue
        response = server.run(request)
        if os.getpid() != process:
            os._exit(0)  # the model forked; the parent sends the response
        server.send(response)


def _run_in_child(server: Server, request: dict[str, Any]) -> None:
    """Runs a task in a forked child, which leaves this process unchanged; sends how the child ended, once it has.

    So a child that ends without a response, for whatever reason, is noticed at once.
    """
    child = os.fork()
    if not child:
        process = os.getpid()
        response = server.run(request)
        if os.getpid() == process:
            server.send(response)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    server.send({"ended": os.waitstatus_to_exitcode(status)})


def serve_in_group(path: str) -> None:
    """Runs one task together with the other processes of a torchrun group; the first one sends the response.

    Args:
        path: file with the request; an error of another process is written next to it.
    """
    is_first = os.environ["RANK"] == "0"
    request = msgspec.json.decode(Path(path).read_bytes())
    server = Server(is_connected=is_first)
    os.chdir(request["folder"])
    response = server.run(request)
    if is_first:
        server.send(response)
    if "result" in response:
        return
    if not is_first:
        Path(path).with_name(FAILURE_FILE).write_bytes(encode_json(response))
    os._exit(1)  # without waiting for the other processes, which may wait for this one


def _exit_with_children() -> NoReturn:
    """Ends this process and the processes it started, silently, because the client is gone."""
    with suppress(AttributeError, OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _make_failure(message: str, exit_code: int = 3, *, out_of_memory: bool = False) -> dict[str, Any]:
    """Returns the response for a failed task, with the arguments of ``WorkerError``."""
    return {"error": {"message": shorten_message(message), "exit_code": exit_code, "out_of_memory": out_of_memory}}
