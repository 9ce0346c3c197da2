"""A report beside one that was saved earlier."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from netscope.errors import SavedResultError, UnknownNameError, UsageError
from netscope.schema import (
    Architecture,
    BenchConfig,
    BenchEnvironment,
    BenchReport,
    BenchResult,
    InputSpec,
    SavedComparison,
    Surveyed,
)
from netscope.statistics import compare_series


def read_report(path: Path) -> BenchReport:
    """The report that ``netscope bench -o FILE.json`` wrote.

    Raises:
        UnknownNameError: there is no such file.
        SavedResultError: it holds no such report.
    """
    try:
        return BenchReport.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UnknownNameError(f"there is no file {str(path)!r}") from error
    except OSError as error:
        raise SavedResultError(f"{path}: {error.strerror or error}") from error
    except SavedResultError as error:
        raise SavedResultError(f"{path}: {error}") from error


def check_comparable(before: BenchReport, environment: BenchEnvironment) -> None:
    """Checks that what was measured then says something about now.

    Raises:
        UsageError: it was measured elsewhere, or with other versions.
    """
    earlier = next((result.environment for result in before.results if result.is_measured), None)
    if earlier is None:
        raise UsageError("the earlier run measured nothing, so there is nothing to compare with")
    different = environment.differences(earlier)
    if different:
        raise UsageError(
            f"the earlier run was made in another environment ({'; '.join(different)}), so a difference would say "
            f"nothing about the code; --force compares all the same"
        )


def check_measured(before: BenchReport, wanted: Sequence[tuple[Surveyed, BenchConfig]], *, all_of_them: bool) -> None:
    """Checks, before anything is measured, that the earlier run has measured the like.

    Args:
        before: the earlier run.
        wanted: what will be measured.
        all_of_them: whether each has to be there, since something hangs on it.

    Raises:
        UsageError: it has not.
    """
    keys = {_key(result.architecture, result.inputs, result.config) for result in before.results if result.is_measured}
    alone = [
        item.architecture.title for item, config in wanted if _key(item.architecture, item.inputs, config) not in keys
    ]
    if alone and (all_of_them or len(alone) == len(wanted)):
        raise UsageError(
            f"the earlier run has not measured {', '.join(dict.fromkeys(alone))} like this (same inputs, batch size, "
            f"mode, dtype and options), so there is nothing to compare with"
        )


def compared_with(before: BenchReport, report: BenchReport) -> BenchReport:
    """``report`` with each result beside its like of ``before``."""
    found, alone = [], []
    for position, result in enumerate(report.results):
        if not result.is_measured:
            continue
        earlier = next((other for other in before.results if _alike(other, result)), None)
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
    remarks = (f"the earlier run has not measured {', '.join(dict.fromkeys(alone))} like this",) if alone else ()
    return replace(report, saved=tuple(found), remarks=(*report.remarks, *remarks))


def _alike(earlier: BenchResult, now: BenchResult) -> bool:
    keys = {_key(result.architecture, result.inputs, result.config) for result in (earlier, now)}
    return earlier.is_measured and len(keys) == 1


def _key(architecture: Architecture, inputs: tuple[InputSpec, ...], config: BenchConfig) -> Hashable:
    """What has to be the same of two results for a difference to say something."""
    return architecture.source, architecture.title, inputs, _work(config)


def _work(config: BenchConfig) -> BenchConfig:
    """What is done, however long and on whichever of equal devices."""
    device = config.device.partition(":")[0]
    return replace(config, device=device, precision=0.0, max_time_s=0.0, seed=0)
