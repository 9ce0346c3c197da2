"""The footer below a table of measurements: comparisons, how each result was measured, and device limits."""

from collections.abc import Iterator

from netscope.render import numbers
from netscope.schema import BenchReport, BenchResult, Comparison, DeviceLimits, SavedComparison
from netscope.schema.bench import NOTICEABLE_LOAD, PERCENTILES, Precision

_NOTICEABLE_SPREAD = 0.05
_LONG_S = 60.0
"""A time that is enough for a narrow interval on most machines."""


def get_batch_size(result: BenchResult) -> int | None:
    """Returns the batch size per process; None if unknown."""
    return result.config.batch_size or (result.samples // result.config.nproc if result.samples else None)


def list_flags(result: BenchResult) -> Iterator[str]:
    """Yields the warnings about a result, in a word or two each."""
    if not result.is_measured:
        yield result.status
        return
    if not result.has_converged:
        yield "not converged"
    if result.is_drifting:
        yield "drifting"
    if result.interrupted:
        yield "interrupted"


def format_bench_line(result: BenchResult, report: BenchReport) -> str:
    """Returns a result as one line for the live display."""
    if not result.is_measured:
        return f"{format_label(result, report)}  {result.status}"
    figures = f"{numbers.rate(result.throughput)} samples/s ± {numbers.margin(result.step_s.relative)}"
    return "  ".join((format_label(result, report), figures, *list_flags(result)))


def format_footer(report: BenchReport) -> Iterator[tuple[str, str]]:
    """Yields label and text of each line: comparisons first, then the results, then the device."""
    for comparison in report.comparisons:
        yield "Compared", format_comparison(comparison, report)
    for saved in report.saved:
        yield "Compared with earlier run", format_saved_comparison(saved, report)
    results = report.results
    for result in results:
        yield from _format_result(result, format_label(result, report))
    yield from _format_advice(report)
    yield from _format_device_limits(report)
    if any(result.is_measured and result.config.is_cuda and result.telemetry is None for result in results):
        yield "Note", "clocks, power and temperature were not sampled; they require NVML: pip install nvidia-ml-py"
    for note in report.notes:
        yield "Note", note


def _format_advice(report: BenchReport) -> Iterator[tuple[str, str]]:
    """Yields how to get narrower intervals, if time was too short for any."""
    measured = [result for result in report.results if result.is_measured and not result.interrupted]
    wide = [result for result in measured if not result.has_converged]
    if wide:
        seconds = max(_LONG_S, 4 * wide[0].config.max_time_s)  # four times the blocks halve the interval
        option = "--max-time {:g}" if wide[0].environment.command else "max_time_s={:g}"
        yield "Precision", f"use {option.format(seconds)} for narrower intervals"


def format_label(result: BenchResult, report: BenchReport) -> str:
    """Returns the name of a result, with the options that distinguish it from others of the same name."""
    alike = [other for other in report.results if other.architecture == result.architecture]
    parts = [result.architecture.title]
    for text, getter in (
        (f"batch {get_batch_size(result)}", get_batch_size),
        (result.config.dtype, lambda other: other.config.dtype),
        (result.config.mode, lambda other: other.config.mode),
        (format_processes(result), lambda other: other.config.nproc),
    ):
        if len({getter(other) for other in alike}) > 1:
            parts.append(text)
    return " ".join(parts)


def format_processes(result: BenchResult) -> str:
    """Returns the number of processes in words, e.g. ``4 processes``."""
    return numbers.count_nouns(result.config.nproc, "process")


def _format_result(result: BenchResult, label: str) -> Iterator[tuple[str, str]]:
    if not result.is_measured:
        yield label, f"{result.status}: {result.message}"
        return
    yield label, "; ".join(_format_measurement(result))
    if result.excess is not None:
        yield label, _format_excess(result)
    if result.latency_percentiles:
        yield (
            label,
            "latency "
            + ", ".join(
                f"p{100 * part:g} {numbers.seconds(value)}" for part, value in result.latency_percentiles.items()
            ),
        )
    if result.config.sync_every_step and len(result.latency_percentiles) < len(PERCENTILES):
        yield label, "a percentile is shown if at least ten steps exceed it"
    if result.copy_s is not None and result.no_copy_step_s is not None:
        yield (
            label,
            (
                f"copying the inputs takes {numbers.seconds(result.copy_s)}, a step without it "
                f"{numbers.seconds(result.no_copy_step_s)}"
            ),
        )
    if result.exposed_communication_s is not None:
        share = result.exposed_communication_s / result.step_s.mean
        yield (
            label,
            (
                f"gradient synchronization adds {numbers.seconds(max(result.exposed_communication_s, 0.0))} to a step "
                f"({numbers.fraction(max(share, 0.0))} of it); memory by rank "
                f"{', '.join(map(numbers.size, result.peak_memory_bytes))}"
            ),
        )
    if result.has_device_sync:
        yield label, "the step synchronizes with the GPU, so host-bound and GPU-bound cannot be distinguished"
    if result.telemetry is not None:
        yield label, _format_telemetry(result)
    for note in result.notes:
        yield label, note


def _format_excess(result: BenchResult) -> str:
    share = f"{numbers.fraction(result.highest_utilization)} of what the device can do"
    if result.excess == "mistake":
        return f"{share} is impossible on an idle machine: a mistake in netscope; please report it"
    return f"{share} is noise of the machine ({', '.join(_list_noise(result))}); measure again when it is idle"


def _list_noise(result: BenchResult) -> Iterator[str]:
    """Yields what may have made the device's limit appear lower than it is."""
    spread = result.device_limits.matmul_spread if result.device_limits else 0.0
    if not result.is_machine_idle:
        yield "whether it was idle is unknown" if result.is_machine_idle is None else "other processes used it"
    if spread > _NOTICEABLE_SPREAD:
        yield f"runs of the matmul differ by {numbers.fraction(spread)}"
    if result.is_machine_idle:
        yield f"the interval of ± {numbers.margin(result.step_s.relative)} includes 100%"


def _format_measurement(result: BenchResult) -> Iterator[str]:
    estimate, warm_up = result.step_s, result.warm_up
    if not result.has_converged:
        yield f"± {numbers.margin(estimate.relative)}, not converged to ± {numbers.fraction(result.config.precision)}"
    averaged = f", averaged in groups of {estimate.batch_size}" if estimate.batch_size > 1 else ""
    size = numbers.count_nouns(result.blocks[0].steps, "step")
    count = numbers.count_nouns(len(result.blocks), "block")
    blocks = f"{count} of {size} in {numbers.seconds(result.measuring_s)}{averaged}"
    if warm_up is not None:
        unstable = "" if warm_up.is_stable else ", not stable yet"
        compiled = f" with {numbers.seconds(warm_up.compile_s)} of compiling" if warm_up.compile_s is not None else ""
        blocks += (
            f", after {numbers.seconds(result.build_s)} of building and {numbers.seconds(warm_up.seconds)} of "
            f"warm-up{unstable} (first step {numbers.seconds(warm_up.first_step_s)}{compiled})"
        )
    yield blocks
    if result.outliers:
        yield f"{numbers.count_nouns(result.outliers, 'outlier')}, all kept"
    if result.is_drifting:
        yield f"drifting: the step time changed by {100 * result.trend.change:+.1f}% over the run".replace("-", "−")
    if result.arithmetic_intensity is not None and result.roofline is not None:
        yield f"{result.arithmetic_intensity:,.1f} FLOPs per byte, on the {result.roofline} side of the roofline"
    if result.is_lower_bound:
        yield "FLOPs are a lower bound"
    if result.background_load is not None and result.background_load > NOTICEABLE_LOAD:
        yield f"background load: {result.background_load:.1f} cores"


def _format_telemetry(result: BenchResult) -> str:
    found = result.telemetry
    if found is None:
        return ""
    parts = []
    if found.sm_clock_mhz is not None:
        parts.append(f"SM clock {found.sm_clock_mhz.low:.0f}–{found.sm_clock_mhz.high:.0f} MHz")
    if found.power_w is not None:
        parts.append(f"{found.power_w.median:.0f} W")
    if found.temperature_c is not None:
        parts.append(f"up to {found.temperature_c.high:.0f} °C")
    parts.append(f"throttled: {', '.join(found.throttle_reasons)}" if found.throttle_reasons else "not throttled")
    if found.other_processes:
        parts.append(f"{found.other_processes} other process{'es' if found.other_processes > 1 else ''} on the GPU")
    return ", ".join(parts)


def _format_device_limits(report: BenchReport) -> Iterator[tuple[str, str]]:
    """Yields the limits of the device once per number format, from the best measurement."""
    best: dict[Precision, DeviceLimits] = {}
    for result in report.results:
        found, dtype = result.device_limits, result.config.dtype
        if found is not None and (dtype not in best or found.matmul_flops > best[dtype].matmul_flops):
            best[dtype] = found
    for dtype, found in best.items():
        matmul, copy = (numbers.scaled(round(value)) for value in (found.matmul_flops, found.copy_bytes))
        sheet = "no datasheet for this device, so no % of peak"
        if found.datasheet is not None:
            peak = "none" if found.datasheet_flops is None else f"{numbers.scaled(round(found.datasheet_flops))}FLOP/s"
            sheet = f"peak per {found.datasheet} (dense): {peak}"
        yield "Device limits", f"{dtype}: matmul {matmul}FLOP/s, copy {copy}B/s (measured); {sheet}"


def format_comparison(comparison: Comparison, report: BenchReport) -> str:
    """Returns a comparison in words, e.g. ``alexnet-tv is 1.42 ± 0.01 times faster than alexnet-paper``."""
    pair = [report.results[position] for position in (comparison.first, comparison.second)]
    first, second = (result.architecture.title for result in pair)
    where = format_label(pair[0], report).removeprefix(first)
    at = f" at{where}" if where else ""
    found = comparison.difference
    level = f" (at {100 * found.level:.4g}%, one of several comparisons)" if found.level != _DEFAULT_LEVEL else ""
    if found.verdict == "equivalent":
        return f"{first} and {second} are equivalent within 1%{at}{level}"
    if found.verdict == "inconclusive":
        times = f"between {found.low:.3g}× and {found.high:.3g}× the time of {first}"
        return f"inconclusive: {second} takes {times}{at}{level}"
    ratio, low, high = found.ratio, found.low, found.high
    if found.verdict == "slower":
        first, second, ratio, low, high = second, first, 1 / ratio, 1 / high, 1 / low
    half_width = (high - low) / 2
    digits = next((digits for digits in (2, 3) if half_width >= _HALF * 10**-digits), 4)
    return f"{first} is {ratio:.{digits}f} ± {half_width:.{digits}f} times faster than {second}{at}{level}"


_DEFAULT_LEVEL = 0.95
_HALF = 0.5


def format_saved_comparison(saved: SavedComparison, report: BenchReport) -> str:
    """Returns a comparison with an earlier run in words."""
    result = report.results[saved.result]
    found = saved.difference
    label = format_label(result, report)
    rates = f"{numbers.rate(saved.throughput_before)} → {numbers.rate(result.throughput)} samples/s"
    change = 100 * (found.ratio - 1)
    signed = f"{change:+.1f} ± {100 * found.half_width:.1f}%".replace("-", "−")
    if saved in report.too_slow:
        longer, limit = numbers.fraction(1 / found.ratio - 1), numbers.fraction(report.slower_limit or 0.0)
        return f"{label}: {rates}, {signed}: a step takes {longer} longer, the limit is {limit}"
    word = "the same within 1%" if found.verdict == "equivalent" else found.verdict
    return f"{label}: {rates}, {signed}: {word}"
