"""Hand-made reports in every format, and the footer of the table."""

from dataclasses import replace

import pytest

from netscope.render import Canvas, render
from netscope.render.bench_footer import format_comparison, format_saved_comparison
from netscope.schema import (
    BenchConfig,
    BenchReport,
    Comparison,
    DeviceLimits,
    LayerOverhead,
    SavedComparison,
    SelfTest,
    SelfTestCheck,
    Span,
    Telemetry,
    WarmUp,
)
from netscope.statistics import Difference, compare_pairs, compare_series
from tests.benchmarks import ENVIRONMENT, block, blocks, result
from tests.render.conftest import linear, summary_of, with_figures

TELEMETRY = Telemetry(
    samples=40,
    sm_clock_mhz=Span(low=1410.0, median=1755.0, high=1980.0),
    memory_clock_mhz=Span(low=2619.0, median=2619.0, high=2619.0),
    power_w=Span(low=310.0, median=640.5, high=699.0),
    temperature_c=Span(low=40.0, median=61.0, high=64.0),
    throttle_reasons=("sw_power_cap",),
    other_processes=1,
)


NOISY_LIMITS = DeviceLimits(matmul_flops=7e14, copy_bytes=2.5e12, matmul_spread=0.6)


def create_report():
    """A report of two compared results, one of them imprecise, and one that ran out of memory."""
    first = result("alexnet-paper", telemetry=TELEMETRY)
    second = result(
        "alexnet-tv",
        blocks=blocks(0.007, noise=0.05),
        warm_up=WarmUp(first_step_s=21.5, compile_s=20.25, steps=90, seconds=33.0, is_stable=False),
        notes=("a batch of 32 is the largest that fits",),
    )
    third = result(
        "vit_b_16", status="oom", blocks=(), work="", samples=0, warm_up=None,
        message="vit_b_16 needs more memory than is available",
    )  # fmt: skip
    comparison = Comparison(
        first=0, second=1, difference=compare_pairs(first.step_times, second.step_times), same_process=True
    )
    return BenchReport(results=(first, second, third), comparisons=(comparison,))


@pytest.mark.parametrize(
    ("name", "width"), [("bench.txt", None), ("bench-80.txt", 80), ("bench-100.txt", 100), ("bench-160.txt", 160)]
)
def test_a_report_as_a_table(name, width, golden):
    golden(name, render(create_report(), canvas=Canvas(width=width)))


@pytest.mark.parametrize(("format_name", "suffix"), [("csv", "csv"), ("markdown", "md"), ("json", "json")])
def test_a_report_in_other_formats(format_name, suffix, golden):
    golden(f"bench.{suffix}", render(create_report(), format_name))


def test_a_sweep_has_columns_for_what_differs(golden):
    configs = [
        BenchConfig(device="cpu", mode="train", dtype=dtype, batch_size=size, optimizer="sgd")
        for dtype in ("fp32", "bf16")
        for size in (8, 64)
    ]
    results = tuple(
        result("toy", config=config, samples=config.batch_size, blocks=blocks(0.001 * config.batch_size, device=False))
        for config in configs
    )
    golden("bench-sweep.txt", render(BenchReport(results=results), canvas=Canvas(width=100)))


def test_scaling_has_its_efficiency(golden):
    one = BenchConfig(device="cuda", mode="train", batch_size=32, optimizer="sgd")
    results = [result("toy", config=one, blocks=blocks(0.010))]
    for nproc, step_s in ((2, 0.0105), (4, 0.0125)):
        results.append(
            result(
                "toy",
                config=replace(one, nproc=nproc, parallel="ddp"),
                samples=32 * nproc,
                blocks=blocks(step_s),
                no_sync_blocks=blocks(0.010),
                peak_memory_bytes=(2**30,) * nproc,
            )
        )
    golden("bench-scaling.txt", render(BenchReport(results=tuple(results)), canvas=Canvas(width=120)))


def test_layers_have_their_times_in_the_tree(toy, golden):
    rows = [with_figures(row, time_s=0.006 / (1 + row.depth), own_time_s=0.0005) for row in toy.rows]
    made = result(
        "toy",
        layers=summary_of(rows),
        layer_overhead=LayerOverhead(events=14, bare_step_s=0.010, timed_step_s=0.0105),
    )
    golden("bench-layers.txt", render(BenchReport(results=(made,)), canvas=Canvas(width=120)))


