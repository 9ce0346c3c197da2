"""The other side of ``isolation``: what a worker process does with what it is asked."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

import msgspec

from netscope.api.result_cache import recall_as_asked
from netscope.api.workers.client import FAILURE, PREPARE
from netscope.errors import NetscopeError, OutOfMemoryError, describe_error, describe_unexpected_error
from netscope.runtime import startup
from netscope.schema.codec import encode_json

LONGEST_MESSAGE = 1000

Teller = Callable[[Any], None]


def _prepare(_tell: Teller) -> None:
    """Imports what every architecture needs, so that this counts for none of them."""
    with startup.importing():
        from netscope import sources, tracing  # noqa: F401


def _summary(_tell: Teller, model: str, inputs: Sequence[str], options: dict[str, Any]) -> Any:
    """The JSON of ``summarize``."""
    from netscope.api.diff import get_summary
    from netscope.schema.inputs import parse_inputs

    return get_summary(model, parse_inputs(inputs) if inputs else None, options).to_json()


def _names(_tell: Teller, spec: str) -> Any:
    """As ``expand_pattern``."""
    from netscope.api.compare import expand_pattern

    return expand_pattern(spec)


def _compared(_tell: Teller, model: str, inputs: Sequence[str], options: dict[str, Any]) -> Any:
    """As ``compare_one``."""
    from netscope.api.compare import compare_one
    from netscope.schema.inputs import parse_inputs

    return compare_one(model, parse_inputs(inputs) if inputs else None, options)


STOPPED = threading.Event()
"""Set once whoever asked wants no more than what there is."""


def _bench_device(_tell: Teller, config: Any, command: str) -> Any:
    """As ``inspect_device``."""
    from netscope.api.bench.preflight import inspect_device
    from netscope.schema import BenchConfig

    return inspect_device(msgspec.convert(config, BenchConfig), command)


def _bench_survey(_tell: Teller, model: str, config: Any, with_summary: bool) -> Any:
    """As ``run_preflight``."""
    from netscope.api.bench.preflight import run_preflight
    from netscope.schema import BenchConfig

    return run_preflight(model, msgspec.convert(config, BenchConfig), with_summary=with_summary)


def _bench_measure(tell: Teller, request: Any) -> Any:
    """As ``run_request``; ``{"oom": …}`` where memory does not suffice."""
    from netscope.api.bench.request import run_request
    from netscope.schema import BenchRequest

    try:
        return run_request(msgspec.convert(request, BenchRequest), tell, STOPPED.is_set)
    except OutOfMemoryError as error:
        return {"oom": _shortened(str(error))}


def _bench_fits(_tell: Teller, request: Any) -> Any:
    """As ``try_steps``; False where memory does not suffice."""
    from netscope.api.bench.request import try_steps
    from netscope.schema import BenchRequest

    try:
        return try_steps(msgspec.convert(request, BenchRequest))
    except OutOfMemoryError:
        return False


def _bench_selftest(tell: Teller, config: Any) -> Any:
    """As ``run_self_test_here``."""
    from netscope.api.bench.selftest import run_self_test_here
    from netscope.schema import BenchConfig

    return run_self_test_here(msgspec.convert(config, BenchConfig), tell)


TASKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        PREPARE: _prepare,
        "summary": _summary,
        "names": _names,
        "compared": _compared,
        "bench_device": _bench_device,
        "bench_survey": _bench_survey,
        "bench_measure": _bench_measure,
        "bench_fits": _bench_fits,
        "bench_selftest": _bench_selftest,
    }
)
"""Each is given a function that tells something on the way, then the arguments; it answers with plain data."""


def serve(folder: str) -> None:
    """Does one task after another until nobody asks any more, or whoever asked is gone.

    Args:
        folder: where files and modules are looked for.
    """
    asked: SimpleQueue[dict[str, Any]] = SimpleQueue()
    say = _prepared(asked)
    recall_as_asked()
    path, process = tuple(sys.path), os.getpid()
    while True:
        os.chdir(folder)
        sys.path[:] = path
        question = asked.get()
        if question["apart"]:
            _in_child(question, say)
            continue
        message = _answered(question, lambda told: say({"told": told}))
        if os.getpid() != process:
            os._exit(0)  # the model forked, and its other half answers
        say(message)


def _in_child(question: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Has a child do the task, so that nothing that it changes is left here; dies as the child does, if it does."""
    child = os.fork()
    if not child:
        process = os.getpid()
        message = _answered(question, lambda told: say({"told": told}))
        if os.getpid() == process:
            say(message)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    if os.WEXITSTATUS(status):
        os._exit(os.WEXITSTATUS(status))


def serve_in_group(folder: str, path: str) -> None:
    """Does one task together with the other processes that torchrun started; the first of them answers.

    Args:
        folder: where files and modules are looked for.
        path: of the file with the question; what goes wrong in another process is left beside it.
    """
    is_first = os.environ["RANK"] == "0"
    question = msgspec.json.decode(Path(path).read_bytes())
    if not is_first:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    say = _prepared(SimpleQueue(), listens=is_first)
    os.chdir(folder)
    message = _answered(question, lambda told: say({"told": told}) if is_first else None)
    if is_first:
        say(message)
    answer = message.get("answer")
    out_of_memory = answer is False or isinstance(answer, dict)
    if not out_of_memory and "error" not in message:
        return
    if not is_first:
        left = {
            "error": message.get("error") or (answer or {}).get("oom", ""),
            "exit_code": message.get("exit_code", 3),
            "out_of_memory": out_of_memory,
        }
        Path(path).with_name(FAILURE).write_bytes(encode_json(left))
    os._exit(1)  # without waiting for the others, which may wait for us


def _prepared(asked: "SimpleQueue[dict[str, Any]]", *, listens: bool = True) -> Callable[[dict[str, Any]], None]:
    """Makes this process a worker; returns how it answers. Nothing else that it prints comes among the answers."""
    startup.begin()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if listens:
        questions = os.fdopen(os.dup(0), "rb")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        threading.Thread(target=_listen, args=(questions, asked), daemon=True).start()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)

    def say(message: dict[str, Any]) -> None:
        try:
            answers.write(encode_json(message) + b"\n")
            answers.flush()
        except BrokenPipeError:
            _leave()

    return say


def _listen(questions: BinaryIO, asked: "SimpleQueue[dict[str, Any]]") -> None:
    """Hands on what is asked; ends the process, and what it started, when whoever asked is gone, however that was."""
    for line in questions:
        question = msgspec.json.decode(line)
        if "stop" in question:
            STOPPED.set()
        else:
            asked.put(question)
    _leave()


def _leave() -> NoReturn:
    """Ends the process and what it started, without a word: whoever asked is gone."""
    with suppress(AttributeError, OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _answered(question: dict[str, Any], tell: Teller) -> dict[str, Any]:
    try:
        return {"answer": TASKS[question["task"]](tell, *question["arguments"])}
    except NetscopeError as error:
        return {"error": _shortened(str(error)), "exit_code": error.exit_code}
    except KeyboardInterrupt as error:
        return {"error": f"it raised {describe_error(error)}", "exit_code": 3}
    except Exception as error:  # noqa: BLE001 - our own mistake, but the other tasks are none of it
        return {"error": _shortened(describe_unexpected_error(error)), "exit_code": 3}


def _shortened(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_MESSAGE else f"{sentence[:LONGEST_MESSAGE]} …"
