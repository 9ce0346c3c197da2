"""Blocks of steps, the warm-up before them, and when there are enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netscope.statistics import Estimate

Bound = Literal["host", "input", "GPU", "CPU"]

MIN_BLOCKS = 12
"""An estimate from fewer blocks, or fewer batches of blocks, has not converged."""

HOST_BOUND_ABOVE = 0.8
"""A step is host-bound if issuing takes more of the GPU's time, or the CPU thread is busy for less of the wall time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive steps, synchronized only at both ends.

    Attributes:
        start_s: seconds since the first block of the run.
        steps: number of steps.
        wall_s: wall-clock time from the start of the first step to the end of the last; the longest of all processes.
        device_s: the same between two events on the device; None on a CPU.
        enqueue_s: seconds until the host had issued the last step; on a CPU the entire time.
        first_enqueue_s: seconds until the host had issued the first step into an empty queue.
        busy_s: CPU time of the thread that issued the steps.
        latencies_s: time of each step, if every step is synchronized; otherwise empty.
    """

    start_s: float
    steps: int
    wall_s: float
    device_s: float | None
    enqueue_s: float
    first_enqueue_s: float
    busy_s: float
    latencies_s: tuple[float, ...] = ()

    @property
    def step_s(self) -> float:
        """Returns the mean time of a step."""
        return self.wall_s / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """The steps before the first measured block.

    Attributes:
        first_step_s: seconds of the first step, including all one-time work.
        compile_s: seconds that torch's compiler took; None without it.
        steps: number of steps, including the first.
        seconds: duration in seconds.
        is_stable: whether nothing was compiled or allocated any more and the medians of blocks agreed within 1%.
    """

    first_step_s: float
    compile_s: float | None
    steps: int
    seconds: float
    is_stable: bool


def classify_bound(blocks: Sequence[Block], *, is_cuda: bool) -> Bound:
    """Returns whether the host or the device limits the speed of these blocks."""
    if is_cuda:
        device = sum(block.device_s or 0.0 for block in blocks)
        # With a full queue the host waits for the device; the first step of a block finds an empty one.
        issued = sum(block.enqueue_s for block in blocks)
        first = sum(block.first_enqueue_s * block.steps for block in blocks)
        return "host" if min(issued, first) > HOST_BOUND_ABOVE * device else "GPU"
    busy = sum(block.busy_s for block in blocks)
    return "host" if busy < HOST_BOUND_ABOVE * sum(block.wall_s for block in blocks) else "CPU"


def is_precise(estimate: Estimate, precision: float) -> bool:
    """Whether an estimate has the requested precision and comes from enough blocks."""
    return estimate.batches >= MIN_BLOCKS and estimate.relative <= precision
