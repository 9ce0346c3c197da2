"""Executors of a plan: subprocesses for names, this process for modules."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from netscope.api.bench.preflight import inspect_device, run_preflight
from netscope.api.bench.request import ProgressData, run_request, try_steps
from netscope.api.workers.client import Worker, WorkerError
from netscope.errors import OutOfMemoryError
from netscope.schema import BenchConfig, BenchEnvironment, BenchRequest, BenchResult, PreflightResult


class Executor(Protocol):
    """An environment in which architectures are measured."""

    def inspect_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """Same as ``preflight.inspect_device``."""

    def run_preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """Same as ``preflight.run_preflight``."""

    def measure(self, request: BenchRequest, models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """Same as ``request.run_request``."""

    def try_steps(self, request: BenchRequest, models: Sequence[Any]) -> None:
        """Same as ``request.try_steps``."""

    def stop(self) -> None:
        """Ends the current measurement early, with the blocks that it has."""

    def close(self) -> None:
        """Ends all processes."""


class SubprocessExecutor:
    """Uses one process for all preflights and a new process for each measurement."""

    def __init__(self, folder: Path, report_progress: Callable[[ProgressData], None]) -> None:
        self._folder = folder
        self._report_progress = report_progress
        self._preflight_worker = Worker(folder)
        self._measure_worker: Worker | None = None

    def inspect_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """Returns the name of the device and the environment."""
        name, found = self._preflight_worker.run("bench_device", (config, command))
        return name, msgspec.convert(found, BenchEnvironment)

    def run_preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """Returns the facts about the architecture that are known before measuring."""
        return msgspec.convert(
            self._preflight_worker.run("bench_preflight", (model, config, with_summary)), PreflightResult
        )

    def measure(self, request: BenchRequest, _models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """Returns the results of a new process, or of as many as configured."""
        answer = self._run_in_new_process("bench_measure", request)
        return msgspec.convert(answer, tuple[BenchResult, ...])

    def try_steps(self, request: BenchRequest, _models: Sequence[Any]) -> None:
        """Runs a few steps in a new process."""
        self._run_in_new_process("bench_try", request)

    def _run_in_new_process(self, task: str, request: BenchRequest) -> Any:
        """Returns the result of a task.

        Raises:
            OutOfMemoryError: memory ran out, also if the system killed the process.
            WorkerError: the process failed.
        """
        self._preflight_worker.close()  # the measurement may need its memory
        self._measure_worker = Worker(self._folder, request.config.nproc, request.config.threads)
        try:
            return self._measure_worker.run(task, (request,), on_progress=self._report_progress)
        except WorkerError as error:
            if error.out_of_memory:
                raise OutOfMemoryError(str(error)) from error
            raise
        finally:
            self._measure_worker.close()
            self._measure_worker = None

    def stop(self) -> None:
        """Asks the measuring process to end early."""
        if self._measure_worker is not None:
            self._measure_worker.stop()

    def close(self) -> None:
        """Ends all processes."""
        self._preflight_worker.close()
        if self._measure_worker is not None:
            self._measure_worker.close()


class InProcessExecutor:
    """Uses this process: for modules, and for the processes that torchrun starts."""

    def __init__(self, inputs: Any, report_progress: Callable[[ProgressData], None]) -> None:
        self._inputs = inputs
        self._report_progress = report_progress
        self._is_stopped = False

    def inspect_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """Returns the name of the device and the environment."""
        return inspect_device(config, command)

    def run_preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """Returns the facts about the architecture that are known before measuring."""
        return run_preflight(model, config, self._inputs, with_summary=with_summary)

    def measure(self, request: BenchRequest, models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """Returns the results."""
        return run_request(request, self._report_progress, lambda: self._is_stopped, models, self._inputs)

    def try_steps(self, request: BenchRequest, models: Sequence[Any]) -> None:
        """Runs a few steps."""
        try_steps(request, models, self._inputs)

    def stop(self) -> None:
        """Makes the measurement end after the current round of blocks."""
        self._is_stopped = True

    def close(self) -> None:
        """Does nothing: there is no other process."""
