"""A plan → results, as they come."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from netscope.api.bench.compare_saved import check_comparable, check_measured, compared_with
from netscope.api.bench.executors import Executor, InProcessExecutor, SubprocessExecutor
from netscope.api.bench.interleaving import measured_alternately
from netscope.api.bench.largest_batch import largest_batch
from netscope.api.bench.plan import BenchPlan, check_plan
from netscope.api.bench.request import Told
from netscope.errors import DeviceError, MeasuringError, NetscopeError, OutOfMemoryError
from netscope.runtime.torchrun_env import in_group
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
from netscope.statistics import compare_pairs, corrected

_FEWEST_TURNS = 4
"""Of a comparison: two means of two turns each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told while a plan is carried out.

    Attributes:
        doing: what is being done, in words.
        told: how far a measurement has come.
        measured: the report so far, whenever a result has been added.
    """

    doing: Callable[[str], None] = lambda _: None
    told: Callable[[Told], None] = lambda _: None
    measured: Callable[[BenchReport], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConfigGroup:
    """Architectures that are compared."""

    config: BenchConfig
    models: tuple[Any, ...]
    probed: tuple[PreflightResult, ...]


class BenchRun:
    """One run of a plan. It can be stopped; what it has measured so far is in ``report``."""

    def __init__(self, plan: BenchPlan, watcher: Watcher | None = None) -> None:
        """Does nothing yet.

        Args:
            plan: what to measure.
            watcher: who is told.
        """
        self._plan = plan
        self._watcher = watcher or Watcher()
        self._place: Executor = (
            SubprocessExecutor(Path.cwd(), self._watcher.told)
            if plan.by_name and not plan.in_this_process
            else InProcessExecutor(plan.inputs, self._watcher.told)
        )
        self._environment: BenchEnvironment | None = None
        self._is_stopped = False
        self.report = BenchReport(results=(), slower_limit=plan.slower_limit)

    def stop(self) -> None:
        """Ends with what has been measured, as soon as that can be."""
        self._is_stopped = True
        self._place.stop()

    def close(self) -> None:
        """Leaves no process running."""
        self._place.close()

    def go(self) -> BenchReport:
        """Measures everything; returns the report.

        Raises:
            NetscopeError: one of its kinds, if a question was wrong, the device is not to be had, or the only thing
                that was asked for would not run.
        """
        try:
            for group in self._surveyed():
                if self._is_stopped:
                    break
                self._add(group)
        finally:
            self.close()
        results = self.report.results
        if len(results) == 1 and results[0].status == "failed":
            raise MeasuringError(results[0].message)
        return self.report

    def _surveyed(self) -> Iterator[_ConfigGroup]:
        """The groups, once everything is known that can be known before measuring."""
        plan = self._plan
        self._watcher.doing("looking at the device")
        device, self._environment = self._place.probe_device(plan.configs[0], plan.command)
        configs = tuple(replace(config, device=device) for config in plan.configs)
        check_plan(replace(plan, configs=configs))
        for config in configs[1:]:
            self._place.probe_device(config, plan.command)
        groups: list[_ConfigGroup] = []
        for config in configs:
            found = [(model, self._known(model, config)) for model in plan.models]
            pairs = [(model, probed) for model, probed in found if probed is not None]
            parts = [[pair] for pair in pairs] if plan.largest_batch else [pairs]
            groups += [
                _ConfigGroup(config=config, models=tuple(m for m, _ in part), probed=tuple(s for _, s in part))
                for part in parts
                if part
            ]
        if not plan.largest_batch:
            self._check_earlier(groups)
            yield from groups
            return
        for group in groups:
            settled = self._with_largest_batch(group)
            if settled is not None:
                self._check_earlier([settled])
                yield settled

    def _check_earlier(self, groups: Sequence[_ConfigGroup]) -> None:
        """Checks that these can be set beside the earlier run, if there is one."""
        before, environment = self._plan.before, self._environment
        if before is None or environment is None:
            return
        wanted = [(probed, group.config) for group in groups for probed in group.probed]
        check_measured(before, wanted, all_of_them=self._plan.slower_limit is not None)
        if not self._plan.force:
            check_comparable(before, wanted, environment)

    def _known(self, model: Any, config: BenchConfig) -> PreflightResult | None:
        """What is known of a model; None, and a result that says why, if it cannot be run and others can."""
        self._watcher.doing(f"tracing {_name(model)}")
        try:
            return self._place.preflight(model, config, with_summary=self._plan.layers)
        except NetscopeError as error:
            if error.exit_code != MeasuringError.exit_code or isinstance(error, DeviceError):
                raise
            self._fail(_name(model), config, error)
            return None

    def _with_largest_batch(self, group: _ConfigGroup) -> _ConfigGroup | None:
        """The group with the largest batch that fits; None, and a result that says why, if none runs."""
        ((model,), (probed,)) = group.models, group.probed

        def fits(size: int) -> bool:
            self._watcher.doing(f"{_name(model)}: trying a batch of {size:,}")
            config = replace(group.config, batch_size=size)
            return self._place.fits(BenchRequest(probed=(probed,), config=config, command=self._plan.command), [model])

        try:
            largest = largest_batch(fits, lambda: self._is_stopped)
        except NetscopeError as error:
            self._fail(_name(model), group.config, error, probed)
            return None
        config = replace(group.config, batch_size=largest.size)
        found = self._place.preflight(model, config, with_summary=self._plan.layers)
        found = replace(found, notes=(*found.notes, largest.note))
        return _ConfigGroup(config=config, models=group.models, probed=(found,))

    def _add(self, group: _ConfigGroup) -> None:
        """Measures a group and adds its results."""
        request = BenchRequest(probed=group.probed, config=group.config, command=self._plan.command)
        self._watcher.doing(f"{' and '.join(map(_name, group.models))} · {told_config(group.config)}")
        try:
            results = self._place.measure(request, group.models)
        except NetscopeError as error:
            if error.exit_code != MeasuringError.exit_code:
                raise
            if in_group():
                self._fail(_name(group.models[0]), group.config, error, group.probed[0])
                raise  # the other processes are not where this one is, and could not go on with it
            if len(group.models) == 1:
                self._fail(_name(group.models[0]), group.config, error, group.probed[0])
            elif isinstance(error, OutOfMemoryError):
                self._add_alternately(group, request)
            else:
                self._add_one_by_one(group)
            return
        start = len(self.report.results)
        turns = {start + number: result.step_times for number, result in enumerate(results)}
        self._extend(results, _comparisons(turns, in_turns=True))

    def _add_alternately(self, group: _ConfigGroup, request: BenchRequest) -> None:
        empty = self._empty(group.probed[0].architecture, group.config)
        try:
            found = measured_alternately(request, group.models, self._place, empty, lambda: self._is_stopped)
        except OutOfMemoryError:
            raise
        except NetscopeError:
            self._add_one_by_one(group)
            return
        start = len(self.report.results)
        turns = {start + position: times for position, times in found.turns.items()}
        self._extend(found.results, _comparisons(turns, in_turns=False))

    def _add_one_by_one(self, group: _ConfigGroup) -> None:
        """One of them fails: finds out which, and measures those that do not."""
        kept = []
        for model, probed in zip(group.models, group.probed, strict=True):
            request = BenchRequest(probed=(probed,), config=group.config, command=self._plan.command)
            try:
                self._place.fits(request, [model])
            except NetscopeError as error:
                self._fail(_name(model), group.config, error, probed)
            else:
                kept.append((model, probed))
        # Where each runs by itself for a while, each is measured by itself; whichever fails then is known.
        parts = [[pair] for pair in kept] if len(kept) == len(group.models) else [kept]
        for part in filter(None, parts):
            self._add(
                _ConfigGroup(config=group.config, models=tuple(m for m, _ in part), probed=tuple(s for _, s in part))
            )

    def _fail(
        self, name: str, config: BenchConfig, error: NetscopeError, probed: PreflightResult | None = None
    ) -> None:
        """Adds a result that says why there is no figure."""
        architecture = probed.architecture if probed else _unresolved(name)
        status: BenchStatus = "oom" if isinstance(error, OutOfMemoryError) else "failed"
        empty = self._empty(architecture, config)
        inputs = probed.inputs if probed else ()
        self._extend((replace(empty, status=status, message=str(error), inputs=inputs),), ())

    def _empty(self, architecture: Any, config: BenchConfig) -> BenchResult:
        if self._environment is None:
            raise MeasuringError("nothing is known of the device yet")
        return BenchResult(
            architecture=architecture, inputs=(), config=config, environment=self._environment, status="failed"
        )

    def _extend(self, results: Sequence[BenchResult], comparisons: Sequence[Comparison]) -> None:
        self.report = replace(
            self.report,
            results=(*self.report.results, *results),
            comparisons=(*self.report.comparisons, *comparisons),
        )
        if self._plan.before is not None:
            self.report = compared_with(self._plan.before, replace(self.report, notes=()))
        self._watcher.measured(self.report)


def _comparisons(turns: dict[int, tuple[float, ...]], *, in_turns: bool) -> tuple[Comparison, ...]:
    """All pairs of a group, each at the level that it may have among so many."""
    pairs = [
        (first, second)
        for first, second in combinations(turns, 2)
        if min(len(turns[first]), len(turns[second])) >= _FEWEST_TURNS
    ]
    found = corrected([compare_pairs(turns[first], turns[second]) for first, second in pairs])
    return tuple(
        Comparison(first=first, second=second, difference=difference, in_turns=in_turns)
        for (first, second), difference in zip(pairs, found, strict=True)
    )


def told_config(config: BenchConfig) -> str:
    """A configuration in a few words."""
    batch = f"batch {config.batch_size:,}" if config.batch_size else "its own batch"
    processes = f" · {config.nproc} processes" if config.nproc > 1 else ""
    return f"{batch} · {config.dtype} · {config.mode} · {config.device}{processes}"


def _unresolved(name: str) -> Architecture:
    return Architecture(spec=name, source="", name=name, options={}, description="")


def _name(model: Any) -> str:
    return model if isinstance(model, str) else type(model).__name__
