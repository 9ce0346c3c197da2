"""What a device achieves at most: a large matrix product, and a large copy, measured on the spot."""

from collections.abc import Callable
from functools import partial

import torch

from netscope.measuring.precision import matmul_dtype
from netscope.measuring.runner import Clock
from netscope.schema import BenchConfig, DeviceLimits

LARGEST = {"cuda": 8192, "cpu": 2048}
"""Side of the square operands, unless the device is so slow that it would take too long."""

SMALLEST = 256
COPIED_BYTES = {"cuda": 2**30, "cpu": 2**27}
"""Several times any cache."""

MOST_S = 3.0
_LEAST_S = 0.1
_FEWEST = 5
_RUNS = 3
"""In a row, so that what the first one waits for weighs little."""


def device_limits(config: BenchConfig, device: torch.device, clock: Clock) -> DeviceLimits:
    """The best of several tries of each, in the precision of ``config``.

    The best, since a ceiling is what can be reached at all. Under autocast, and in kernels that convert their operands,
    that is also what float32 reaches, which on many CPUs is more.
    """
    dtypes = dict.fromkeys((matmul_dtype(config), torch.float32))
    with torch.inference_mode():
        matmul_flops = max(_matmul_flops(dtype, device, clock) for dtype in dtypes)
        return DeviceLimits(matmul_flops=matmul_flops, copy_bytes=_copy_bytes(device, clock))


def _matmul_flops(dtype: torch.dtype, device: torch.device, clock: Clock) -> float:
    best, side = 0.0, SMALLEST
    while side <= LARGEST[device.type]:
        left = torch.randn(side, side, device=device).to(dtype)
        out = torch.empty_like(left)
        seconds = _best(partial(torch.mm, left, left, out=out), clock)
        best = max(best, 2 * side**3 / seconds)
        if 8 * seconds * _FEWEST * _RUNS > MOST_S:  # the next is eight times as much
            break
        side *= 2
    return best


def _copy_bytes(device: torch.device, clock: Clock) -> float:
    source = torch.randn(COPIED_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    seconds = _best(lambda: target.copy_(source), clock)
    return 2 * COPIED_BYTES[device.type] / seconds


def _best(run: Callable[[], object], clock: Clock) -> float:
    """Seconds of a run in the fastest of at least five rows, after one that does not count."""
    run()
    clock.synchronize()
    times: list[float] = []
    begin = clock.now()
    while len(times) < _FEWEST or clock.now() - begin < _LEAST_S:
        start = clock.now()
        mark = clock.mark()
        for _ in range(_RUNS):
            run()
        end = clock.mark()
        clock.synchronize()
        times.append((clock.between(mark, end) or clock.now() - start) / _RUNS)
    return min(times)
