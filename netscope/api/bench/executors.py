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

    def stop(self) -> bool:
        """Ends the current measurement early; returns whether it has blocks, which are then a result."""

    def close(self) -> None:
        """Ends all processes."""


class SubprocessExecutor:
    """Uses a separate process for each measurement, the first one in that of the preflights."""

    def __init__(self, folder: Path, report_progress: Callable[[ProgressData], None]) -> None:
        self._folder = folder
        self._report_progress = report_progress
        self._worker = Worker(folder)
        self._has_blocks = False

    def inspect_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """Returns the name of the device and the environment."""
        name, found = self._worker.run("bench_device", (config, command))
        return name, msgspec.convert(found, BenchEnvironment)

    def run_preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """Returns the facts about the architecture that are known before measuring."""
        return msgspec.convert(self._worker.run("bench_preflight", (model, config, with_summary)), PreflightResult)

    def measure(self, request: BenchRequest, _models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """Returns the results of a process, or of as many as configured."""
        return msgspec.convert(self._run_and_close("bench_measure", request), tuple[BenchResult, ...])

    def try_steps(self, request: BenchRequest, _models: Sequence[Any]) -> None:
        """Runs a few steps in a process."""
        self._run_and_close("bench_try", request)

    def _run_and_close(self, task: str, request: BenchRequest) -> Any:
        """Returns the result of a task, after which no other runs in its process.

        Raises:
            OutOfMemoryError: memory ran out, also if the system killed the process.
            WorkerError: the process failed.
        """
        config = request.config
        if config.nproc > 1 or config.compile is not None:  # the compiler needs all imports of torch
            self._worker.close()
            self._worker = Worker(self._folder, config.nproc, config.threads)
        self._has_blocks = False
        try:
            return self._worker.run(task, (request,), on_progress=self._on_progress)
        except WorkerError as error:
            if error.out_of_memory:
                raise OutOfMemoryError(str(error)) from error
            raise
        finally:
            self._has_blocks = False
            self._worker.close()
            self._worker = Worker(self._folder)

    def _on_progress(self, progress: ProgressData) -> None:
        self._has_blocks = progress["blocks"] > 0
        self._report_progress(progress)

    def stop(self) -> bool:
        """Asks the process to end the measurement early; returns whether it has blocks."""
        self._worker.stop()
        return self._has_blocks

    def close(self) -> None:
        """Ends the process."""
        self._worker.close()


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

    def stop(self) -> bool:
        """Makes the measurement end after the current round of blocks."""
        self._is_stopped = True
        return True

    def close(self) -> None:
        """Does nothing: there is no other process."""
