"""What the benchmark has to get right on the device at hand: each answer is known beforehand."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from netscope.measuring import execution_compat
from netscope.measuring.clock import clock_of
from netscope.measuring.precision import device_of, set_up
from netscope.measuring.roofline import device_limits
from netscope.measuring.runner import (
    Clock,
    Rules,
    Watch,
    Work,
    block_size,
    measure,
    measure_block,
    synchronisation_s,
    warm_up,
)
from netscope.measuring.session import on_device
from netscope.measuring.step import BenchSubject, grad_mode, prepare
from netscope.runtime.machine import cores
from netscope.schema import BenchConfig, Block, SelfTestCheck
from netscope.schema.bench import bound_of
from netscope.schema.inputs import ForwardInputs
from netscope.statistics import Difference, compare_pairs, mean_estimate

DELAY_S = 0.005
WITHIN = 0.01
TWICE_WITHIN = 0.02
SLEEP_OVERSHOOT_S = 0.0015
"""By how much a sleep may be longer than asked, on a busy machine."""

LEVEL = 0.999
"""Of the interval that has to hold 1 for A against A, so that a sound benchmark fails once in a thousand times."""

MOST_S = 12.0
ROUNDS = 24
_NARROW = 0.003
_MEANINGLESS = 0.05
_SHORTEST_DELAY_S = 1e-4

FASTEST_CORE = 1.2e12
"""FLOP/s that no core exceeds: 192 FLOPs a cycle (two fused products of 16 lanes, thrice) at 6 GHz."""

SLOWEST_CPU = 1e8
SLOWEST_GPU = 1e11
FASTEST_GPU = 2e16


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the checks have in common."""

    config: BenchConfig
    device: torch.device
    clock: Clock
    work: Work
    sync_s: float

    def work_of(self, step: Callable[[], None], step_s: float) -> Work:
        """Another step, in blocks of the usual length."""
        return Work(step=step, steps_per_block=block_size(step_s, self.sync_s))

    def blocks(self, work: Work, count: int = 12) -> list[Block]:
        """Some blocks, after one that does not count."""
        measure_block(work, self.clock, 0.0)
        return [measure_block(work, self.clock, 0.0) for _ in range(count)]


def self_test(config: BenchConfig, peak_flops: float | None, tell: Callable[[str], None]) -> tuple[SelfTestCheck, ...]:
    """The checks, carried out.

    Args:
        config: of the device and number format.
        peak_flops: the datasheet's, FLOP/s; None if there is none.
        tell: is told which check is being carried out.

    Raises:
        DeviceError: there is no such device.
    """
    device = device_of(config)
    clock = clock_of(device)
    with on_device(device), set_up(config), grad_mode(config):
        sync_s = synchronisation_s(clock)
        prepared = prepare(_subject(), config, device)
        warm_up(prepared.work, clock, sync_s, Watch())
        bench = _Bench(config, device, clock, prepared.work, sync_s)
        checks = []
        for check in (_bare_loop, _same_against_same, _twice_the_steps, _host_sleep, _device_delay):
            tell((check.__doc__ or "").partition("\n")[0].rstrip("."))
            checks.append(check(bench))
        tell("A large matrix product")
        checks.append(_matrix_product(bench, peak_flops))
    return tuple(checks)


