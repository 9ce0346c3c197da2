"""``BenchReport`` and ``SelfTest`` → ``Document``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from netscope.render import numbers
from netscope.render.document import Column, Document, Kind, NameCell, Row, Style
from netscope.render.summary import View, summary_document
from netscope.schema import BenchEnvironment, BenchReport, BenchResult, Ceilings, Comparison, SavedComparison, SelfTest
from netscope.schema.bench import PERCENTILES, Precision

LAYER_COLUMNS = ("type", "output", "params", "flops", "flops-share", "time", "time-share", "time-bar", "flop-rate")
_WHOLE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _BenchColumn:
    """A column: how its raw value is had from a result.

    Attributes:
        title: what stands above it.
        kind: how it is shown.
        value: of a measured result.
        of_any: whether results without figures have it as well.
        rank: which go first where there is no room.
        told_once: whether it goes into the heading where all results have the same.
    """

    title: str
    kind: Kind
    value: Callable[[BenchResult, BenchReport], Any]
    of_any: bool = False
    rank: int = 0
    told_once: bool = False


def _batch(result: BenchResult) -> int | None:
    """Of each process."""
    return result.config.batch_size or (result.samples // result.config.nproc if result.samples else None)


COLUMNS: dict[str, _BenchColumn] = {
    "batch": _BenchColumn(title="Batch", kind="count", value=lambda r, _: _batch(r), of_any=True, told_once=True),
    "dtype": _BenchColumn(title="Dtype", kind="text", value=lambda r, _: r.config.dtype, of_any=True, told_once=True),
    "mode": _BenchColumn(title="Mode", kind="text", value=lambda r, _: r.config.mode, of_any=True, told_once=True),
    "processes": _BenchColumn(
        title="Processes", kind="count", value=lambda r, _: r.config.nproc, of_any=True, told_once=True
    ),
    "samples-per-second": _BenchColumn(title="Samples/s", kind="rate", value=lambda r, _: r.throughput),
    "half-width": _BenchColumn(title="±", kind="fraction", value=lambda r, _: r.step_s.relative),
    "median": _BenchColumn(title="Median", kind="rate", value=lambda r, _: r.median_throughput, rank=4),
    "step": _BenchColumn(title="Step", kind="seconds", value=lambda r, _: r.step_s.mean, rank=1),
    "flop-rate": _BenchColumn(title="FLOP/s", kind="flops", value=lambda r, _: r.achieved_flops, rank=2),
    "share-of-peak": _BenchColumn(title="of peak", kind="fraction", value=lambda r, _: r.share_of_datasheet, rank=2),
    "share-of-matmul": _BenchColumn(title="of matmul", kind="fraction", value=lambda r, _: r.share_of_matmul, rank=3),
    "efficiency": _BenchColumn(
        title="Efficiency", kind="fraction", value=lambda r, report: report.scaling_efficiency(r)
    ),
    "memory": _BenchColumn(
        title="Memory", kind="bytes", value=lambda r, _: max(r.peak_memory_bytes, default=None), rank=1
    ),
    "bound": _BenchColumn(title="Bound", kind="text", value=lambda r, _: r.bound),
    "note": _BenchColumn(title="", kind="text", value=lambda r, _: ", ".join(notes(r)), of_any=True),
}

_OPTIONAL = ("share-of-peak", "efficiency", "note", "memory", "flop-rate", "share-of-matmul")
"""Left out where no result has any."""

EXACT: dict[str, Callable[[BenchResult, BenchReport], Any]] = {
    "outcome": lambda r, _: r.outcome,
    "device": lambda r, _: r.config.device,
    "batch_size": lambda r, _: _batch(r),
    "dtype": lambda r, _: r.config.dtype,
    "mode": lambda r, _: r.config.mode,
    "cast": lambda r, _: r.config.cast,
    "channels_last": lambda r, _: r.config.channels_last,
    "compile": lambda r, _: r.config.compile or "",
    "cuda_graph": lambda r, _: r.config.cuda_graph,
    "data": lambda r, _: r.config.data,
    "optimizer": lambda r, _: r.config.optimizer or "",
    "parallel": lambda r, _: r.config.parallel or "",
    "nproc": lambda r, _: r.config.nproc,
    "samples_per_s": lambda r, _: r.throughput,
    "relative_half_width": lambda r, _: r.step_s.relative,
    "has_converged": lambda r, _: r.has_converged,
    "is_drifting": lambda r, _: r.is_drifting,
    "median_samples_per_s": lambda r, _: r.median_throughput,
    "step_s": lambda r, _: r.step_s.mean,
    "blocks": lambda r, _: len(r.blocks),
    "outliers": lambda r, _: r.outliers,
    "first_step_s": lambda r, _: r.warm_up.first_step_s if r.warm_up else None,
    "compile_s": lambda r, _: r.warm_up.compile_s if r.warm_up else None,
    "flops": lambda r, _: r.flops,
    "flops_per_s": lambda r, _: r.achieved_flops,
    "share_of_datasheet": lambda r, _: r.share_of_datasheet,
    "share_of_matmul": lambda r, _: r.share_of_matmul,
    "intensity": lambda r, _: r.intensity,
    "roofline": lambda r, _: r.roofline or "",
    "peak_memory_bytes": lambda r, _: max(r.peak_memory_bytes, default=None),
    "bound": lambda r, _: r.bound,
    "scaling_efficiency": lambda r, report: report.scaling_efficiency(r),
    "exposed_communication_s": lambda r, _: r.exposed_communication_s,
}
"""What programs read, with units in the names; each row stands by itself."""

_OF_ANY = ("outcome", "device", "batch_size", "dtype", "mode", "cast", "channels_last", "compile", "cuda_graph", "data",
           "optimizer", "parallel", "nproc")  # fmt: skip


def bench_document(report: BenchReport, *, exact: bool = False) -> Document:
    """The document of ``report``.

    Args:
        report: what is shown.
        exact: whether the format is read by programs: every figure of every result, unrounded.
    """
    if exact:
        return _exact_document(report)
    results = report.results
    told_once = {
        key
        for key, column in COLUMNS.items()
        if column.told_once and len({column.value(result, report) for result in results}) <= 1
    }
    cells = {
        key: [_value(column, result, report) for result in results]
        for key, column in COLUMNS.items()
        if key not in told_once
    }
    shown = [key for key in cells if key not in _OPTIONAL or any(cell not in (None, "") for cell in cells[key])]
    columns = [
        Column(key=key, title=COLUMNS[key].title, kind=COLUMNS[key].kind, rank=COLUMNS[key].rank) for key in shown
    ]
    rows = tuple(
        Row(cells=(_named(result), *(cells[key][number] for key in shown)), style=_style(result))
        for number, result in enumerate(results)
    )
    return Document(
        result=report,
        heading=tuple(_heading(report, told_once)),
        columns=(Column(key="architecture", title="Architecture", kind="name"), *columns),
        rows=rows,
        facts=tuple(_facts(report)),
        attached=tuple(_layers(result) for result in results if result.layers is not None),
    )


def bench_line(result: BenchResult, report: BenchReport) -> str:
    """A result in one line, for a display of what has been measured so far."""
    if not result.is_measured:
        return f"{_label(result, report)}  {result.outcome}"
    figures = f"{numbers.rate(result.throughput)} samples/s ± {numbers.fraction(result.step_s.relative)}"
    return "  ".join((_label(result, report), figures, *notes(result)))


def _exact_document(report: BenchReport) -> Document:
    rows = [
        Row(
            cells=(
                _named(result),
                *(
                    value(result, report) if result.is_measured or key in _OF_ANY else None
                    for key, value in EXACT.items()
                ),
                result.message,
            )
        )
        for result in report.results
    ]
    return Document(
        result=report,
        heading=(),
        columns=(
            Column(key="architecture", title="Architecture", kind="name"),
            *(Column(key=key, title=key, kind="raw") for key in EXACT),
            Column(key="message", title="message", kind="raw"),
        ),
        rows=tuple(rows),
        facts=(),
    )


def _named(result: BenchResult) -> NameCell:
    return NameCell(path=result.architecture.title, label=result.architecture.title)


def _value(column: _BenchColumn, result: BenchResult, report: BenchReport) -> Any:
    return column.value(result, report) if result.is_measured or column.of_any else None


def _style(result: BenchResult) -> Style:
    if not result.is_measured:
        return "removed"
    return "plain" if result.has_converged and not result.is_drifting else "changed"


def notes(result: BenchResult) -> Iterator[str]:
    """What a reader has to know of a result, in a word or two each."""
    if not result.is_measured:
        yield result.outcome
        return
    if not result.has_converged:
        yield "not converged"
    if result.is_drifting:
        yield "drifting"
    if result.interrupted:
        yield "interrupted"


def _heading(report: BenchReport, told_once: set[str]) -> Iterator[str]:
    if not report.results:
        yield "nothing was measured"
        return
    first = report.results[0]
    environment = first.environment
    yield f"{'  ·  '.join(_circumstances(first, told_once))}  ·  on {environment.device}"
    works = dict.fromkeys(result.work for result in report.results if result.work)
    for work in works:
        yield f"a step: {work}"
    if first.config.is_cuda:
        yield f"CUDA {environment.versions.get('cuda')}, driver {environment.driver or 'unknown'}; {_host(environment)}"
    else:
        yield _host(environment)


def _circumstances(result: BenchResult, told_once: set[str]) -> Iterator[str]:
    if "mode" in told_once:
        yield "training" if result.config.mode == "train" else "inference"
    if "batch" in told_once and _batch(result):
        yield f"batch {_batch(result):,}"
    if "dtype" in told_once:
        yield result.config.dtype
    if "processes" in told_once and result.config.nproc > 1:
        yield _processes(result)
    if result.config.synchronised:
        yield "every step waited for"


def _host(environment: BenchEnvironment) -> str:
    versions = environment.versions
    threads = f"{environment.threads} thread{'' if environment.threads == 1 else 's'} on {environment.cores} cores"
    git = (
        f", git {environment.revision[:10]}{' with changes' if environment.dirty else ''}"
        if environment.revision
        else ""
    )
    return f"torch {versions.get('torch')}, Python {versions.get('python')}, {threads}{git}, {environment.time}"


def _facts(report: BenchReport) -> Iterator[tuple[str, str]]:
    for comparison in report.comparisons:
        yield "Compared", verdict(comparison, report)
    for saved in report.saved:
        yield "Since then", saved_verdict(saved, report)
    results = report.results
    for result in results:
        yield from _facts_of(result, _label(result, report))
    yield from _ceilings(report)
    if any(result.is_measured and result.config.is_cuda and result.telemetry is None for result in results):
        yield "Note", "clocks, power and temperature were not sampled: pip install 'netscope[gpu]' adds what asks NVML"
    for remark in report.remarks:
        yield "Note", remark


def _label(result: BenchResult, report: BenchReport) -> str:
    """Its name, with what tells it from others of the same name."""
    alike = [other for other in report.results if other.architecture == result.architecture]
    parts = [result.architecture.title]
    for told, of in (
        (f"batch {_batch(result)}", _batch),
        (result.config.dtype, lambda other: other.config.dtype),
        (result.config.mode, lambda other: other.config.mode),
        (_processes(result), lambda other: other.config.nproc),
    ):
        if len({of(other) for other in alike}) > 1:
            parts.append(told)
    return " ".join(parts)


def _processes(result: BenchResult) -> str:
    return f"{result.config.nproc} process{'' if result.config.nproc == 1 else 'es'}"


def _facts_of(result: BenchResult, label: str) -> Iterator[tuple[str, str]]:
    if not result.is_measured:
        yield label, f"{result.outcome}: {result.message}"
        return
    yield label, "; ".join(_how_measured(result))
    share = max(filter(None, (result.share_of_datasheet, result.share_of_matmul)), default=0.0)
    if share > _WHOLE:
        yield (
            label,
            (
                f"{numbers.fraction(share)} of what the device does cannot be: this is a mistake in netscope, in the "
                f"count, the peak or the time; please report it"
            ),
        )
    if result.latency_percentiles:
        yield (
            label,
            "latency "
            + ", ".join(
                f"p{100 * part:g} {numbers.seconds(value)}" for part, value in result.latency_percentiles.items()
            ),
        )
    if result.config.synchronised and len(result.latency_percentiles) < len(PERCENTILES):
        yield label, "a percentile is shown where ten steps or more lie beyond it"
    if result.copy_s is not None and result.resident_step_s is not None:
        yield (
            label,
            (
                f"copying the inputs takes {numbers.seconds(result.copy_s)}, a step without it "
                f"{numbers.seconds(result.resident_step_s)}"
            ),
        )
    if result.exposed_communication_s is not None:
        share = result.exposed_communication_s / result.step_s.mean
        yield (
            label,
            (
                f"exchanging gradients adds {numbers.seconds(max(result.exposed_communication_s, 0.0))} to a step, "
                f"{numbers.fraction(max(share, 0.0))} of it; memory by rank "
                f"{', '.join(map(numbers.size, result.peak_memory_bytes))}"
            ),
        )
    if result.waits:
        yield label, "a step waits for the GPU itself, so whether host or GPU bounds it cannot be told"
    if result.telemetry is not None:
        yield label, _telemetry(result)
    for remark in result.remarks:
        yield label, remark


def _how_measured(result: BenchResult) -> Iterator[str]:
    estimate, warm_up = result.step_s, result.warm_up
    if not result.has_converged:
        yield f"± {numbers.fraction(estimate.relative)}, not converged to ± {numbers.fraction(result.config.precision)}"
    joined = f", joined in {estimate.batch_size}s" if estimate.batch_size > 1 else ""
    steps = result.blocks[0].steps
    yield f"{len(result.blocks)} blocks of {steps} step{'' if steps == 1 else 's'}{joined}"
    if result.outliers:
        yield f"{result.outliers} outlier{'' if result.outliers == 1 else 's'}, none left out"
    if result.is_drifting:
        yield f"drifting: a step's time changed by {100 * result.trend.change:+.1f}% over the run".replace("-", "−")
    if warm_up is not None:
        compiled = f", {numbers.seconds(warm_up.compile_s)} of it compiling" if warm_up.compile_s is not None else ""
        yield f"first step {numbers.seconds(warm_up.first_step_s)}{compiled}"
        if not warm_up.settled:
            yield f"had not settled after {numbers.seconds(warm_up.seconds)} of warm-up"
    if result.intensity is not None and result.roofline is not None:
        yield f"{result.intensity:,.1f} FLOPs per byte, on the {result.roofline} side of the roofline"
    if result.is_lower_bound:
        yield "its FLOPs are a lower bound"
    if result.foreign_load is not None and result.foreign_load > _NOTICEABLE_LOAD:
        yield f"other processes kept {result.foreign_load:.1f} cores busy meanwhile"


_NOTICEABLE_LOAD = 0.1


def _telemetry(result: BenchResult) -> str:
    found = result.telemetry
    if found is None:
        return ""
    parts = []
    if found.sm_clock_mhz is not None:
        parts.append(f"SM clock {found.sm_clock_mhz.low:.0f}–{found.sm_clock_mhz.high:.0f} MHz")
    if found.power_w is not None:
        parts.append(f"{found.power_w.median:.0f} W")
    if found.temperature_c is not None:
        parts.append(f"{found.temperature_c.high:.0f} °C at most")
    parts.append(f"held back by {', '.join(found.throttle_reasons)}" if found.throttle_reasons else "not held back")
    if found.foreign_processes:
        parts.append(f"{found.foreign_processes} other process{'es' if found.foreign_processes > 1 else ''} on the GPU")
    return ", ".join(parts)


def _ceilings(report: BenchReport) -> Iterator[tuple[str, str]]:
    """What the device can do, once for each number format; of several measurements the best."""
    best: dict[Precision, Ceilings] = {}
    for result in report.results:
        found, dtype = result.ceilings, result.config.dtype
        if found is not None and (dtype not in best or found.matmul_flops > best[dtype].matmul_flops):
            best[dtype] = found
    for dtype, found in best.items():
        matmul, copy = (numbers.scaled(round(value)) for value in (found.matmul_flops, found.copy_bytes))
        sheet = "no datasheet of this device is known, so no share of its peak is told"
        if found.datasheet is not None:
            peak = "none" if found.datasheet_flops is None else f"{numbers.scaled(round(found.datasheet_flops))}FLOP/s"
            sheet = f"peak by the {found.datasheet}, dense: {peak}"
        yield "Ceilings", f"{dtype}: a matrix product reaches {matmul}FLOP/s, a copy moves {copy}B/s; {sheet}"


def verdict(comparison: Comparison, report: BenchReport) -> str:
    """``alexnet-tv is 1.42 ± 0.01 times faster than alexnet-paper``."""
    pair = [report.results[position] for position in (comparison.first, comparison.second)]
    first, second = (result.architecture.title for result in pair)
    where = _label(pair[0], report).removeprefix(first)
    at = f" at{where}" if where else ""
    found = comparison.difference
    level = f" (at {100 * found.level:.4g}%, one of several comparisons)" if found.level != _USUAL_LEVEL else ""
    if found.verdict == "equivalent":
        return f"{first} and {second} are equivalent within 1%{at}{level}"
    if found.verdict == "inconclusive":
        took = f"{second} takes {found.low:.3g} to {found.high:.3g} times as long"
        return f"{first} and {second}: inconclusive, {took}{at}{level}"
    ratio, low, high = found.ratio, found.low, found.high
    if found.verdict == "slower":
        first, second, ratio, low, high = second, first, 1 / ratio, 1 / high, 1 / low
    half_width = (high - low) / 2
    digits = next((digits for digits in (2, 3) if half_width >= _HALF * 10**-digits), 4)
    return f"{first} is {ratio:.{digits}f} ± {half_width:.{digits}f} times faster than {second}{at}{level}"


_USUAL_LEVEL = 0.95
_HALF = 0.5


def saved_verdict(saved: SavedComparison, report: BenchReport) -> str:
    """How a result stands to the earlier one, in words."""
    result = report.results[saved.result]
    found = saved.difference
    label = _label(result, report)
    was = f"{numbers.rate(saved.throughput_before)} → {numbers.rate(result.throughput)} samples/s"
    change = 100 * (found.ratio - 1)
    signed = f"{change:+.1f} ± {100 * found.half_width:.1f}%".replace("-", "−")
    word = {"faster": "faster", "slower": "slower", "equivalent": "the same within 1%", "inconclusive": "inconclusive"}
    fails = f", which is more than {numbers.fraction(report.slower_limit or 0.0)}" if saved in report.too_slow else ""
    return f"{label}: {was}, {signed}: {word[found.verdict]}{fails}"


def _layers(result: BenchResult) -> Document:
    """The tree with each module's time."""
    if result.layers is None or result.layer_overhead is None:
        raise ValueError("there are no layers")
    found = summary_document(result.layers, View(columns=LAYER_COLUMNS))
    overhead = result.layer_overhead
    share = overhead.timed_step_s / overhead.bare_step_s - 1
    cost = (
        f"{overhead.events:,} events in a step, each {numbers.seconds(overhead.per_event_s)}: a step with them takes "
        f"{numbers.seconds(overhead.timed_step_s)}, without {numbers.seconds(overhead.bare_step_s)} "
        f"({100 * share:+.1f}%)".replace("(-", "(−")
    )
    facts = (("Time", "of the calls in the forward pass, medians over the steps"), ("Overhead", cost), *found.facts)
    return replace(found, heading=(f"{result.architecture.title}, layer by layer", *found.heading[1:]), facts=facts)


def self_test_document(test: SelfTest) -> Document:
    """A row for each check."""
    failed = [check.name for check in test.checks if not check.passed]
    answer = f"{len(failed)} of {len(test.checks)} checks failed" if failed else f"{len(test.checks)} checks passed"
    return Document(
        result=test,
        heading=(f"{answer}  ·  on {test.environment.device}", _host(test.environment)),
        columns=(
            Column(key="status", title="", kind="text"),
            Column(key="check", title="Check", kind="text"),
            Column(key="expected", title="Expected", kind="text"),
            Column(key="measured", title="Measured", kind="text"),
        ),
        rows=tuple(
            Row(
                cells=("ok" if check.passed else "FAILED", check.name, check.expected, check.measured),
                style="plain" if check.passed else "removed",
            )
            for check in test.checks
        ),
        facts=(),
    )
