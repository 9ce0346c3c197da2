"""The results of one run, their comparisons, and the benchmark's self-test."""

from dataclasses import dataclass, replace
from typing import Any

from netscope.errors import SavedResultError
from netscope.schema.bench.config import BenchConfig
from netscope.schema.bench.environment import BenchEnvironment
from netscope.schema.bench.result import BenchResult
from netscope.schema.codec import from_json, to_json
from netscope.schema.display import Displayed
from netscope.statistics import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of two results of a report.

    Attributes:
        first: position of the first result.
        second: position of the second result.
        difference: the second's time over the first's; above 1 the first is faster.
        same_process: whether they were measured interleaved in one process; otherwise in alternating processes.
    """

    first: int
    second: int
    difference: Difference
    same_process: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedComparison:
    """A comparison of a result with an earlier run.

    Attributes:
        result: position of the result.
        throughput_before: samples per second of the earlier run.
        difference: the earlier time over the current one; above 1 it became faster.
    """

    result: int
    throughput_before: float
    difference: Difference

    def is_slower(self, limit: float) -> bool:
        """Whether a step takes longer by more than ``limit``, beyond measurement noise."""
        return self.difference.high < 1 and 1 / self.difference.ratio > 1 + limit


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchReport(Displayed):
    """The results of one run.

    Attributes:
        results: one result for each architecture and configuration.
        comparisons: comparisons of interleaved results, with intervals corrected for the number of comparisons.
        saved: comparisons with an earlier run, if requested.
        slower_limit: how much longer a step may take than in the earlier run, as a fraction; None for no limit.
        notes: notes on the entire report.
    """

    results: tuple[BenchResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    saved: tuple[SavedComparison, ...] = ()
    slower_limit: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def too_slow(self) -> tuple[SavedComparison, ...]:
        """Returns the comparisons in which a step became slower than the limit allows."""
        limit = self.slower_limit
        return () if limit is None else tuple(item for item in self.saved if item.is_slower(limit))

    @property
    def exit_code(self) -> int:
        """Returns 1 if a step became slower than allowed, 3 if something failed or nothing was measured, otherwise 0.

        Running out of memory is a valid result, unless it is the only one or a limit needs a number to compare.
        """
        if self.too_slow:
            return 1
        if self.slower_limit is not None and len(self.saved) < len(self.results):
            return 3
        failed = any(result.status == "failed" for result in self.results)
        return 3 if failed or not any(result.is_measured for result in self.results) else 0

    def find_single_process_result(self, result: BenchResult) -> BenchResult | None:
        """Returns the result of the same work in one process; None if it was not measured."""
        for other in self.results:
            is_same = (other.architecture, other.config) == (result.architecture, _in_one_process(result.config))
            if is_same and other.is_measured:
                return other
        return None

    def scaling_efficiency(self, result: BenchResult) -> float | None:
        """Returns the samples per second and process as a fraction of the samples per second of a single process."""
        if not result.is_measured or result.config.nproc == 1:
            return None
        single = self.find_single_process_result(result)
        return None if single is None else result.throughput / result.config.nproc / single.throughput

    def to_json(self) -> str:
        """Returns the report as JSON, which ``from_json`` reads back.

        ``figures`` contains the values derived from the blocks of each result, in order; null for results without any.
        """
        return to_json(self, {"figures": [_figures(result) for result in self.results]})

    @classmethod
    def from_json(cls, text: str | bytes) -> "BenchReport":
        """Returns the report that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not a report.
        """
        report = from_json(cls, text)
        for result in report.results:
            if result.is_measured and not (
                result.blocks and all(block.wall_s > 0 < block.steps for block in result.blocks)
            ):
                raise SavedResultError("this BenchReport is damaged: a measured result has no blocks, or empty ones")
        return report


_FIGURES = (
    "measuring_s", "throughput", "median_throughput", "step_s", "has_converged", "is_drifting", "trend", "outliers",
    "bound", "achieved_flops", "peak_utilization", "matmul_utilization", "arithmetic_intensity", "roofline",
    "exposed_communication_s",
)  # fmt: skip


def _figures(result: BenchResult) -> dict[str, Any] | None:
    if not result.is_measured:
        return None
    percentiles = {f"p{100 * share:g}": value for share, value in result.latency_percentiles.items()}
    return {**{name: getattr(result, name) for name in _FIGURES}, "latency_s": percentiles}


def _in_one_process(config: BenchConfig) -> BenchConfig:
    return replace(config, parallel=None, nproc=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestCheck:
    """One check of the benchmark's self-test.

    Attributes:
        name: the name.
        expected: the expected result, in words.
        measured: the measured result, in words.
        passed: whether the check passed.
    """

    name: str
    expected: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelfTest(Displayed):
    """The result of the benchmark's self-test.

    Attributes:
        checks: the checks, in order.
        environment: the environment.
    """

    checks: tuple[SelfTestCheck, ...]
    environment: BenchEnvironment

    @property
    def exit_code(self) -> int:
        """Returns 0 if all checks passed, otherwise 1."""
        return 0 if all(check.passed for check in self.checks) else 1