def _subject() -> BenchSubject:
    """A small convolutional network, of a few milliseconds on anything."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4),
            nn.Flatten(), nn.Linear(64 * 8 * 8, 256), nn.ReLU(), nn.Linear(256, 10),
        )  # fmt: skip

    def batch(_module: nn.Module, number: int, _device: torch.device) -> ForwardInputs:
        generator = torch.Generator().manual_seed(number)
        return ForwardInputs(args=(torch.randn(8, 3, 32, 32, generator=generator),), kwargs={})

    return BenchSubject(what="the self-test's network", build=build, batch=batch, differentiable=lambda _: [])


def _in_turns(clock: Clock, first: Callable[[], float], second: Callable[[], float]) -> Difference:
    """Compares two measurements of seconds, in turns, until the interval is narrow or the time is over."""
    times: tuple[list[float], list[float]] = ([], [])
    begin = clock.now()
    while True:
        for number in (0, 1) if len(times[0]) % 2 == 0 else (1, 0):
            times[number].append((first, second)[number]())
        if len(times[0]) >= ROUNDS and len(times[0]) % 2 == 0:
            found = compare_pairs(*times)
            if found.half_width < _NARROW or clock.now() - begin > MOST_S:
                return found


def _check(name: str, expected: str, measured: str, *, passed: bool) -> SelfTestCheck:
    return SelfTestCheck(name=name, expected=expected, measured=measured, passed=passed)


def _told(difference: Difference) -> str:
    return f"{difference.ratio:.4f} ± {difference.half_width:.4f}"


def _holds(difference: Difference, expected: float, within: float) -> bool:
    """Whether the interval does not contradict ``expected``, and is no wider than what would mean nothing."""
    is_near = difference.low <= expected * (1 + within) and difference.high >= expected * (1 - within)
    return is_near and difference.half_width <= _MEANINGLESS * expected


def _bare_loop(bench: _Bench) -> SelfTestCheck:
    """A bare timing loop over the same steps."""
    steps = bench.work.steps_per_block

    def bare() -> float:
        bench.clock.synchronize()
        start = bench.clock.now()
        for _ in range(steps):
            bench.work.step()
        bench.clock.synchronize()
        return (bench.clock.now() - start) / steps

    found = _in_turns(bench.clock, bare, lambda: measure_block(bench.work, bench.clock, 0.0).step_s)
    return _check(
        "a bare timing loop over the same steps",
        f"1 within {WITHIN:.0%}",
        _told(found),
        passed=_holds(found, 1, WITHIN),
    )


def _same_against_same(bench: _Bench) -> SelfTestCheck:
    """A against A."""
    rules = Rules(precision=bench.config.precision, max_time_s=MOST_S / 2)
    series = measure([bench.work, replace(bench.work)], bench.clock, rules, Watch())
    first, second = ([block.step_s for block in blocks] for blocks in series)
    found = compare_pairs(first, second, LEVEL)
    return _check(
        "A against A",
        f"1 within the interval of {LEVEL:.1%}",
        f"{found.low:.4f} to {found.high:.4f}",
        passed=found.low <= 1 <= found.high,
    )


def _twice_the_steps(bench: _Bench) -> SelfTestCheck:
    """Twice the steps in a block."""
    twice = replace(bench.work, steps_per_block=2 * bench.work.steps_per_block)
    found = _in_turns(
        bench.clock,
        lambda: measure_block(bench.work, bench.clock, 0.0).wall_s,
        lambda: measure_block(twice, bench.clock, 0.0).wall_s,
    )
    return _check(
        "twice the steps take twice the time",
        f"2 within {TWICE_WITHIN:.0%}",
        _told(found),
        passed=_holds(found, 2, TWICE_WITHIN),
    )


def _host_sleep(bench: _Bench) -> SelfTestCheck:
    """A sleep of the host at each step."""

    def step() -> None:
        time.sleep(DELAY_S)
        bench.work.step()

    bare_s = mean_estimate([block.step_s for block in bench.blocks(bench.work)]).mean
    blocks = bench.blocks(bench.work_of(step, DELAY_S + bare_s))
    found_s = mean_estimate([block.step_s for block in blocks]).mean
    # A GPU works while the host sleeps; a CPU does one after the other.
    least = DELAY_S if bench.config.is_cuda else DELAY_S + 0.8 * bare_s
    most = DELAY_S + 1.2 * bare_s + SLEEP_OVERSHOOT_S
    label = bound_of(blocks, is_cuda=bench.config.is_cuda)
    return _check(
        "a sleep of 5 ms on the host at each step",
        f"{1e3 * least:.2f} to {1e3 * most:.2f} ms, bound: host",
        f"{1e3 * found_s:.2f} ms, bound: {label}",
        passed=least <= found_s <= most and label == "host",
    )


def _device_delay(bench: _Bench) -> SelfTestCheck:
    """A known delay of the device."""
    if bench.config.is_cuda:
        expected_s, step, wanted = _gpu_delay(bench), lambda: execution_compat.delay_device(_cycles), "GPU"
    else:
        expected_s, step, wanted = DELAY_S, lambda: _spin(bench.clock), "CPU"
    if expected_s < _SHORTEST_DELAY_S:
        return _check("a known delay on the device at each step", "some milliseconds", "none", passed=False)
    blocks = bench.blocks(bench.work_of(step, expected_s))
    times = sorted(block.device_s / block.steps if block.device_s else block.step_s for block in blocks)
    found_s = times[len(times) // 2]
    label = bound_of(blocks, is_cuda=bench.config.is_cuda)
    return _check(
        "a known delay on the device at each step",
        f"{1e3 * expected_s:.3f} ms within {TWICE_WITHIN:.0%}, bound: {wanted}",
        f"{1e3 * found_s:.3f} ms, bound: {label}",
        passed=abs(found_s - expected_s) <= TWICE_WITHIN * expected_s and found_s > 0 and label == wanted,
    )


_cycles = 10_000_000
"""Of the GPU's clock: some milliseconds."""


def _gpu_delay(bench: _Bench) -> float:
    """Seconds of one such delay by itself, from the difference of two lengths: what launching costs drops out."""

    def seconds(cycles: int) -> float:
        bench.clock.synchronize()
        start = bench.clock.now()
        execution_compat.delay_device(cycles)
        bench.clock.synchronize()
        return bench.clock.now() - start

    seconds(_cycles)
    pairs = [(seconds(_cycles), seconds(2 * _cycles)) for _ in range(11)]
    differences = sorted(twice - once for once, twice in pairs)
    return differences[len(differences) // 2]


def _spin(clock: Clock) -> None:
    end = clock.now() + DELAY_S
    while clock.now() < end:
        pass


def _matrix_product(bench: _Bench, peak_flops: float | None) -> SelfTestCheck:
    found = device_limits(bench.config, bench.device, bench.clock).matmul_flops
    if peak_flops is not None:
        low, high, why = 0.2 * peak_flops, 1.05 * peak_flops, "20 to 105% of the datasheet's peak"
    elif bench.config.is_cuda:
        low, high, why = SLOWEST_GPU, FASTEST_GPU, "what GPUs do"
    else:
        low, high, why = SLOWEST_CPU, FASTEST_CORE * cores(), f"what {cores()} cores do"
    return _check(
        "a large matrix product",
        f"{low / 1e9:,.1f} to {high / 1e9:,.0f} GFLOP/s: {why}",
        f"{found / 1e9:,.1f} GFLOP/s",
        passed=low <= found <= high,
    )
