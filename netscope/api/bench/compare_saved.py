"""Compares a report with an earlier one."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from netscope.api.bench.request import complete_environment
from netscope.errors import UsageError
from netscope.runtime.wording import show_argument
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

Planned = Sequence[tuple[PreflightResult, BenchConfig]]


def check_has_results(before: BenchReport, planned: Planned, *, needs_all: bool) -> None:
    """Checks before measuring that the earlier run measured the same work.

    Args:
        before: the earlier run.
        planned: the planned measurements.
        needs_all: whether all of them must be in the earlier run.

    Raises:
        UsageError: the earlier run did not measure the same work.
    """
    missing = [item.architecture.title for item, config in planned if _find_earlier(before, item, config) is None]
    if missing and (needs_all or len(missing) == len(planned)):
        raise UsageError(
            f"nothing to compare with: the earlier run did not measure {', '.join(dict.fromkeys(missing))} with the "
            f"same inputs, batch size, mode, dtype and options"
        )


def check_comparable(before: BenchReport, planned: Planned, environment: BenchEnvironment) -> None:
    """Checks before measuring that the earlier run was made in the same environment.

    Args:
        before: the earlier run.
        planned: the planned measurements.
        environment: the current environment.

    Raises:
        UsageError: the environments differ.
    """
    for preflight, config in planned:
        earlier = _find_earlier(before, preflight, config)
        different = (
            complete_environment(environment, preflight, config).differences(earlier.environment)
            if earlier is not None
            else ()
        )
        if different:
            raise UsageError(
                f"the earlier run was made in another environment ({'; '.join(different)}), so a difference may not be "
                f"due to the code; use {show_argument('--force', True)} to compare anyway"
            )


def add_saved_comparisons(before: BenchReport, report: BenchReport) -> BenchReport:
    """Returns ``report`` with comparisons with the results of the same work in ``before``."""
    comparisons, missing = [], []
    for position, result in enumerate(report.results):
        if not result.is_measured:
            continue
        earlier = _find_earlier(before, result, result.config)
        if earlier is None:
            missing.append(result.architecture.title)
            continue
        comparisons.append(
            SavedComparison(
                result=position,
                throughput_before=earlier.throughput,
                difference=compare_series(result.step_times, earlier.step_times),
            )
        )
    notes = (f"not in the earlier run: {', '.join(dict.fromkeys(missing))}",) if missing else ()
    return replace(report, saved=tuple(comparisons), notes=(*report.notes, *notes))


def _find_earlier(before: BenchReport, like: PreflightResult | BenchResult, config: BenchConfig) -> BenchResult | None:
    """Returns the earlier result of the same work; None without one."""
    key = _key(like.architecture, like.inputs, config)
    measured = (item for item in before.results if item.is_measured)
    return next((item for item in measured if _key(item.architecture, item.inputs, item.config) == key), None)


def _key(architecture: Architecture, inputs: tuple[InputSpec, ...], config: BenchConfig) -> Hashable:
    """Returns the values that must be equal for two results to be comparable."""
    return architecture.source, architecture.title, inputs, _work(config)


def _work(config: BenchConfig) -> BenchConfig:
    """Returns the configuration without duration, seed and device number."""
    device = config.device.partition(":")[0]
    return replace(config, device=device, precision=0.0, max_time_s=0.0, seed=0)
