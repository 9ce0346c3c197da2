"""The values derived from blocks."""

from dataclasses import replace

import pytest

from netscope.errors import SavedResultError
from netscope.schema import BenchConfig, BenchReport, Comparison, DeviceLimits, SavedComparison
from netscope.statistics import compare_pairs, compare_series
from tests.benchmarks import ENVIRONMENT, block, blocks, result


def test_the_headline_is_all_samples_over_all_of_the_time():
    made = result(blocks=(block(0.01), block(0.03), *blocks(0.02, count=18)))
    wall = sum(item.wall_s for item in made.blocks)
    steps = sum(item.steps for item in made.blocks)
    assert made.throughput == pytest.approx(32 * steps / wall)


def test_a_result_converges_by_its_own_precision():
    made = result(blocks=blocks(noise=0.03))
    assert not made.has_converged
    assert replace(made, config=replace(made.config, precision=0.05)).has_converged
    assert not result(blocks=blocks(count=11, noise=0.0001)).has_converged  # too few


@pytest.mark.parametrize(
    ("drift", "noise", "is_drifting"), [(0.0, 0.002, False), (0.008, 0.0005, False), (0.05, 0.0005, True),
                                        (-0.05, 0.0005, True), (0.02, 0.3, False)]
)  # fmt: skip
def test_a_trend_beyond_one_per_cent_and_the_interval_is_a_drift(drift, noise, is_drifting):
    assert result(blocks=blocks(count=60, drift=drift, noise=noise)).is_drifting is is_drifting


def test_outliers_are_counted_and_left_in():
    made = result(blocks=(*blocks(count=19), block(0.1)))
    assert made.outliers == 1
    assert made.throughput < made.median_throughput


@pytest.mark.parametrize(
    ("copy_s", "no_copy_step_s", "enqueue_share", "bound"),
    [(None, None, 0.1, "GPU"), (None, None, 0.9, "host"), (0.02, 0.01, 0.1, "input"), (0.005, 0.01, 0.1, "GPU")],
)
def test_what_bounds_a_gpu(copy_s, no_copy_step_s, enqueue_share, bound):
    made = result(blocks=blocks(enqueue_share=enqueue_share), copy_s=copy_s, no_copy_step_s=no_copy_step_s)
    assert made.bound == bound


def test_utilisation_is_our_flops_over_the_time():
    made = result(blocks=blocks(noise=0.0))
    assert made.achieved_flops == pytest.approx(3e14)
    assert made.peak_utilization == pytest.approx(3e14 / 989.4e12)
    assert made.matmul_utilization == pytest.approx(3 / 7)


def test_several_processes_have_as_many_peaks():
    config = BenchConfig(device="cuda", batch_size=32, dtype="bf16", nproc=4, parallel="ddp", mode="train")
    made = result(config=config, samples=128, blocks=blocks(noise=0.0))
    assert made.achieved_flops == pytest.approx(4 * 3e14)
    assert made.matmul_utilization == pytest.approx(3 / 7)
    assert made.throughput == pytest.approx(12_800)


def test_an_unknown_device_has_no_share_of_a_peak():
    made = result(device_limits=DeviceLimits(matmul_flops=1e12, copy_bytes=1e10))
    assert made.peak_utilization is None
    assert result(flops=None).achieved_flops is None
    assert result(device_limits=None).roofline is None


@pytest.mark.parametrize(("bytes_moved", "side"), [(10**10, "compute"), (2 * 10**10, "memory"), (None, None)])
def test_the_side_of_the_roofline(bytes_moved, side):
    # 7e14 / 2.5e12 = 280 FLOPs a byte; 3e12 FLOPs over 1e10 bytes are 300.
    assert result(bytes_moved=bytes_moved).roofline == side


