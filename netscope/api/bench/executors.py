"""Where a plan's work is done: in processes of their own for names, in this one for modules in hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from netscope.api.bench.groups import Told, fits, measure_request
from netscope.api.bench.preflight import preflight, probe_device
from netscope.api.workers.client import Worker, WorkerError
from netscope.errors import OutOfMemoryError
from netscope.schema import BenchConfig, BenchEnvironment, BenchRequest, BenchResult, PreflightResult


class Executor(Protocol):
    """Somewhere to measure."""

    def probe_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """As ``survey.survey_device``."""

    def preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """As ``survey.survey``."""

    def measure(self, request: BenchRequest, models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """As ``groups.measure_request``."""

    def fits(self, request: BenchRequest, models: Sequence[Any]) -> bool:
        """As ``groups.fits``."""

    def stop(self) -> None:
        """Has the measurement that is under way come to an end with what it has."""

    def close(self) -> None:
        """Leaves nothing running."""


class SubprocessExecutor:
    """A process of its own for what is known beforehand, and a fresh one for each request that is measured."""

    def __init__(self, folder: Path, tell: Callable[[Told], None]) -> None:
        self._folder = folder
        self._tell = tell
        self._surveyor = Worker(folder)
        self._measuring: Worker | None = None

    def probe_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """The device that is meant, and the environment."""
        name, found = self._surveyor.run("bench_device", (config, command))
        return name, msgspec.convert(found, BenchEnvironment)

    def preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """What is known of the architecture beforehand."""
        return msgspec.convert(self._surveyor.run("bench_preflight", (model, config, with_summary)), PreflightResult)

    def measure(self, request: BenchRequest, _models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """The results from a fresh process; from as many as the configuration says.

        Raises:
            OutOfMemoryError: memory does not suffice; also where the process was killed, as it is when none is left.
            WorkerError: it failed.
        """
        answer = self._fresh("bench_measure", request)
        return msgspec.convert(answer, tuple[BenchResult, ...])

    def fits(self, request: BenchRequest, _models: Sequence[Any]) -> bool:
        """Whether a few steps run in a fresh process."""
        try:
            return bool(self._fresh("bench_fits", request))
        except OutOfMemoryError:
            return False

    def _fresh(self, task: str, request: BenchRequest) -> Any:
        self._surveyor.close()  # what it holds is memory that may be wanted
        self._measuring = Worker(self._folder, request.config.nproc, request.config.threads)
        try:
            answer = self._measuring.run(task, (request,), on_progress=self._tell)
        except WorkerError as error:
            if error.out_of_memory:
                raise OutOfMemoryError(str(error)) from error
            raise
        finally:
            self._measuring.close()
            self._measuring = None
        if isinstance(answer, dict):
            raise OutOfMemoryError(answer["oom"])
        return answer

    def stop(self) -> None:
        """Asks the process that measures."""
        if self._measuring is not None:
            self._measuring.stop()

    def close(self) -> None:
        """Ends all processes."""
        self._surveyor.close()
        if self._measuring is not None:
            self._measuring.close()


class InProcessExecutor:
    """This process: for modules in hand, and for one of several that torchrun has started."""

    def __init__(self, inputs: Any, tell: Callable[[Told], None]) -> None:
        self._inputs = inputs
        self._tell = tell
        self._is_stopped = False

    def probe_device(self, config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
        """The device that is meant, and the environment."""
        return probe_device(config, command)

    def preflight(self, model: Any, config: BenchConfig, *, with_summary: bool) -> PreflightResult:
        """What is known of the architecture beforehand."""
        return preflight(model, config, self._inputs, with_summary=with_summary)

    def measure(self, request: BenchRequest, models: Sequence[Any]) -> tuple[BenchResult, ...]:
        """The results."""
        return measure_request(request, self._tell, lambda: self._is_stopped, models, self._inputs)

    def fits(self, request: BenchRequest, models: Sequence[Any]) -> bool:
        """Whether a few steps run."""
        try:
            return fits(request, models, self._inputs)
        except OutOfMemoryError:
            return False

    def stop(self) -> None:
        """Ends after the next round of blocks."""
        self._is_stopped = True

    def close(self) -> None:
        """There is nothing to end."""
