"""What stands below a table of measurements: how each figure came about, and what it says in words."""

from collections.abc import Iterator

from netscope.render import numbers
from netscope.schema import BenchReport, BenchResult, Comparison, DeviceLimits, SavedComparison
from netscope.schema.bench import PERCENTILES, Precision

_WHOLE = 1.0


def batch_of(result: BenchResult) -> int | None:
    """Of each process."""
    return result.config.batch_size or (result.samples // result.config.nproc if result.samples else None)


def notes(result: BenchResult) -> Iterator[str]:
    """What a reader has to know of a result, in a word or two each."""
    if not result.is_measured:
        yield result.status
        return
    if not result.has_converged:
        yield "not converged"
    if result.is_drifting:
        yield "drifting"
    if result.interrupted:
        yield "interrupted"


def bench_line(result: BenchResult, report: BenchReport) -> str:
    """A result in one line, for a display of what has been measured so far."""
    if not result.is_measured:
        return f"{label_of(result, report)}  {result.status}"
    figures = f"{numbers.rate(result.throughput)} samples/s ± {numbers.margin(result.step_s.relative)}"
    return "  ".join((label_of(result, report), figures, *notes(result)))


def facts(report: BenchReport) -> Iterator[tuple[str, str]]:
    """Label and text of each: verdicts first, then what belongs to each result, then to the device."""
    for comparison in report.comparisons:
        yield "Compared", verdict(comparison, report)
    for saved in report.saved:
        yield "Since then", saved_verdict(saved, report)
    results = report.results
    for result in results:
        yield from _facts_of(result, label_of(result, report))
    yield from _ceilings(report)
    if any(result.is_measured and result.config.is_cuda and result.telemetry is None for result in results):
        yield "Note", "clocks, power and temperature were not sampled: pip install 'netscope[gpu]' adds what asks NVML"
    for note in report.notes:
        yield "Note", note


def label_of(result: BenchResult, report: BenchReport) -> str:
    """Its name, with what tells it from others of the same name."""
    alike = [other for other in report.results if other.architecture == result.architecture]
    parts = [result.architecture.title]
    for told, of in (
        (f"batch {batch_of(result)}", batch_of),
        (result.config.dtype, lambda other: other.config.dtype),
        (result.config.mode, lambda other: other.config.mode),
        (processes_text(result), lambda other: other.config.nproc),
    ):
        if len({of(other) for other in alike}) > 1:
            parts.append(told)
    return " ".join(parts)


def processes_text(result: BenchResult) -> str:
    """``4 processes``."""
    return f"{result.config.nproc} process{'' if result.config.nproc == 1 else 'es'}"


def _facts_of(result: BenchResult, label: str) -> Iterator[tuple[str, str]]:
    if not result.is_measured:
        yield label, f"{result.status}: {result.message}"
        return
    yield label, "; ".join(_how_measured(result))
    share = max(filter(None, (result.peak_utilization, result.matmul_utilization)), default=0.0)
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
    if result.config.sync_every_step and len(result.latency_percentiles) < len(PERCENTILES):
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
    if result.has_device_sync:
        yield label, "a step waits for the GPU itself, so whether host or GPU bounds it cannot be told"
    if result.telemetry is not None:
        yield label, _telemetry(result)
    for note in result.notes:
        yield label, note


def _how_measured(result: BenchResult) -> Iterator[str]:
    estimate, warm_up = result.step_s, result.warm_up
    if not result.has_converged:
        yield f"± {numbers.margin(estimate.relative)}, not converged to ± {numbers.fraction(result.config.precision)}"
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
    if result.arithmetic_intensity is not None and result.roofline is not None:
        yield f"{result.arithmetic_intensity:,.1f} FLOPs per byte, on the {result.roofline} side of the roofline"
    if result.is_lower_bound:
        yield "its FLOPs are a lower bound"
    if result.background_load is not None and result.background_load > _NOTICEABLE_LOAD:
        yield f"other processes kept {result.background_load:.1f} cores busy meanwhile"


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
    if found.other_processes:
        parts.append(f"{found.other_processes} other process{'es' if found.other_processes > 1 else ''} on the GPU")
    return ", ".join(parts)


def _ceilings(report: BenchReport) -> Iterator[tuple[str, str]]:
    """What the device can do, once for each number format; of several measurements the best."""
    best: dict[Precision, DeviceLimits] = {}
    for result in report.results:
        found, dtype = result.device_limits, result.config.dtype
        if found is not None and (dtype not in best or found.matmul_flops > best[dtype].matmul_flops):
            best[dtype] = found
    for dtype, found in best.items():
        matmul, copy = (numbers.scaled(round(value)) for value in (found.matmul_flops, found.copy_bytes))
        sheet = "no datasheet of this device is known, so no share of its peak is told"
        if found.datasheet is not None:
            peak = "none" if found.datasheet_flops is None else f"{numbers.scaled(round(found.datasheet_flops))}FLOP/s"
            sheet = f"peak by the {found.datasheet}, dense: {peak}"
        yield "Device limits", f"{dtype}: a matrix product reaches {matmul}FLOP/s, a copy moves {copy}B/s; {sheet}"


def verdict(comparison: Comparison, report: BenchReport) -> str:
    """``alexnet-tv is 1.42 ± 0.01 times faster than alexnet-paper``."""
    pair = [report.results[position] for position in (comparison.first, comparison.second)]
    first, second = (result.architecture.title for result in pair)
    where = label_of(pair[0], report).removeprefix(first)
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
    label = label_of(result, report)
    was = f"{numbers.rate(saved.throughput_before)} → {numbers.rate(result.throughput)} samples/s"
    change = 100 * (found.ratio - 1)
    signed = f"{change:+.1f} ± {100 * found.half_width:.1f}%".replace("-", "−")
    if saved in report.too_slow:
        longer, limit = numbers.fraction(1 / found.ratio - 1), numbers.fraction(report.slower_limit or 0.0)
        return f"{label}: {was}, {signed}: a step takes {longer} longer, more than {limit}"
    word = "the same within 1%" if found.verdict == "equivalent" else found.verdict
    return f"{label}: {was}, {signed}: {word}"