def test_runs_of_identical_layers_are_folded_with_their_times_summed():
    rows = [linear("", 0, time_s=0.006, own_time_s=0.0)]
    rows += [linear(str(number), 1, time_s=0.002, own_time_s=0.002) for number in range(3)]
    made = result(layers=summary_of(rows), layer_overhead=LayerOverhead(events=8, bare_step_s=0.01, timed_step_s=0.01))
    text = render(BenchReport(results=(made,)))
    assert "0 … 2 ×3" in text
    assert "6.00 ms  100.0%" in text.partition("0 … 2 ×3")[2].partition("\n")[0]


def test_latency_percentiles_and_those_that_are_missing():
    config = replace(result().config, sync_every_step=True)
    latencies = tuple(0.001 + 0.00001 * number for number in range(10))
    text = render(BenchReport(results=(result(config=config, blocks=blocks(latencies=latencies)),)))
    assert "synchronized every step" in text
    assert "latency p50 1.04 ms, p90 1.08 ms, p95 1.09 ms" in text
    assert "a percentile is shown if at least ten steps exceed it" in text


def test_the_time_of_transfers_is_shown():
    config = replace(result().config, data="host")
    text = render(BenchReport(results=(result(config=config, copy_s=0.02, no_copy_step_s=0.01),)))
    assert "copying the inputs takes 20.0 ms, a step without it 10.0 ms" in text
    assert "  input" in text


IDLE = replace(TELEMETRY, other_processes=0)
CPU = BenchConfig(device="cpu")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"flops": 10**13, "telemetry": IDLE}, "142.9% of what the device can do is impossible on an idle machine: a"),
        ({"flops": 10**13, "telemetry": TELEMETRY}, "142.9% of what the device can do is noise of the machine (other"),
        (
            {"flops": 10**13},
            "142.9% of what the device can do is noise of the machine (whether it was idle is unknown)",
        ),
        ({"flops": 10**13, "config": CPU, "background_load": 0.0}, "142.9% of what the device can do is impossible"),
        ({"flops": 10**13, "config": CPU, "background_load": 0.5}, "is noise of the machine (other processes used it)"),
        (
            {"flops": 10**13, "telemetry": IDLE, "blocks": blocks(noise=0.9)},
            "142.9% of what the device can do is noise of the machine (the interval of ± ",
        ),
        (
            {"flops": 10**13, "config": CPU, "background_load": 0.0, "device_limits": NOISY_LIMITS},
            "is noise of the machine (runs of the matmul differ by 60.0%, the interval of ± 0.13% includes 100%)",
        ),
    ],
)
def test_more_than_the_device_can_do_is_a_mistake_only_on_an_idle_machine(fields, text):
    shown = render(BenchReport(results=(result(**fields),)))
    assert text in shown
    assert shown.count("of what the device can do is") == 1


def test_what_the_device_can_do_is_not_mentioned():
    assert "of what the device can do" not in render(BenchReport(results=(result(telemetry=IDLE),)))


def test_wide_intervals_come_with_a_way_to_narrower_ones():
    wide = result(blocks=blocks(noise=0.2))
    text = render(BenchReport(results=(wide,)))
    assert "use --max-time 60 for narrower intervals" in text
    in_python = replace(
        wide, environment=replace(ENVIRONMENT, command=""), config=replace(wide.config, max_time_s=30.0)
    )
    assert "use max_time_s=120 for narrower intervals" in render(BenchReport(results=(in_python,)))
    assert "for narrower intervals" not in render(BenchReport(results=(result(),)))


def test_building_and_warm_up_are_apart_from_measuring():
    text = render(BenchReport(results=(result(),)))
    assert "20 blocks of 10 steps in 2.00 s, after 800 ms of building and 2.50 s of warm-up" in text


def test_without_nvml_the_extra_is_named():
    assert "pip install nvidia-ml-py" in render(BenchReport(results=(result(),)))
    cpu = result(config=BenchConfig(device="cpu"), blocks=blocks(device=False))
    assert "nvidia-ml-py" not in render(BenchReport(results=(cpu,)))


