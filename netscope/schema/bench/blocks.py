"""What is measured at once, and what says that it is enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netscope.statistics import Estimate

Bound = Literal["host", "input", "GPU", "CPU"]

FEWEST_BLOCKS = 12
"""An estimate from fewer, or from fewer batches of them, has not converged."""

HOST_BOUND_ABOVE = 0.8
"""The host bounds where issuing takes this share of the device's time; on a CPU, where the thread is idle beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some steps in a row, synchronised at their ends only.

    Attributes:
        start_s: since the first block of the run.
        steps: how many.
        wall_s: from the first step to the end of the last, by the clock on the wall; of several processes the longest.
        device_s: the same between two events on the device; None on a CPU.
        enqueue_s: until the host had issued the last step; on a CPU all of it.
        first_enqueue_s: until it had issued the first one, into an empty queue.
        busy_s: of the thread that issued them, by its own CPU time.
        latencies_s: of each step by itself, where every step is waited for; otherwise empty.
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
        """Time of one step."""
        return self.wall_s / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What came before the first block that counts.

    Attributes:
        first_step_s: the first step, with all that happens once.
        compile_s: what of it torch's compiler took; None without it.
        steps: how many, with the first.
        seconds: how long they took.
        settled: whether nothing was compiled or allocated any more, and block medians had come within 1 %.
    """

    first_step_s: float
    compile_s: float | None
    steps: int
    seconds: float
    settled: bool


def bound_of(blocks: Sequence[Block], *, is_cuda: bool) -> Bound:
    """Whether the host or the device keeps these blocks from being shorter."""
    if is_cuda:
        device = sum(block.device_s or 0.0 for block in blocks)
        # A full queue makes the host wait for the device; the first step of a block meets an empty one.
        issued = sum(block.enqueue_s for block in blocks)
        first = sum(block.first_enqueue_s * block.steps for block in blocks)
        return "host" if min(issued, first) > HOST_BOUND_ABOVE * device else "GPU"
    busy = sum(block.busy_s for block in blocks)
    return "host" if busy < HOST_BOUND_ABOVE * sum(block.wall_s for block in blocks) else "CPU"


def is_enough(estimate: Estimate, precision: float) -> bool:
    """Whether an estimate is as good as was asked for, and rests on enough blocks to say so."""
    return estimate.batches >= FEWEST_BLOCKS and estimate.relative <= precision
