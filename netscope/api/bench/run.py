"""Runs a plan and adds each result to the report as soon as it is measured."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from netscope.api.bench.compare_saved import add_saved_comparisons, check_comparable, check_has_results
from netscope.api.bench.executors import Executor, InProcessExecutor, SubprocessExecutor
from netscope.api.bench.interleaving import measure_interleaved
from netscope.api.bench.largest_batch import find_largest_batch
from netscope.api.bench.plan import BenchPlan, check_plan
from netscope.api.bench.request import ProgressData
from netscope.errors import DeviceError, MeasuringError, NetscopeError, OutOfMemoryError
from netscope.runtime.torchrun_env import is_torchrun_process
from netscope.schema import (
    Architecture,
    BenchConfig,
    BenchEnvironment,
    BenchReport,
    BenchRequest,
    BenchResult,
    Comparison,
    PreflightResult,
)
from netscope.schema.bench import BenchStatus
from netscope.statistics import apply_holm_correction, compare_pairs

_MIN_TURNS = 4
"""Minimum turns for a comparison: two means of two turns each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchCallbacks:
    """Functions that are called while a plan runs.

    Attributes:
        on_activity: is called with a description of each activity.
        on_progress: is called with the progress of a measurement.
        on_results: is called with the report whenever results were added.
    """

    on_activity: Callable[[str], None] = lambda _: None
    on_progress: Callable[[ProgressData], None] = lambda _: None
    on_results: Callable[[BenchReport], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConfigGroup:
    """The architectures that are compared in one configuration."""

    config: BenchConfig
    models: tuple[Any, ...]
    preflights: tuple[PreflightResult, ...]


class BenchRun:
    """A run of a plan, which can be stopped; ``report`` contains its results so far."""

    def __init__(self, plan: BenchPlan, callbacks: BenchCallbacks | None = None) -> None:
        """Prepares the run.

        Args:
            plan: the plan.
            callbacks: functions that are called during the run.
        """
        self._plan = plan
        self._callbacks = callbacks or BenchCallbacks()
        self._executor: Executor = (
            SubprocessExecutor(Path.cwd(), self._callbacks.on_progress)
            if plan.by_name and not plan.in_this_process
            else InProcessExecutor(plan.inputs, self._callbacks.on_progress)
        )
        self._environment: BenchEnvironment | None = None
        self._is_stopped = False
        self.report = BenchReport(results=(), slower_limit=plan.slower_limit)

    def stop(self) -> bool:
        """Ends the run with the results so far; returns whether blocks of one more will be in the report.

        If not, nothing is lost when the caller does not wait for ``run`` to return.
        """
        self._is_stopped = True
        return self._executor.stop()

    def close(self) -> None:
        """Ends all processes."""
        self._executor.close()

    def run(self) -> BenchReport:
        """Measures everything and returns the report.

        Raises:
            NetscopeError: an option or the device is invalid, or the only requested measurement failed.
        """
        try:
            for group in self._prepare_groups():
                if self._is_stopped:
                    break
                self._measure_group(group)
        finally:
            self.close()
        results = self.report.results
        if len(results) == 1 and results[0].status == "failed":
            raise MeasuringError(results[0].message)
        return self.report

    def _prepare_groups(self) -> Iterator[_ConfigGroup]:
        """Yields the groups to measure, after all checks that are possible in advance."""
        plan = self._plan
        self._callbacks.on_activity("inspecting the device")
        device, self._environment = self._executor.inspect_device(plan.configs[0], plan.command)
        configs = tuple(replace(config, device=device) for config in plan.configs)
        check_plan(replace(plan, configs=configs))
        for config in configs[1:]:
            self._executor.inspect_device(config, plan.command)
        groups: list[_ConfigGroup] = []
        for config in configs:
            preflights = [(model, self._run_preflight(model, config)) for model in plan.models]
            pairs = [(model, preflight) for model, preflight in preflights if preflight is not None]
            parts = [[pair] for pair in pairs] if plan.largest_batch else [pairs]
            groups += [
                _ConfigGroup(config=config, models=tuple(m for m, _ in part), preflights=tuple(s for _, s in part))
                for part in parts
                if part
            ]
        if not plan.largest_batch:
            self._check_earlier(groups)
            yield from groups
            return
        for group in groups:
            complete = self._find_largest_batch(group)
            if complete is not None:
                self._check_earlier([complete])
                yield complete

    def _check_earlier(self, groups: Sequence[_ConfigGroup]) -> None:
        """Checks that these groups can be compared with the earlier run, if any."""
        before, environment = self._plan.before, self._environment
        if before is None or environment is None:
            return
        planned = [(preflight, group.config) for group in groups for preflight in group.preflights]
        check_has_results(before, planned, needs_all=self._plan.slower_limit is not None)
        if not self._plan.force:
            check_comparable(before, planned, environment)

    def _run_preflight(self, model: Any, config: BenchConfig) -> PreflightResult | None:
        """Returns the preflight of a model; if it cannot be run, adds a failed result and returns None."""
        self._callbacks.on_activity(f"tracing {_format_name(model)}")
        try:
            return self._executor.run_preflight(model, config, with_summary=self._plan.layers)
        except NetscopeError as error:
            if error.exit_code != MeasuringError.exit_code or isinstance(error, DeviceError):
                raise
            self._add_failure(_format_name(model), config, error)
            return None

    def _find_largest_batch(self, group: _ConfigGroup) -> _ConfigGroup | None:
        """Returns the group with the largest batch that fits; if none runs, adds a failed result and returns None."""
        ((model,), (preflight,)) = group.models, group.preflights

        def try_batch(size: int) -> None:
            self._callbacks.on_activity(f"{_format_name(model)}: trying a batch of {size:,}")
            config = replace(group.config, batch_size=size)
            request = BenchRequest(preflights=(preflight,), config=config, command=self._plan.command)
            self._executor.try_steps(request, [model])

        try:
            largest = find_largest_batch(try_batch, lambda: self._is_stopped)
        except NetscopeError as error:
            self._add_failure(_format_name(model), group.config, error, preflight)
            return None
        config = replace(group.config, batch_size=largest.size)
        preflight = self._executor.run_preflight(model, config, with_summary=self._plan.layers)
        preflight = replace(preflight, notes=(*preflight.notes, largest.note))
        return _ConfigGroup(config=config, models=group.models, preflights=(preflight,))

    def _measure_group(self, group: _ConfigGroup) -> None:
        """Measures a group and adds its results."""
        request = BenchRequest(preflights=group.preflights, config=group.config, command=self._plan.command)
        self._callbacks.on_activity(f"{' and '.join(map(_format_name, group.models))} · {format_config(group.config)}")
        try:
            results = self._executor.measure(request, group.models)
        except NetscopeError as error:
            if error.exit_code != MeasuringError.exit_code:
                raise
            if is_torchrun_process():
                self._add_failure(_format_name(group.models[0]), group.config, error, group.preflights[0])
                raise  # the other processes are at another point and could not continue together
            if len(group.models) == 1:
                self._add_failure(_format_name(group.models[0]), group.config, error, group.preflights[0])
            elif isinstance(error, OutOfMemoryError):
                self._measure_interleaved(group, request)
            else:
                self._measure_separately(group)
            return
        start = len(self.report.results)
        turns = {start + number: result.step_times for number, result in enumerate(results)}
        self._add_results(results, _compare_all(turns, same_process=True))

    def _measure_interleaved(self, group: _ConfigGroup, request: BenchRequest) -> None:
        empty = self._create_empty_result(group.preflights[0].architecture, group.config)
        try:
            interleaved = measure_interleaved(request, group.models, self._executor, empty, lambda: self._is_stopped)
        except OutOfMemoryError:
            raise
        except NetscopeError:
            self._measure_separately(group)
            return
        start = len(self.report.results)
        turns = {start + position: times for position, times in interleaved.mean_step_s.items()}
        self._add_results(interleaved.results, _compare_all(turns, same_process=False))

    def _measure_separately(self, group: _ConfigGroup) -> None:
        """Finds the architectures that fail, and measures the others."""
        runnable = []
        for model, preflight in zip(group.models, group.preflights, strict=True):
            request = BenchRequest(preflights=(preflight,), config=group.config, command=self._plan.command)
            try:
                self._executor.try_steps(request, [model])
            except NetscopeError as error:
                self._add_failure(_format_name(model), group.config, error, preflight)
            else:
                runnable.append((model, preflight))
        # If each runs for a few steps alone, each is measured alone, which shows the one that fails.
        parts = [[pair] for pair in runnable] if len(runnable) == len(group.models) else [runnable]
        for part in filter(None, parts):
            self._measure_group(
                _ConfigGroup(
                    config=group.config, models=tuple(m for m, _ in part), preflights=tuple(s for _, s in part)
                )
            )

    def _add_failure(
        self, name: str, config: BenchConfig, error: NetscopeError, preflight: PreflightResult | None = None
    ) -> None:
        """Adds a result with the reason why an architecture was not measured."""
        architecture = preflight.architecture if preflight else _unresolved(name)
        status: BenchStatus = "oom" if isinstance(error, OutOfMemoryError) else "failed"
        empty = self._create_empty_result(architecture, config)
        inputs = preflight.inputs if preflight else ()
        self._add_results((replace(empty, status=status, message=str(error), inputs=inputs),), ())

    def _create_empty_result(self, architecture: Any, config: BenchConfig) -> BenchResult:
        if self._environment is None:
            raise MeasuringError("the device has not been inspected yet")
        return BenchResult(
            architecture=architecture, inputs=(), config=config, environment=self._environment, status="failed"
        )

    def _add_results(self, results: Sequence[BenchResult], comparisons: Sequence[Comparison]) -> None:
        self.report = replace(
            self.report, results=(*self.report.results, *results), comparisons=(*self.report.comparisons, *comparisons)
        )
        if self._plan.before is not None:
            self.report = add_saved_comparisons(self._plan.before, replace(self.report, notes=()))
        self._callbacks.on_results(self.report)


def _compare_all(turns: dict[int, tuple[float, ...]], *, same_process: bool) -> tuple[Comparison, ...]:
    """Returns the comparisons of all pairs of a group, corrected for their number."""
    pairs = [
        (first, second)
        for first, second in combinations(turns, 2)
        if min(len(turns[first]), len(turns[second])) >= _MIN_TURNS
    ]
    differences = apply_holm_correction([compare_pairs(turns[first], turns[second]) for first, second in pairs])
    return tuple(
        Comparison(first=first, second=second, difference=difference, same_process=same_process)
        for (first, second), difference in zip(pairs, differences, strict=True)
    )


def format_config(config: BenchConfig) -> str:
    """Returns a short description of a configuration."""
    batch = f"batch {config.batch_size:,}" if config.batch_size else "default batch"
    processes = f" · {config.nproc} processes" if config.nproc > 1 else ""
    return f"{batch} · {config.dtype} · {config.mode} · {config.device}{processes}"


def _unresolved(name: str) -> Architecture:
    return Architecture(spec=name, source="", name=name, options={}, description="")


def _format_name(model: Any) -> str:
    return model if isinstance(model, str) else type(model).__name__
