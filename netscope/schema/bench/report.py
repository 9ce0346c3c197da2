"""Everything that one run measured, how its results compare, and the benchmark's test of itself."""

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
    """Two of a report's results.

    Attributes:
        first: position of one among the results.
        second: position of the other.
        difference: the second's time over the first's: above 1 the first is faster.
        in_turns: whether they were measured in turns in one process; otherwise in turns of processes.
    """

    first: int
    second: int
    difference: Difference
    in_turns: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedComparison:
    """A result beside that of an earlier run.

    Attributes:
        result: position among the results.
        throughput_before: samples per second then.
        difference: the time then over the time now: above 1 it has become faster.
    """

    result: int
    throughput_before: float
    difference: Difference

    def is_slower(self, limit: float) -> bool:
        """Whether it takes more than ``limit`` longer, by no chance."""
        return self.difference.high < 1 and 1 / self.difference.ratio > 1 + limit


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchReport(Displayed):
    """Everything that one run measured.

    Attributes:
        results: one for each architecture and configuration.
        comparisons: of those that were measured in turns, each at the level that it may have among all of its kind.
        saved: beside an earlier run, if that was asked for.
        slower_limit: how much longer than then fails, as a share; None if nothing does.
        notes: about the whole.
    """

    results: tuple[BenchResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    saved: tuple[SavedComparison, ...] = ()
    slower_limit: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def too_slow(self) -> tuple[SavedComparison, ...]:
        """Those that became slower than may be."""
        limit = self.slower_limit
        return () if limit is None else tuple(item for item in self.saved if item.is_slower(limit))

    @property
    def exit_code(self) -> int:
        """1 if something became slower than may be; 3 if nothing could be measured, or something failed; else 0.

        Running out of memory is an answer, unless it is the only one, or there should be a figure to hold against the
        earlier run.
        """
        if self.too_slow:
            return 1
        if self.slower_limit is not None and len(self.saved) < len(self.results):
            return 3
        failed = any(result.status == "failed" for result in self.results)
        return 3 if failed or not any(result.is_measured for result in self.results) else 0

    def alone(self, result: BenchResult) -> BenchResult | None:
        """The same in one process, which scaling is held against; None if it was not measured."""
        for other in self.results:
            is_same = (other.architecture, other.config) == (result.architecture, _in_one_process(result.config))
            if is_same and other.is_measured:
                return other
        return None

    def scaling_efficiency(self, result: BenchResult) -> float | None:
        """Samples per second of each process as a share of what one process by itself does."""
        alone = self.alone(result) if result.is_measured and result.config.nproc > 1 else None
        return None if alone is None else result.throughput / result.config.nproc / alone.throughput

    def to_json(self) -> str:
        """This report as JSON; ``from_json`` reads it back equal.

        ``figures`` has for each result, in order, what follows from its blocks; null for those that were not measured.
        """
        return to_json(self, {"figures": [_figures(result) for result in self.results]})

    @classmethod
    def from_json(cls, text: str | bytes) -> "BenchReport":
        """The report that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        report = from_json(cls, text)
        for result in report.results:
            if result.is_measured and not (
                result.blocks and all(block.wall_s > 0 < block.steps for block in result.blocks)
            ):
                raise SavedResultError("this BenchReport is damaged: a measured result has no blocks, or empty ones")
        return report


_FIGURES = (
    "throughput", "median_throughput", "step_s", "has_converged", "is_drifting", "trend", "outliers", "bound",
    "achieved_flops", "peak_utilization", "matmul_utilization", "arithmetic_intensity", "roofline",
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
    """One thing that the benchmark must get right.

    Attributes:
        name: in words.
        expected: in words.
        measured: in words.
        passed: whether it did.
    """

    name: str
    expected: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelfTest(Displayed):
    """How the benchmark's test of itself came out.

    Attributes:
        checks: in order.
        environment: where.
    """

    checks: tuple[SelfTestCheck, ...]
    environment: BenchEnvironment

    @property
    def exit_code(self) -> int:
        """0 if all passed, else 1."""
        return 0 if all(check.passed for check in self.checks) else 1

    def to_json(self) -> str:
        """This self-test as JSON."""
        return to_json(self)
