"""The measured limits of a device: the rate of a large matmul and of a large copy."""

from collections.abc import Callable
from functools import partial

import torch

from netscope.measuring.precision import get_matmul_dtype
from netscope.measuring.runner import Clock
from netscope.schema import BenchConfig, DeviceLimits

MAX_SIDE = {"cuda": 8192, "cpu": 2048}
"""Side of the square operands, unless the device is too slow for it."""

MIN_SIDE = 256
COPY_BYTES = {"cuda": 2**30, "cpu": 2**27}
"""Several times the size of any cache."""

MAX_TIME_S = 3.0
_MIN_TIME_S = 0.1
_MIN_REPEATS = 5
_RUNS_PER_REPEAT = 3
"""Consecutive runs, so the wait before the first one weighs little."""


def measure_device_limits(config: BenchConfig, device: torch.device, clock: Clock) -> DeviceLimits:
    """Returns the best of several runs of each, in the precision of ``config``.

    A limit is the highest rate that can be reached, so the best run counts. For matmuls this is the better of this
    precision and float32: steps reach float32's rate under autocast and in kernels that convert operands, and on many
    CPUs it is higher.
    """
    dtypes = dict.fromkeys((get_matmul_dtype(config), torch.float32))
    with torch.inference_mode():
        matmul_flops = max(_measure_matmul(dtype, device, clock) for dtype in dtypes)
        return DeviceLimits(matmul_flops=matmul_flops, copy_bytes=_measure_copy(device, clock))


def _measure_matmul(dtype: torch.dtype, device: torch.device, clock: Clock) -> float:
    """Returns the FLOP/s of the fastest square matmul."""
    best, side = 0.0, MIN_SIDE
    while side <= MAX_SIDE[device.type]:
        left = torch.randn(side, side, device=device).to(dtype)
        out = torch.empty_like(left)
        seconds = _time_fastest(partial(torch.mm, left, left, out=out), clock)
        best = max(best, 2 * side**3 / seconds)
        if 8 * seconds * _MIN_REPEATS * _RUNS_PER_REPEAT > MAX_TIME_S:  # the next size takes eight times as long
            break
        side *= 2
    return best


def _measure_copy(device: torch.device, clock: Clock) -> float:
    """Returns the bytes read and written per second by a copy."""
    source = torch.randn(COPY_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    seconds = _time_fastest(lambda: target.copy_(source), clock)
    return 2 * COPY_BYTES[device.type] / seconds


def _time_fastest(run: Callable[[], object], clock: Clock) -> float:
    """Returns the seconds per run of the fastest of at least five repeats, after a warm-up run."""
    run()
    clock.synchronize()
    times: list[float] = []
    begin = clock.now()
    while len(times) < _MIN_REPEATS or clock.now() - begin < _MIN_TIME_S:
        start = clock.now()
        first = clock.record_event()
        for _ in range(_RUNS_PER_REPEAT):
            run()
        last = clock.record_event()
        clock.synchronize()
        times.append((clock.elapsed_s(first, last) or clock.now() - start) / _RUNS_PER_REPEAT)
    return min(times)
