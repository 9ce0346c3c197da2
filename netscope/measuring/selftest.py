"""The benchmark's self-test: measurements on this device whose results are known in advance."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import nn

from netscope.measuring import execution_compat
from netscope.measuring.clock import create_clock
from netscope.measuring.precision import configure_torch, select_device
from netscope.measuring.roofline import measure_device_limits
from netscope.measuring.runner import (
    Clock,
    LoopOptions,
    RunContext,
    Workload,
    compute_block_size,
    measure,
    measure_block,
    measure_sync_s,
    warm_up,
)
from netscope.measuring.session import use_device
from netscope.measuring.step import BenchModel, grad_mode, prepare
from netscope.runtime.machine import cores
from netscope.schema import BenchConfig, Block, SelfTestCheck
from netscope.schema.bench import HOST_BOUND_ABOVE, classify_bound
from netscope.schema.inputs import ForwardInputs
from netscope.statistics import Difference, compare_pairs

DELAY_S = 0.005
WITHIN = 0.01
TWICE_WITHIN = 0.02
LEVEL = 0.999
"""Level of the interval that must contain 1 for A against A: a sound benchmark fails once in a thousand times."""

MAX_TIME_S = 12.0
ROUNDS = 24
_NARROW = 0.003
_MAX_HALF_WIDTH = 0.05
_MIN_DELAY_S = 1e-4

FASTEST_CORE = 1.2e12
"""FLOP/s that no CPU core exceeds: 192 FLOPs per cycle (two FMAs of 16 lanes, three times) at 6 GHz."""

SLOWEST_CPU = 1e8
SLOWEST_GPU = 1e11
FASTEST_GPU = 2e16


@dataclass(frozen=True, slots=True)
class _CheckContext:
    """The configuration, the clock and the warmed-up model that all checks use."""

    config: BenchConfig
    device: torch.device
    clock: Clock
    workload: Workload
    sync_s: float
    peak_flops: float | None = None

    def create_workload(self, step: Callable[[], None], step_s: float) -> Workload:
        """Returns another step as a workload with blocks of the usual length."""
        return Workload(step=step, steps_per_block=compute_block_size(step_s, self.sync_s))

    def measure_blocks(self, workload: Workload, count: int = 12) -> list[Block]:
        """Returns some blocks of a workload, after a warm-up block."""
        measure_block(workload, self.clock, 0.0)
        return [measure_block(workload, self.clock, 0.0) for _ in range(count)]


class _Outcome(NamedTuple):
    """The outcome of one check."""

    expected: str
    measured: str
    passed: bool


def run_self_test(
    config: BenchConfig, peak_flops: float | None, report_progress: Callable[[str], None]
) -> tuple[SelfTestCheck, ...]:
    """Runs the checks and returns their outcomes.

    Args:
        config: the device and number format.
        peak_flops: the peak FLOP/s of the datasheet; None if unknown.
        report_progress: is called with the name of each check before it runs.

    Raises:
        DeviceError: the device does not exist.
    """
    device = select_device(config)
    clock = create_clock(device)
    with use_device(device), configure_torch(config), grad_mode(config):
        sync_s = measure_sync_s(clock)
        prepared = prepare(_create_model(), config, device)
        warm_up(prepared.workload, clock, sync_s, RunContext(), clock.now() + MAX_TIME_S)
        bench = _CheckContext(config, device, clock, prepared.workload, sync_s, peak_flops)
        checks = []
        for name, check in CHECKS.items():
            report_progress(name)
            checks.append(SelfTestCheck(name=name, **check(bench)._asdict()))
    return tuple(checks)


def _create_model() -> BenchModel:
    """Returns a small convolutional network whose step takes a few milliseconds on any device."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4),
            nn.Flatten(), nn.Linear(64 * 8 * 8, 256), nn.ReLU(), nn.Linear(256, 10),
        )  # fmt: skip

    def create_inputs(_module: nn.Module, number: int, _device: torch.device) -> ForwardInputs:
        generator = torch.Generator().manual_seed(number)
        return ForwardInputs(args=(torch.randn(8, 3, 32, 32, generator=generator),), kwargs={})

    return BenchModel(name="the self-test", build=build, create_inputs=create_inputs, find_outputs=lambda _: [])


