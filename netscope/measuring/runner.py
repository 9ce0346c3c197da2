"""The measuring loop: warm-up, interleaved blocks and when to stop. It uses a clock and steps, but not torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any, Protocol, TypeVar

from netscope.schema.bench import MIN_BLOCKS, Block, WarmUp, is_precise
from netscope.statistics import Estimate, estimate_mean

MIN_BLOCK_S = 0.05
SYNCS_PER_BLOCK = 200
"""A block takes at least this many times its final synchronization, so the latter adds at most half a percent."""

WARM_UP_STEPS = 10
WARM_UP_S = 1.0
STABLE_WITHIN = 0.01
MAX_STABILIZING_S = 10.0
"""Maximum time of the warm-up after its first step; measuring then starts anyway and the result shows it."""

_WINDOW = 3
"""Number of blocks whose median is compared with the median of as many blocks before them."""

_MAX_GROWTH = 10
"""The first step predicts the others badly, so warm-up blocks grow by at most this factor."""

_BLOCK_MARGIN = 1.1
"""Blocks are planned this much longer than the minimum."""

_MIN_STEP_S = 1e-9
_MIN_ROUNDS = 2
_MIN_COMPARED_ROUNDS = 4
"""Two pairs of turns, the fewest that a comparison of architectures has an interval from."""

_REQUIRED_CHECKS = 2
_CHECK_GROWTH = 1.25
"""Between two checks of the interval the number of blocks grows by this factor, so each check uses new data."""

Value = TypeVar("Value")


class Clock(Protocol):
    """The time on the host and on the device."""

    def now(self) -> float:
        """Returns the wall-clock time in seconds."""

    def thread_time(self) -> float:
        """Returns the CPU time of this thread in seconds."""

    def synchronize(self) -> None:
        """Waits until the device has finished all its work."""

    def record_event(self) -> Any:
        """Records an event after the device's queued work and returns it."""

    def elapsed_s(self, start: Any, end: Any) -> float | None:
        """Returns the seconds between two completed events; None if the device has no clock besides the host's."""


class ProcessGroup(Protocol):
    """The processes that measure together."""

    def barrier(self) -> None:
        """Waits until all processes have called it."""

    def find_slowest(self, block: Block) -> Block:
        """Returns the block with each time replaced by the longest of all processes."""

    def broadcast(self, value: Value) -> Value:
        """Returns the value of the first process."""

    def all_gather(self, value: Value) -> list[Value]:
        """Returns the values of all processes, by rank."""


class SingleProcess:
    """A single process."""

    def barrier(self) -> None:
        """Does nothing: there is no other process."""

    def find_slowest(self, block: Block) -> Block:
        """Returns the block."""
        return block

    def broadcast(self, value: Value) -> Value:
        """Returns the value."""
        return value

    def all_gather(self, value: Value) -> list[Value]:
        """Returns a list of only the value."""
        return [value]


SINGLE_PROCESS = SingleProcess()


