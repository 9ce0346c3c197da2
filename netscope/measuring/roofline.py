"""The measured limits of a device: the rate of a large matmul and of a large copy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch

from netscope.measuring.precision import get_matmul_dtype
from netscope.measuring.runner import Clock
from netscope.schema import BenchConfig, DeviceLimits

MAX_SIDE = {"cuda": 8192, "cpu": 2048}
"""Side of the square operands, unless the device is too slow for it."""

MIN_SIDE = 256
COPY_BYTES = {"cuda": 2**30, "cpu": 2**27}
"""Several times the size of any cache."""

_MIN_TIME_S = 0.1
_MIN_REPEATS = 5
_RUNS_PER_REPEAT = 3
"""Consecutive runs, so the wait before the first one weighs little."""


@dataclass(frozen=True, slots=True)
class _Timed:
    """Seconds of a run: the fastest of several repeats, and the median of them."""

    fastest_s: float
    median_s: float


def measure_device_limits(config: BenchConfig, device: torch.device, clock: Clock, max_time_s: float) -> DeviceLimits:
    """Returns the best of several runs of each within about ``max_time_s``, in the precision of ``config``.

    A limit is the highest rate that can be reached, so the best run counts. For matmuls this is the better of this
    precision and float32: steps reach float32's rate under autocast and in kernels that convert operands, and on many
    CPUs it is higher.
    """
    dtypes = dict.fromkeys((get_matmul_dtype(config), torch.float32))
    share_s = max_time_s / (len(dtypes) + 1)
    with torch.inference_mode():
        matmul_flops, spread = max(_measure_matmul(dtype, device, clock, share_s) for dtype in dtypes)
        copy_bytes = _measure_copy(device, clock, share_s)
        return DeviceLimits(matmul_flops=matmul_flops, matmul_spread=spread, copy_bytes=copy_bytes)


def _measure_matmul(dtype: torch.dtype, device: torch.device, clock: Clock, max_time_s: float) -> tuple[float, float]:
    """Returns the FLOP/s of the fastest square matmul, and how much longer its median run took, as a fraction."""
    best, side, end = (0.0, 0.0), MIN_SIDE, clock.now() + max_time_s
    while side <= MAX_SIDE[device.type]:
        left = torch.randn(side, side, device=device).to(dtype)
        out = torch.empty_like(left)
        timed = _time_repeats(partial(torch.mm, left, left, out=out), clock, end)
        best = max(best, (2 * side**3 / timed.fastest_s, timed.median_s / timed.fastest_s - 1))
        # The next size takes eight times as long.
        if clock.now() + 8 * timed.median_s * _MIN_REPEATS * _RUNS_PER_REPEAT > end:
            break
        side *= 2
    return best


def _measure_copy(device: torch.device, clock: Clock, max_time_s: float) -> float:
    """Returns the bytes read and written per second by a copy."""
    source = torch.arange(COPY_BYTES[device.type] // 4, device=device, dtype=torch.float32)
    target = torch.empty_like(source)
    timed = _time_repeats(lambda: target.copy_(source), clock, clock.now() + max_time_s)
    return 2 * COPY_BYTES[device.type] / timed.fastest_s


def _time_repeats(run: Callable[[], object], clock: Clock, end: float) -> _Timed:
    """Returns the seconds per run of at least five repeats after a warm-up run, or of as many as fit until ``end``."""
    run()
    clock.synchronize()
    times: list[float] = []
    begin = clock.now()
    while not times or (clock.now() < end and (len(times) < _MIN_REPEATS or clock.now() - begin < _MIN_TIME_S)):
        start = clock.now()
        first = clock.record_event()
        for _ in range(_RUNS_PER_REPEAT):
            run()
        last = clock.record_event()
        clock.synchronize()
        times.append((clock.elapsed_s(first, last) or clock.now() - start) / _RUNS_PER_REPEAT)
    return _Timed(min(times), median(times))