def _compare_interleaved(clock: Clock, first: Callable[[], float], second: Callable[[], float]) -> Difference:
    """Measures two functions that return seconds, interleaved, until the interval is narrow or the time is over."""
    times: tuple[list[float], list[float]] = ([], [])
    begin = clock.now()
    while True:
        for number in (0, 1) if len(times[0]) % 2 == 0 else (1, 0):
            times[number].append((first, second)[number]())
        if len(times[0]) >= ROUNDS and len(times[0]) % 2 == 0:
            found = compare_pairs(*times)
            if found.half_width < _NARROW or clock.now() - begin > MAX_TIME_S:
                return found


def _expect_ratio(difference: Difference, expected: float, within: float) -> _Outcome:
    """Returns whether the interval is consistent with ``expected`` and narrow enough to mean something."""
    is_near = difference.low <= expected * (1 + within) and difference.high >= expected * (1 - within)
    is_narrow = difference.half_width <= _MAX_HALF_WIDTH * expected
    return _Outcome(
        f"{expected:g} within {within:.0%}",
        f"{difference.ratio:.4f} ± {difference.half_width:.4f}{'' if is_narrow else ', too noisy to tell'}",
        is_near and is_narrow,
    )


def _check_bare_loop(bench: _CheckContext) -> _Outcome:
    """Checks that a bare timing loop over the same steps takes the same time."""
    steps = bench.workload.steps_per_block

    def bare() -> float:
        bench.clock.synchronize()
        start = bench.clock.now()
        for _ in range(steps):
            bench.workload.step()
        bench.clock.synchronize()
        return (bench.clock.now() - start) / steps

    found = _compare_interleaved(bench.clock, bare, lambda: measure_block(bench.workload, bench.clock, 0.0).step_s)
    return _expect_ratio(found, 1, WITHIN)


def _check_same_against_same(bench: _CheckContext) -> _Outcome:
    """Checks that two series of the same steps do not differ."""
    options = LoopOptions(precision=bench.config.precision, deadline=bench.clock.now() + MAX_TIME_S)
    series = measure([bench.workload, replace(bench.workload)], bench.clock, options, RunContext())
    first, second = ([block.step_s for block in blocks] for blocks in series)
    found = compare_pairs(first, second, LEVEL)
    return _Outcome(
        f"1 within the {LEVEL:.1%} interval", f"{found.low:.4f} to {found.high:.4f}", found.low <= 1 <= found.high
    )


def _check_twice_the_steps(bench: _CheckContext) -> _Outcome:
    """Checks that a block of twice the steps takes twice the time."""
    twice = replace(bench.workload, steps_per_block=2 * bench.workload.steps_per_block)
    found = _compare_interleaved(
        bench.clock,
        lambda: measure_block(bench.workload, bench.clock, 0.0).wall_s,
        lambda: measure_block(twice, bench.clock, 0.0).wall_s,
    )
    return _expect_ratio(found, 2, TWICE_WITHIN)


@dataclass(slots=True)
class _TimedStep:
    """A step that records its time by the system's wall clock, which the benchmark does not use.

    A busy machine wakes and interrupts processes at will, so no fixed time can be expected of a sleep.
    """

    step: Callable[[], None]
    times: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        begin = time.time()
        self.step()
        self.times.append(time.time() - begin)

    def mean_s(self, blocks: list[Block]) -> float:
        """Returns the mean time of the steps in these blocks, the last ones that ran."""
        steps = sum(block.steps for block in blocks)
        return sum(self.times[-steps:]) / steps


def _mean_step_s(blocks: list[Block]) -> float:
    return sum(block.wall_s for block in blocks) / sum(block.steps for block in blocks)


