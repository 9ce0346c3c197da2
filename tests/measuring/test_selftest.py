"""The benchmark's self-test on sound and on faulty clocks."""

import pytest
import torch

from netscope.measuring import selftest
from netscope.measuring.runner import Workload
from netscope.schema import BenchConfig, DeviceLimits
from tests.measuring.simulation import FakeClock

CHECKS = (
    selftest._check_bare_loop,
    selftest._check_same_against_same,
    selftest._check_twice_the_steps,
    selftest._check_host_sleep,
    selftest._check_device_delay,
)


class Ticking(FakeClock):
    """A clock that advances a little each time it is read, so a loop that waits for it ends."""

    def now(self):
        self.time += 2e-5
        self.computed += 2e-5
        return super().now()


def outcomes(clock, monkeypatch, *, device="cpu", sleeps=True, oversleeps_s=0.0):
    step_s = 0.007 if device == "cpu" else 0.002
    unseen_s = 0.0

    def sleep(seconds):
        nonlocal unseen_s
        if sleeps:
            clock.time += seconds + oversleeps_s
        else:
            unseen_s += seconds

    def step():
        clock.run(step_s, issued=0.0005 if clock.has_device else None)

    monkeypatch.setattr(selftest.time, "sleep", sleep)
    monkeypatch.setattr(selftest.time, "time", lambda: clock.time + unseen_s)
    monkeypatch.setattr(selftest.execution_compat, "delay_device", lambda cycles: clock.run(cycles / 2e9, issued=1e-5))
    bench = selftest._CheckContext(
        BenchConfig(device=device), torch.device("cpu"), clock, Workload(step=step, steps_per_block=8), 0.0
    )
    return [check(bench) for check in CHECKS]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_sound_clock_passes(device, monkeypatch):
    found = outcomes(Ticking(has_device=device == "cuda"), monkeypatch, device=device)
    assert [check.passed for check in found] == [True] * 5, found


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_machine_that_wakes_late_passes(device, monkeypatch):
    assert failed(Ticking(has_device=device == "cuda"), monkeypatch, device=device, oversleeps_s=0.02) == []


def failed(clock, monkeypatch, **how):
    return [number for number, check in enumerate(outcomes(clock, monkeypatch, **how)) if not check.passed]


def test_a_sleep_that_is_not_measured_is_noticed(monkeypatch):
    assert failed(Ticking(), monkeypatch, sleeps=False) == [3]


def test_a_device_that_is_not_waited_for_is_noticed(monkeypatch):
    class Hasty(Ticking):
        def synchronize(self):
            pass

    assert 4 in failed(Hasty(has_device=True), monkeypatch, device="cuda")


def test_events_with_a_wrong_time_are_noticed(monkeypatch):
    class Twice(Ticking):
        def elapsed_s(self, start, end):
            return 2 * (end - start)

    assert 4 in failed(Twice(has_device=True), monkeypatch, device="cuda")


def test_a_cost_at_the_ends_of_a_block_is_noticed(monkeypatch):
    class Lingering(Ticking):
        def thread_time(self):
            self.time += 0.004  # within the time of the block
            return super().thread_time()

        def record_event(self):
            self.time += 0.004
            return super().record_event()

    assert 0 in failed(Lingering(), monkeypatch)


@pytest.mark.parametrize(
    ("matmul_flops", "peak", "passed"),
    [(5e10, None, True), (1e15, None, False), (5e14, 1e15, True), (1.2e15, 1e15, False)],
)
def test_a_matmul_must_be_possible_on_the_device(matmul_flops, peak, passed, monkeypatch):
    limits = DeviceLimits(matmul_flops=matmul_flops, copy_bytes=1e10)
    monkeypatch.setattr(selftest, "measure_device_limits", lambda *_: limits)
    bench = selftest._CheckContext(
        BenchConfig(device="cpu"), torch.device("cpu"), FakeClock(), Workload(step=int), 0.0, peak
    )
    assert selftest._check_matmul(bench).passed is passed
