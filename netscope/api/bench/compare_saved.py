"""A report beside one that was saved earlier."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from netscope.api.bench.request import environment_of
from netscope.errors import UsageError
from netscope.schema import (
    Architecture,
    BenchConfig,
    BenchEnvironment,
    BenchReport,
    BenchResult,
    InputSpec,
    PreflightResult,
    SavedComparison,
)
from netscope.statistics import compare_series

Wanted = Sequence[tuple[PreflightResult, BenchConfig]]


def check_measured(before: BenchReport, wanted: Wanted, *, all_of_them: bool) -> None:
    """Checks, before anything is measured, that the earlier run has measured the like.

    Args:
        before: the earlier run.
        wanted: what will be measured.
        all_of_them: whether each has to be there, since something hangs on it.

    Raises:
        UsageError: it has not.
    """
    alone = [item.architecture.title for item, config in wanted if _earlier(before, item, config) is None]
    if alone and (all_of_them or len(alone) == len(wanted)):
        raise UsageError(
            f"the earlier run has not measured {', '.join(dict.fromkeys(alone))} like this (same inputs, batch size, "
            f"mode, dtype and options), so there is nothing to compare with"
        )


def check_comparable(before: BenchReport, wanted: Wanted, environment: BenchEnvironment) -> None:
    """Checks, likewise, that what was measured then says something about now.

    Args:
        before: the earlier run.
        wanted: what will be measured.
        environment: where.

    Raises:
        UsageError: it was measured elsewhere, or with other versions.
    """
    for probed, config in wanted:
        earlier = _earlier(before, probed, config)
        different = (
            environment_of(environment, probed, config).differences(earlier.environment) if earlier is not None else ()
        )
        if different:
            raise UsageError(
                f"the earlier run was made in another environment ({'; '.join(different)}), so a difference would say "
                f"nothing about the code; --force compares all the same"
            )


def compared_with(before: BenchReport, report: BenchReport) -> BenchReport:
    """``report`` with each result beside its like of ``before``."""
    found, alone = [], []
    for position, result in enumerate(report.results):
        if not result.is_measured:
            continue
        earlier = _earlier(before, result, result.config)
        if earlier is None:
            alone.append(result.architecture.title)
            continue
        found.append(
            SavedComparison(
                result=position,
                throughput_before=earlier.throughput,
                difference=compare_series(result.step_times, earlier.step_times),
            )
        )
    notes = (f"the earlier run has not measured {', '.join(dict.fromkeys(alone))} like this",) if alone else ()
    return replace(report, saved=tuple(found), notes=(*report.notes, *notes))


def _earlier(before: BenchReport, like: PreflightResult | BenchResult, config: BenchConfig) -> BenchResult | None:
    """The earlier result of the same work; None if there is none."""
    key = _key(like.architecture, like.inputs, config)
    same = (item for item in before.results if item.is_measured)
    return next((item for item in same if _key(item.architecture, item.inputs, item.config) == key), None)


def _key(architecture: Architecture, inputs: tuple[InputSpec, ...], config: BenchConfig) -> Hashable:
    """What has to be the same of two results for a difference to say something."""
    return architecture.source, architecture.title, inputs, _work(config)


def _work(config: BenchConfig) -> BenchConfig:
    """What is done, however long and on whichever of equal devices."""
    device = config.device.partition(":")[0]
    return replace(config, device=device, precision=0.0, max_time_s=0.0, seed=0)