def _check_host_sleep(bench: _CheckContext) -> _Outcome:
    """Checks that a sleep of the host in each step is measured and labeled as the bound."""
    bare_s = _mean_step_s(bench.measure_blocks(bench.workload))
    sleep_s = max(DELAY_S, bare_s)

    def sleep_and_step() -> None:
        time.sleep(sleep_s)
        bench.workload.step()

    step = _TimedStep(sleep_and_step)
    blocks = bench.measure_blocks(bench.create_workload(step, sleep_s + bare_s))
    found_s, expected_s = _mean_step_s(blocks), step.mean_s(blocks)
    # A GPU computes while the host sleeps, and the end of a block waits for its last step.
    last_s = bare_s / blocks[0].steps if bench.config.is_cuda else 0.0
    label = classify_bound(blocks, is_cuda=bench.config.is_cuda)
    return _Outcome(
        f"{1e3 * expected_s:.2f} ms within {TWICE_WITHIN:.0%}, bound: host",
        f"{1e3 * found_s:.2f} ms, bound: {label}",
        abs(found_s - expected_s) <= TWICE_WITHIN * expected_s + last_s and label == "host",
    )


def _check_device_delay(bench: _CheckContext) -> _Outcome:
    """Checks that a known delay of the device in each step is measured and labeled as the bound."""
    if bench.config.is_cuda:
        expected_s = _measure_gpu_delay(bench)
        if expected_s < _MIN_DELAY_S:
            return _Outcome("some milliseconds", "none", passed=False)
        delay: Callable[[], None] = partial(execution_compat.delay_device, _CYCLES)
        blocks = bench.measure_blocks(bench.create_workload(delay, expected_s))
        found_s, bound = median((block.device_s or 0.0) / block.steps for block in blocks), "GPU"
    else:
        step = _TimedStep(lambda: _spin(bench.clock))
        blocks = bench.measure_blocks(bench.create_workload(step, DELAY_S))
        found_s, expected_s = _mean_step_s(blocks), step.mean_s(blocks)
        # If other processes keep the thread from running for long enough, it waits like one that sleeps.
        bound = "CPU" if HOST_BOUND_ABOVE * expected_s <= DELAY_S else "host"
    label = classify_bound(blocks, is_cuda=bench.config.is_cuda)
    return _Outcome(
        f"{1e3 * expected_s:.3f} ms within {TWICE_WITHIN:.0%}, bound: {bound}",
        f"{1e3 * found_s:.3f} ms, bound: {label}",
        abs(found_s - expected_s) <= TWICE_WITHIN * expected_s and label == bound,
    )


_CYCLES = 10_000_000
"""Cycles of the GPU's clock that take some milliseconds."""


def _measure_gpu_delay(bench: _CheckContext) -> float:
    """Returns the seconds of one delay, as the difference of two lengths, which excludes the cost of launching."""

    def seconds(cycles: int) -> float:
        bench.clock.synchronize()
        start = bench.clock.now()
        execution_compat.delay_device(cycles)
        bench.clock.synchronize()
        return bench.clock.now() - start

    seconds(_CYCLES)
    pairs = [(seconds(_CYCLES), seconds(2 * _CYCLES)) for _ in range(11)]
    differences = sorted(twice - once for once, twice in pairs)
    return differences[len(differences) // 2]


def _spin(clock: Clock) -> None:
    end = clock.now() + DELAY_S
    while clock.now() < end:
        pass


def _check_matmul(bench: _CheckContext) -> _Outcome:
    """Checks that the rate of a large matmul is possible on this device."""
    found = measure_device_limits(bench.config, bench.device, bench.clock, MAX_TIME_S).matmul_flops
    if bench.peak_flops is not None:
        low, high, reason = 0.2 * bench.peak_flops, 1.05 * bench.peak_flops, "20 to 105% of the datasheet's peak"
    elif bench.config.is_cuda:
        low, high, reason = SLOWEST_GPU, FASTEST_GPU, "the range of GPUs"
    else:
        low, high, reason = SLOWEST_CPU, FASTEST_CORE * cores(), f"the range of {cores()} cores"
    return _Outcome(
        f"{low / 1e9:,.1f} to {high / 1e9:,.0f} GFLOP/s: {reason}", f"{found / 1e9:,.1f} GFLOP/s", low <= found <= high
    )


CHECKS: Mapping[str, Callable[[_CheckContext], _Outcome]] = MappingProxyType(
    {
        "a bare timing loop over the same steps": _check_bare_loop,
        "A against A": _check_same_against_same,
        "twice the steps take twice the time": _check_twice_the_steps,
        "a sleep on the host at each step": _check_host_sleep,
        "a known delay on the device at each step": _check_device_delay,
        "a large matmul": _check_matmul,
    }
)
"""The checks by name, in the order in which they run."""
