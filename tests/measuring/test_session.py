"""The time that a session takes, on a fake clock that building and steps advance."""

import random

import pytest
from torch import nn

from netscope.measuring import BenchModel, SessionOptions, run_session, session
from netscope.schema import BenchConfig, DeviceLimits
from netscope.schema.inputs import ForwardInputs
from tests.measuring.simulation import FakeClock

LIMITS = DeviceLimits(matmul_flops=1e9, copy_bytes=1e9)


class Takes(nn.Module):
    """A module whose forward pass takes some of the clock's time."""

    def __init__(self, clock, step_s):
        super().__init__()
        self.clock, self.step_s, self.random = clock, step_s, random.Random(0)

    def forward(self):
        self.clock.run(self.step_s * (1 + self.random.random()))  # too noisy to become precise


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(session, "create_clock", lambda _device: clock)

    def measure_device_limits(_config, _device, clock, max_time_s):
        clock.time += max_time_s
        return LIMITS

    monkeypatch.setattr(session, "measure_device_limits", measure_device_limits)
    return clock


def run(clock, *build_s, step_s=0.01, max_time_s=8.0, **options):
    def create(seconds):
        def build():
            clock.time += seconds
            return Takes(clock, step_s)

        return BenchModel(
            name="it",
            build=build,
            create_inputs=lambda *_: ForwardInputs(args=(), kwargs={}),
            find_outputs=lambda _: [],
        )

    config = BenchConfig(device="cpu", max_time_s=max_time_s)
    return run_session([create(seconds) for seconds in build_s], config, SessionOptions(**options))


@pytest.mark.parametrize("build_s", [0.0, 1.0, 3.0])
def test_building_warm_up_and_measuring_take_the_maximum_time_together(build_s, clock):
    (found,) = run(clock, build_s).measurements
    assert clock.time - 100 == pytest.approx(8.0, abs=0.5)
    assert found.build_s == pytest.approx(build_s)
    assert found.build_s + found.warm_up.seconds <= 4.2
    measured_s = sum(block.wall_s for block in found.blocks)
    assert clock.time - 100 == pytest.approx(found.build_s + found.warm_up.seconds + measured_s + 1.6, abs=0.1)


def test_several_architectures_have_the_maximum_time_each(clock):
    found = run(clock, 1.0, 2.0).measurements
    assert clock.time - 100 == pytest.approx(16.0, abs=0.5)
    assert [item.build_s for item in found] == pytest.approx([1.0, 2.0])


def test_the_time_for_layers_is_part_of_the_maximum(clock):
    (found,) = run(clock, 0.0, layers=True).measurements
    assert found.layers is not None
    assert clock.time - 100 <= 8.5


def test_slow_steps_are_measured_in_two_blocks_whatever_the_maximum(clock):
    (found,) = run(clock, 20.0, step_s=30.0).measurements
    assert (found.warm_up.steps, len(found.blocks)) == (2, 2)


def test_a_stopped_session_skips_what_comes_after_the_blocks(clock):
    found = run(clock, 0.0, layers=True, is_stopped=lambda: clock.time > 102)
    assert found.interrupted
    assert (found.device_limits, found.measurements[0].layers) == (None, None)
    assert clock.time < 102.5