def test_percentiles_are_those_that_ten_steps_lie_beyond():
    latencies = tuple(0.001 * number for number in range(10))
    made = result(blocks=blocks(count=20, latencies=latencies))
    assert set(made.latency_percentiles) == {0.5, 0.9, 0.95}
    assert result().latency_percentiles == {}


def test_communication_is_what_a_step_without_it_saves():
    made = result(blocks=blocks(0.012, noise=0.0), no_sync_blocks=blocks(0.010, noise=0.0))
    assert made.exposed_communication_s == pytest.approx(0.002)
    assert result().exposed_communication_s is None


def test_scaling_is_compared_with_one_process():
    one = result(config=BenchConfig(device="cpu", mode="train"), blocks=blocks(0.01, noise=0.0))
    four = result(
        config=BenchConfig(device="cpu", mode="train", parallel="ddp", nproc=4), samples=128,
        blocks=blocks(0.0125, noise=0.0),
    )  # fmt: skip
    report = BenchReport(results=(one, four))
    assert report.scaling_efficiency(four) == pytest.approx(0.8)
    assert report.scaling_efficiency(one) is None
    assert BenchReport(results=(four,)).scaling_efficiency(four) is None


def test_what_may_differ_between_environments():
    same = replace(ENVIRONMENT, time="later", load=9.0, revision="other", dirty=False, command="another")
    assert same.differences(ENVIRONMENT) == ()
    other = replace(
        ENVIRONMENT, device="NVIDIA H200", threads=1, versions={**ENVIRONMENT.versions, "torch": "2.12.0"},
        variables={"OMP_NUM_THREADS": "1"}, device_limits={"power_limit_w": 500.0},
    )  # fmt: skip
    assert other.differences(ENVIRONMENT) == (
        "device NVIDIA H100 80GB HBM3 → NVIDIA H200",
        "threads 8 → 1",
        "power_limit_w 700.0 → 500.0",
        "torch 2.11.0 → 2.12.0",
        "OMP_NUM_THREADS None → 1",
    )


def saved(now, before):
    difference = compare_series(now.step_times, before.step_times)
    return SavedComparison(result=0, throughput_before=before.throughput, difference=difference)


@pytest.mark.parametrize(
    ("step_s", "noise", "code"), [(0.0100, 0.002, 0), (0.0104, 0.002, 0), (0.0107, 0.002, 1), (0.0107, 0.2, 0),
                                  (0.0090, 0.002, 0)]
)  # fmt: skip
def test_only_a_significant_slowdown_fails(step_s, noise, code):
    now = result(blocks=blocks(step_s, noise=noise))
    report = BenchReport(results=(now,), saved=(saved(now, result()),), slower_limit=0.05)
    assert report.exit_code == code
    assert replace(report, slower_limit=None).exit_code == 0


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [(("ok",), 0), (("ok", "oom"), 0), (("oom",), 3), (("ok", "failed"), 3), ((), 3)],
)
def test_exit_codes(outcomes, code):
    results = tuple(
        result(status=status) if status == "ok" else result(status=status, blocks=()) for status in outcomes
    )
    assert BenchReport(results=results).exit_code == code


def report():
    first, second = result("first"), result("second", blocks=blocks(0.014))
    comparison = Comparison(
        first=0, second=1, difference=compare_pairs(first.step_times, second.step_times), same_process=True
    )
    oom = result("third", status="oom", message="too large", blocks=())
    return BenchReport(results=(first, second, oom), comparisons=(comparison,))


def test_a_report_survives_json_with_its_figures_beside_it():
    text = report().to_json()
    assert BenchReport.from_json(text) == report()
    assert '"throughput": 3200' in text
    assert '"p50"' not in text


@pytest.mark.parametrize("damage", [('"steps": 10', '"steps": 0'), ('"status": "oom"', '"status": "ok"')])
def test_a_damaged_report_is_refused(damage):
    with pytest.raises(SavedResultError, match="damaged"):
        BenchReport.from_json(report().to_json().replace(*damage))