@dataclass(slots=True, kw_only=True)
class Workload:
    """A step to measure, and counters that show whether its speed is stable.

    Attributes:
        step: runs one step.
        compilations: the number of compilations by torch so far.
        allocations: the number of device memory allocations so far.
        compile_s: seconds that torch's compiler has taken so far; None without it.
        before_block: runs before each block, outside its time.
        steps_per_block: the number of steps in a block, set by the warm-up.
    """

    step: Callable[[], None]
    compilations: Callable[[], int] = lambda: 0
    allocations: Callable[[], int] = lambda: 0
    compile_s: Callable[[], float | None] = lambda: None
    before_block: Callable[[], None] = lambda: None
    steps_per_block: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringProgress:
    """The progress of a measurement.

    Attributes:
        phase: ``"warming up"`` or ``"measuring"``.
        blocks: the number of blocks of each architecture so far.
        estimates: the estimated step time of each architecture.
    """

    phase: str
    blocks: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """How blocks are measured and when measuring stops.

    Attributes:
        precision: the half-width of the interval that is enough, as a fraction of the mean.
        deadline: the clock's time at which measuring ends, whatever the interval is.
        sync_every_step: whether to synchronize after every step and time it separately.
    """

    precision: float
    deadline: float
    sync_every_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The surroundings of a measurement.

    Attributes:
        group: the processes that measure together.
        report_progress: is called with the progress.
        is_stopped: whether the user asked to stop.
    """

    group: ProcessGroup = SINGLE_PROCESS
    report_progress: Callable[[MeasuringProgress], None] = field(default=lambda _: None)
    is_stopped: Callable[[], bool] = field(default=lambda: False)


def measure_sync_s(clock: Clock) -> float:
    """Returns the median seconds that a synchronization with an idle device takes."""
    costs = []
    clock.synchronize()
    for _ in range(51):
        start = clock.now()
        clock.synchronize()
        costs.append(clock.now() - start)
    return median(costs)


def warm_up(workload: Workload, clock: Clock, sync_s: float, context: RunContext, deadline: float) -> WarmUp:
    """Runs steps until their time is stable, and sets the number of steps in a block.

    It is stable after at least ten steps and one second, once nothing is compiled or allocated any more and the median
    of the last three blocks is within 1% of the median of the three before.

    Args:
        workload: the step.
        clock: the device's clock.
        sync_s: seconds of a synchronization.
        context: the surroundings.
        deadline: the clock's time at which the warm-up ends, stable or not; two steps always run.
    """
    begin = clock.now()
    workload.step()
    clock.synchronize()
    first_step_s = step_s = clock.now() - begin
    deadline = min(deadline, clock.now() + MAX_STABILIZING_S)
    steps, window = 1, [(step_s, _count_changes(workload))]
    while True:
        size = context.group.broadcast(min(compute_block_size(step_s, sync_s), _MAX_GROWTH * steps))
        start = clock.now()
        begin_steps, end = steps, steps + size
        while steps < end:
            workload.step()
            steps += 1
            # Several processes must run the same number of steps.
            if context.group is SINGLE_PROCESS and clock.now() >= deadline:
                break
        clock.synchronize()
        step_s = (clock.now() - start) / (steps - begin_steps)
        window.append((step_s, _count_changes(workload)))
        context.report_progress(MeasuringProgress(phase="warming up", blocks=0, estimates=()))
        is_stable = _is_stable(window) and steps >= WARM_UP_STEPS and clock.now() - begin >= WARM_UP_S
        if context.group.broadcast(is_stable or clock.now() >= deadline or context.is_stopped()):
            break
    middle = median(time for time, _ in window[-_WINDOW:])
    workload.steps_per_block = context.group.broadcast(compute_block_size(middle, sync_s))
    return WarmUp(
        first_step_s=first_step_s,
        compile_s=workload.compile_s(),
        steps=steps,
        seconds=clock.now() - begin,
        is_stable=is_stable,
    )


def compute_block_size(step_s: float, sync_s: float) -> int:
    """Returns the number of steps that take at least 50 ms and 200 times as long as a synchronization."""
    return max(1, ceil(_BLOCK_MARGIN * max(MIN_BLOCK_S, SYNCS_PER_BLOCK * sync_s) / max(step_s, _MIN_STEP_S)))


def _count_changes(workload: Workload) -> int:
    """Returns the number of compilations and allocations so far."""
    return workload.compilations() + workload.allocations()


def _is_stable(window: Sequence[tuple[float, int]]) -> bool:
    """Whether the last blocks of a warm-up, each with its step time and its changes so far, have the same step time."""
    if len(window) < 2 * _WINDOW + 1:
        return False
    before, last = window[-2 * _WINDOW : -_WINDOW], window[-_WINDOW:]
    if window[-2 * _WINDOW - 1][1] != last[-1][1]:
        return False
    medians = [median(time for time, _ in part) for part in (before, last)]
    return abs(medians[1] - medians[0]) <= STABLE_WITHIN * medians[0]


def measure_block(
    workload: Workload,
    clock: Clock,
    origin: float,
    *,
    sync_every_step: bool = False,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Block:
    """Returns the times of one block of ``workload.steps_per_block`` steps.

    Args:
        workload: the steps.
        clock: the device's clock.
        origin: the clock's time at the start of the run.
        sync_every_step: whether to synchronize after every step and time it separately.
        group: the processes that measure together; they start together, and the times of the slowest count.
    """
    latencies: list[float] = []
    workload.before_block()
    clock.synchronize()
    group.barrier()
    start, busy = clock.now(), clock.thread_time()
    first_mark = clock.record_event()
    workload.step()
    issued = first_issued = clock.now()
    if sync_every_step:
        clock.synchronize()
        latencies.append(clock.now() - start)
    for _ in range(workload.steps_per_block - 1):
        begin = clock.now() if sync_every_step else 0.0
        workload.step()
        if sync_every_step:
            clock.synchronize()
            latencies.append(clock.now() - begin)
    issued = clock.now() if workload.steps_per_block > 1 else issued
    last_mark = clock.record_event()
    clock.synchronize()
    end = clock.now()
    block = Block(
        start_s=start - origin,
        steps=workload.steps_per_block,
        wall_s=end - start,
        device_s=clock.elapsed_s(first_mark, last_mark),
        enqueue_s=issued - start,
        first_enqueue_s=first_issued - start,
        busy_s=clock.thread_time() - busy,
        latencies_s=tuple(latencies),
    )
    return group.find_slowest(block)


def measure(
    workloads: Sequence[Workload], clock: Clock, options: LoopOptions, context: RunContext
) -> tuple[tuple[Block, ...], ...]:
    """Returns the blocks of each workload, measured interleaved: A B C, C B A, A B C, ….

    It stops when all intervals were narrow enough at two checks in a row, each with at least twelve blocks and the
    second with a quarter more; or when the time is over, after at least two rounds, or four to compare architectures.
    """
    blocks: list[list[Block]] = [[] for _ in workloads]
    origin = clock.now()
    next_check, passed_checks, rounds = MIN_BLOCKS, 0, 0
    estimates: tuple[Estimate, ...] = ()
    while True:
        order = range(len(workloads)) if rounds % 2 == 0 else reversed(range(len(workloads)))
        for position in order:
            block = measure_block(
                workloads[position], clock, origin, sync_every_step=options.sync_every_step, group=context.group
            )
            blocks[position].append(block)
        rounds += 1
        is_enough_now = False
        if rounds >= next_check:
            next_check = max(rounds + 1, int(_CHECK_GROWTH * rounds))
            estimates = tuple(estimate_mean([block.step_s for block in series]) for series in blocks)
            has_passed = all(is_precise(estimate, options.precision) for estimate in estimates)
            passed_checks = passed_checks + 1 if has_passed else 0
            is_enough_now = passed_checks == _REQUIRED_CHECKS
        context.report_progress(MeasuringProgress(phase="measuring", blocks=rounds, estimates=estimates))
        least = _MIN_COMPARED_ROUNDS if len(workloads) > 1 else _MIN_ROUNDS
        is_late = rounds >= least and clock.now() >= options.deadline
        is_over = is_enough_now or is_late or (rounds >= _MIN_ROUNDS and context.is_stopped())
        if context.group.broadcast(is_over):
            return tuple(map(tuple, blocks))
