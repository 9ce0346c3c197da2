"""The measuring loop on a fake clock: order, when it stops, and how often its intervals are right."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from netscope.measuring.runner import (
    MAX_STABILIZING_S,
    LoopOptions,
    RunContext,
    Workload,
    compute_block_size,
    measure,
    measure_block,
    measure_sync_s,
    warm_up,
)
from netscope.schema.bench import classify_bound, is_precise
from netscope.statistics import compare_pairs, estimate_mean
from tests.measuring.simulation import FakeClock, Noise, noisy_workload


def options(clock, max_time_s=60.0):
    return LoopOptions(precision=0.005, deadline=clock.time + max_time_s)


@pytest.mark.parametrize(
    ("step_s", "sync_s", "least"),
    [(0.001, 0.0, 50), (0.01, 0.0, 5), (0.2, 0.0, 1), (0.001, 0.001, 200), (0.001, 0.0001, 50)],
)
def test_a_block_takes_50_ms_and_200_synchronisations(step_s, sync_s, least):
    assert least <= compute_block_size(step_s, sync_s) <= 1.2 * least + 1
    assert compute_block_size(step_s, sync_s) * step_s >= max(0.05, 200 * sync_s)


def test_a_synchronisation_is_timed_on_an_idle_device():
    assert measure_sync_s(FakeClock(sync_s=3e-5)) == pytest.approx(3e-5)


def test_a_block_is_synchronised_at_its_ends_only():
    clock = FakeClock()
    block = measure_block(Workload(step=lambda: clock.run(0.01), steps_per_block=7), clock, clock.time)
    assert clock.synchronisations == 2
    assert (block.steps, block.latencies_s) == (7, ())
    assert block.wall_s == pytest.approx(0.07)
    assert block.busy_s == pytest.approx(0.07)


def test_latencies_are_of_each_step_by_itself():
    clock = FakeClock()
    times = iter([0.01, 0.02, 0.03])
    workload = Workload(step=lambda: clock.run(next(times)), steps_per_block=3)
    block = measure_block(workload, clock, clock.time, sync_every_step=True)
    assert block.latencies_s == pytest.approx((0.01, 0.02, 0.03))


@pytest.mark.parametrize(
    ("device_s", "issued_s", "label"), [(0.010, 0.001, "GPU"), (0.010, 0.0079, "GPU"), (0.010, 0.009, "host"),
                                       (0.001, 0.010, "host")]
)  # fmt: skip
def test_the_host_bounds_where_issuing_takes_long(device_s, issued_s, label):
    clock = FakeClock(has_device=True)
    workload = Workload(step=lambda: clock.run(device_s, issued=issued_s), steps_per_block=20)
    assert classify_bound([measure_block(workload, clock, clock.time)], is_cuda=True) == label


def test_a_full_queue_does_not_make_the_host_the_bound():
    clock = FakeClock(has_device=True)

    def step():
        clock.run(0.010, issued=0.001)
        if clock.pending - clock.time > 0.02:  # the host may be two steps ahead
            clock.time = clock.pending - 0.02

    block = measure_block(Workload(step=step, steps_per_block=50), clock, clock.time)
    assert block.enqueue_s > 0.9 * block.device_s
    assert classify_bound([block], is_cuda=True) == "GPU"


@pytest.mark.parametrize(("idle_s", "label"), [(0.0, "CPU"), (0.002, "CPU"), (0.005, "host")])
def test_on_a_cpu_the_host_bounds_where_the_thread_waits(idle_s, label):
    clock = FakeClock()
    workload = Workload(step=lambda: clock.run(0.010, idle=idle_s), steps_per_block=5)
    assert classify_bound([measure_block(workload, clock, clock.time)], is_cuda=False) == label


def warm_up_steps(step_times, max_time_s=60.0, **workload):
    """The warm-up of steps that take these times, and the last time forever."""
    clock = FakeClock()
    count = 0

    def step():
        nonlocal count
        clock.run(step_times[min(count, len(step_times) - 1)])
        count += 1

    made = Workload(step=step, **{name: (lambda change=change: change(count)) for name, change in workload.items()})
    found = warm_up(made, clock, 0.0, RunContext(), clock.time + max_time_s)
    assert found.steps == count
    return found, made


def test_a_warm_up_takes_ten_steps_and_a_second():
    quick, _ = warm_up_steps([0.001])
    assert quick.seconds >= 1.0
    assert quick.is_stable
    slow, _ = warm_up_steps([0.9])
    assert slow.steps >= 10
    assert slow.is_stable


def test_the_first_step_is_separate():
    found, workload = warm_up_steps([3.0, 0.01])
    assert found.first_step_s == pytest.approx(3.0)
    assert workload.steps_per_block == compute_block_size(0.01, 0.0)


def test_a_warm_up_lasts_until_steps_take_the_same_time():
    found, _ = warm_up_steps([0.02] * 5 + [0.02 - 0.0001 * step for step in range(100)] + [0.01])
    assert found.is_stable
    assert found.steps > 105


@pytest.mark.parametrize("what", ["compilations", "allocations"])
def test_a_warm_up_lasts_until_nothing_is_compiled_or_allocated(what):
    found, _ = warm_up_steps([0.01], **{what: lambda count: min(count, 300) // 3})
    assert found.steps > 300
    assert found.is_stable


def test_an_unstable_step_is_measured_anyway_and_marked():
    found, _ = warm_up_steps([0.01], allocations=lambda count: count)
    assert not found.is_stable
    assert MAX_STABILIZING_S <= found.seconds < 1 + MAX_STABILIZING_S


def test_a_warm_up_ends_at_its_deadline():
    found, _ = warm_up_steps([0.001], max_time_s=0.4)
    assert found.seconds == pytest.approx(0.4)
    assert not found.is_stable


def test_a_slow_step_is_repeated_once_after_the_deadline():
    found, workload = warm_up_steps([9.0, 3.0], max_time_s=1.0)
    assert (found.steps, found.seconds, workload.steps_per_block) == (2, 12.0, 1)


def test_a_step_that_becomes_slow_does_not_exceed_the_deadline_by_a_whole_block():
    found, _ = warm_up_steps([0.001] * 30 + [1.0], max_time_s=2.0)
    assert found.seconds < 4


def test_architectures_are_measured_forth_and_back():
    clock, order = FakeClock(), []
    workloads = [Workload(step=lambda name=name: (order.append(name), clock.run(0.05))) for name in "ABC"]
    measure(workloads, clock, options(clock), RunContext())
    assert "".join(order[:9]) == "ABCCBAABC"
    assert {len(order) % 3, order.count("A") - order.count("C")} == {0}


def test_it_stops_once_it_is_precise_at_two_checks_in_a_row():
    clock, estimates = FakeClock(), []
    workload = noisy_workload(clock, Noise(sigma=0.006, seed=3))
    context = RunContext(report_progress=lambda progress: estimates.append(progress.estimates))
    (blocks,) = measure([workload], clock, options(clock), context)
    seen = [found[0] for found in dict.fromkeys(filter(None, estimates))]
    assert [is_precise(estimate, 0.005) for estimate in seen[-2:]] == [True, True]
    assert not any(is_precise(a, 0.005) and is_precise(b, 0.005) for a, b in pairwise(seen[:-1]))
    assert len(blocks) > 12


def test_quiet_steps_take_the_fewest_blocks():
    clock = FakeClock()
    (blocks,) = measure([noisy_workload(clock, Noise())], clock, options(clock), RunContext())
    assert len(blocks) == 15  # a check at 12, and one a quarter later


def test_the_maximum_time_ends_imprecise_measurements():
    clock = FakeClock()
    workloads = [noisy_workload(clock, Noise(sigma=0.3, seed=seed)) for seed in range(2)]
    series = measure(workloads, clock, options(clock, 10.0), RunContext())
    assert 10.0 <= clock.time - 100 < 10.5
    assert not is_precise(estimate_mean([block.step_s for block in series[0]]), 0.005)


@pytest.mark.parametrize(("architectures", "rounds"), [(1, 2), (2, 4)])
def test_after_the_deadline_there_are_just_enough_rounds_for_a_result(architectures, rounds):
    clock = FakeClock()
    workloads = [noisy_workload(clock, Noise()) for _ in range(architectures)]
    assert {len(blocks) for blocks in measure(workloads, clock, options(clock, 0.0), RunContext())} == {rounds}


def test_stopping_it_leaves_two_rounds():
    clock = FakeClock()
    (blocks,) = measure([noisy_workload(clock, Noise())], clock, options(clock), RunContext(is_stopped=lambda: True))
    assert len(blocks) == 2


@dataclass
class Follower:
    """A process that follows the decisions of the first one."""

    decisions: list = field(default_factory=lambda: [False] * 20 + [True])

    def barrier(self):
        pass

    def find_slowest(self, block):
        return block

    def broadcast(self, _value):
        return self.decisions.pop(0)


def test_a_process_of_several_stops_with_the_first_one():
    clock = FakeClock()
    (blocks,) = measure([noisy_workload(clock, Noise())], clock, options(clock), RunContext(group=Follower()))
    assert len(blocks) == 21


def is_covered(rho, sigma, seed):
    """Whether the interval of one run holds the true time of a step."""
    clock = FakeClock()
    (blocks,) = measure(
        [noisy_workload(clock, Noise(rho=rho, sigma=sigma, seed=seed))], clock, options(clock), RunContext()
    )
    estimate = estimate_mean([block.step_s for block in blocks])
    return abs(estimate.mean - 0.025) <= estimate.half_width


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.45, 0.6])
@pytest.mark.parametrize("sigma", [0.002, 0.01])
def test_intervals_hold_the_truth_in_93_of_100_runs(rho, sigma):
    runs = 1000
    assert sum(is_covered(rho, sigma, seed) for seed in range(runs)) / runs >= 0.93


def is_false_alarm(rho, sigma, seed):
    """Whether A differs from A, on a machine that becomes 2 % slower."""
    clock = FakeClock()
    noise = Noise(rho=rho, sigma=sigma, drift=0.02, over_s=(4.0, 20.0, 120.0)[seed % 3], seed=seed)
    workloads = [noisy_workload(clock, noise), noisy_workload(clock, noise)]
    first, second = (
        [block.step_s for block in blocks] for blocks in measure(workloads, clock, options(clock, 20.0), RunContext())
    )
    found = compare_pairs(first, second)
    return not found.low <= 1 <= found.high


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_a_differs_from_a_in_no_more_than_6_of_100_runs(rho):
    runs = 1000
    assert sum(is_false_alarm(rho, 0.006, seed) for seed in range(runs)) / runs <= 0.06