def test_a_drift_is_labelled():
    text = render(BenchReport(results=(result(blocks=blocks(count=60, drift=0.05, noise=0.0005)),)))
    assert "drifting: the step time changed by +" in text


def test_noticeable_background_load_is_shown():
    assert "background load: 1.5 cores" in render(BenchReport(results=(result(background_load=1.5),)))
    assert "background load" not in render(BenchReport(results=(result(background_load=0.01),)))


def difference(low, high, level=0.95):
    return Difference(ratio=(low * high) ** 0.5, low=low, high=high, level=level, p_value=0.01, degrees_of_freedom=20)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (difference(1.41, 1.43), "a is 1.42 ± 0.01 times faster than b"),
        (difference(1.0505, 1.0525), "a is 1.051 ± 0.001 times faster than b"),
        (difference(1.05009, 1.05011), "a is 1.0501 ± 0.0000 times faster than b"),
        (difference(0.5, 0.52), "b is 1.96 ± 0.04 times faster than a"),
        (difference(0.995, 1.004), "a and b are equivalent within 1%"),
        (difference(0.9, 1.2), "inconclusive: b takes between 0.9× and 1.2× the time of a"),
        (difference(1.41, 1.43, 0.975), "a is 1.42 ± 0.01 times faster than b (at 97.5%, one of several comparisons)"),
    ],
)
def test_a_verdict_in_words(found, text):
    report = BenchReport(results=(result("a"), result("b")))
    assert format_comparison(Comparison(first=0, second=1, difference=found, same_process=True), report) == text


def test_a_verdict_names_the_configuration_where_there_are_several():
    eight = BenchConfig(device="cuda", batch_size=8)
    results = (result("a"), result("b"), result("a", config=eight), result("b", config=eight))
    report = BenchReport(results=results)
    comparison = Comparison(first=2, second=3, difference=difference(1.41, 1.43), same_process=True)
    assert format_comparison(comparison, report) == "a is 1.42 ± 0.01 times faster than b at batch 8 fp32"


@pytest.mark.parametrize(
    ("step_s", "limit", "text"),
    [
        (0.011, None, "toy: 3,200 → 2,909 samples/s, −9.1 ± 0.1%: slower"),
        (0.011, 0.05, "toy: 3,200 → 2,909 samples/s, −9.1 ± 0.1%: a step takes 10.0% longer, the limit is 5.0%"),
        (0.010, 0.05, "toy: 3,200 → 3,200 samples/s, +0.0 ± 0.1%: the same within 1%"),
        (0.008, 0.05, "toy: 3,200 → 4,000 samples/s, +25.0 ± 0.1%: faster"),
    ],
)
def test_a_comparison_with_an_earlier_run_in_words(step_s, limit, text):
    now, before = result(blocks=blocks(step_s, noise=0.001)), result(blocks=blocks(noise=0.001))
    saved = SavedComparison(
        result=0,
        throughput_before=before.throughput,
        difference=compare_series(now.step_times, before.step_times),
    )
    report = BenchReport(results=(now,), saved=(saved,), slower_limit=limit)
    assert format_saved_comparison(saved, report) == text


@pytest.mark.parametrize("width", [80, 160])
def test_a_self_test(width, golden):
    checks = (
        SelfTestCheck(name="a bare timing loop", expected="1 within 1%", measured="0.9974 ± 0.0030", passed=True),
        SelfTestCheck(name="a sleep of 5 ms", expected="bound: host", measured="bound: CPU", passed=False),
    )
    made = SelfTest(checks=checks, environment=ENVIRONMENT)
    assert made.exit_code == 1
    golden(f"selftest-{width}.txt", render(made, canvas=Canvas(width=width)))


def test_names_are_never_markup():
    text = render(BenchReport(results=(result("[red]evil\x1b[31m"),)), canvas=Canvas(width=100))
    assert "[red]evil\\x1b[31m" in text


def test_an_imprecise_result_has_its_interval_in_words():
    text = render(BenchReport(results=(result(blocks=(block(0.01), block(0.011))),)))
    assert "not converged to ± 0.50%" in text
