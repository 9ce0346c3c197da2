"""The loop that measures: warm-up, blocks in turns, and when it is enough. It knows a clock and steps, no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any, Protocol, TypeVar

from netscope.schema.bench import FEWEST_BLOCKS, Block, WarmUp, is_enough
from netscope.statistics import Estimate, mean_estimate

LEAST_BLOCK_S = 0.05
SYNCS_PER_BLOCK = 200
"""A block takes as long as so many synchronisations, so that the one at its end weighs at most half a per cent."""

WARM_UP_STEPS = 10
WARM_UP_S = 1.0
SETTLED_WITHIN = 0.01
SETTLING_MOST_S = 10.0
"""After the least warm-up, before measuring starts all the same and says so."""

_WINDOW = 3
"""Blocks whose median is compared with that of as many before them."""

_LARGEST_LEAP = 10
"""The first step says little about the others, so warm-up blocks come closer to their size by factors of ten."""

_ROOM = 1.1
"""A block is aimed to be a little longer than it must be."""

_SHORTEST_STEP_S = 1e-9
_FEWEST_ROUNDS = 2
_HITS = 2
_GROWTH = 1.25
"""Between two looks at the interval the blocks grow by this factor, so that the second is news."""

Value = TypeVar("Value")


class Clock(Protocol):
    """Tells time on the host and on the device."""

    def now(self) -> float:
        """Seconds on the wall."""

    def busy(self) -> float:
        """Seconds that this thread has computed."""

    def synchronize(self) -> None:
        """Waits until the device has done what it was given."""

    def mark(self) -> Any:
        """An event on the device, behind what it was given so far."""

    def between(self, start: Any, end: Any) -> float | None:
        """Seconds between two marks that have passed; None where host and device are one."""


class Team(Protocol):
    """The processes that measure together."""

    def gather(self) -> None:
        """Waits until all are here."""

    def slowest(self, block: Block) -> Block:
        """The block with the longest times of any."""

    def agreed(self, value: Value) -> Value:
        """What the first process says."""

    def collected(self, value: Value) -> list[Value]:
        """Every process's value, in their order."""


class Alone:
    """A single process."""

    def gather(self) -> None:
        """Nobody is waited for."""

    def slowest(self, block: Block) -> Block:
        """The block itself."""
        return block

    def agreed(self, value: Value) -> Value:
        """The value itself."""
        return value

    def collected(self, value: Value) -> list[Value]:
        """The value alone."""
        return [value]


ALONE = Alone()


@dataclass(slots=True, kw_only=True)
class Work:
    """What is measured.

    Attributes:
        step: runs one.
        compilations: how often torch's compiler has run so far.
        allocations: how often memory has been asked of the device so far.
        compile_s: what torch's compiler has taken so far; None without it.
        before_block: what has to be so before a block, outside of its time.
        steps_per_block: set by the warm-up.
    """

    step: Callable[[], None]
    compilations: Callable[[], int] = lambda: 0
    allocations: Callable[[], int] = lambda: 0
    compile_s: Callable[[], float | None] = lambda: None
    before_block: Callable[[], None] = lambda: None
    steps_per_block: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringProgress:
    """How far measuring has come.

    Attributes:
        phase: ``"warming up"`` or ``"measuring"``.
        blocks: of each architecture, so far.
        estimates: of each one's time for a step.
    """

    phase: str
    blocks: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When it is enough.

    Attributes:
        precision: half-width of the interval as a share of the mean.
        max_time_s: for each work.
        sync_every_step: whether each step is waited for, and timed by itself.
    """

    precision: float
    max_time_s: float
    sync_every_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who looks on while it is measured.

    Attributes:
        team: the processes that measure together.
        tell: is told how far it has come.
        stopped: whether someone wants it to end.
    """

    team: Team = ALONE
    tell: Callable[[MeasuringProgress], None] = field(default=lambda _: None)
    stopped: Callable[[], bool] = field(default=lambda: False)


def synchronisation_s(clock: Clock) -> float:
    """What it costs to wait for a device that has nothing to do."""
    costs = []
    clock.synchronize()
    for _ in range(51):
        start = clock.now()
        clock.synchronize()
        costs.append(clock.now() - start)
    return median(costs)


def warm_up(work: Work, clock: Clock, sync_s: float, watch: Watch) -> WarmUp:
    """Runs steps until they have settled, and sizes the blocks.

    They have settled after at least ten steps and a second, once nothing is compiled or allocated any more and the
    median of the last three blocks is within 1 % of that of the three before.
    """
    begin = clock.now()
    work.step()
    clock.synchronize()
    first_step_s = step_s = clock.now() - begin
    steps, window = 1, [(step_s, _changes(work))]
    while True:
        size = watch.team.agreed(min(block_size(step_s, sync_s), _LARGEST_LEAP * steps))
        start = clock.now()
        for _ in range(size):
            work.step()
        clock.synchronize()
        step_s = (clock.now() - start) / size
        steps += size
        window.append((step_s, _changes(work)))
        elapsed = clock.now() - begin
        settling = elapsed - first_step_s
        watch.tell(MeasuringProgress(phase="warming up", blocks=0, estimates=()))
        settled = _has_settled(window)
        is_long_enough = steps >= WARM_UP_STEPS and elapsed >= WARM_UP_S
        is_over = is_long_enough and (settled or settling >= WARM_UP_S + SETTLING_MOST_S)
        if watch.team.agreed(is_over or watch.stopped()):
            break
    middle = median(time for time, _ in window[-_WINDOW:])
    work.steps_per_block = watch.team.agreed(block_size(middle, sync_s))
    return WarmUp(
        first_step_s=first_step_s,
        compile_s=work.compile_s(),
        steps=steps,
        seconds=clock.now() - begin,
        settled=settled,
    )


def block_size(step_s: float, sync_s: float) -> int:
    """How many steps fill a block: 50 ms, and 200 times what its synchronisation costs."""
    return max(1, ceil(_ROOM * max(LEAST_BLOCK_S, SYNCS_PER_BLOCK * sync_s) / max(step_s, _SHORTEST_STEP_S)))


def _changes(work: Work) -> int:
    return work.compilations() + work.allocations()


def _has_settled(window: Sequence[tuple[float, int]]) -> bool:
    if len(window) < 2 * _WINDOW + 1:
        return False
    before, last = window[-2 * _WINDOW : -_WINDOW], window[-_WINDOW:]
    if window[-2 * _WINDOW - 1][1] != last[-1][1]:
        return False
    medians = [median(time for time, _ in part) for part in (before, last)]
    return abs(medians[1] - medians[0]) <= SETTLED_WITHIN * medians[0]


def measure_block(
    work: Work, clock: Clock, origin: float, *, sync_every_step: bool = False, team: Team = ALONE
) -> Block:
    """One block of ``work.steps_per_block`` steps.

    Args:
        work: what is run.
        clock: that tells the time.
        origin: the clock's time at the start of the run.
        sync_every_step: whether each step is waited for, and timed by itself.
        team: the processes that measure together; they begin together, and the slowest one's times count.
    """
    latencies: list[float] = []
    work.before_block()
    clock.synchronize()
    team.gather()
    start, busy = clock.now(), clock.busy()
    first_mark = clock.mark()
    work.step()
    issued = first_issued = clock.now()
    if sync_every_step:
        clock.synchronize()
        latencies.append(clock.now() - start)
    for _ in range(work.steps_per_block - 1):
        begin = clock.now() if sync_every_step else 0.0
        work.step()
        if sync_every_step:
            clock.synchronize()
            latencies.append(clock.now() - begin)
    issued = clock.now() if work.steps_per_block > 1 else issued
    last_mark = clock.mark()
    clock.synchronize()
    end = clock.now()
    block = Block(
        start_s=start - origin,
        steps=work.steps_per_block,
        wall_s=end - start,
        device_s=clock.between(first_mark, last_mark),
        enqueue_s=issued - start,
        first_enqueue_s=first_issued - start,
        busy_s=clock.busy() - busy,
        latencies_s=tuple(latencies),
    )
    return team.slowest(block)


def measure(works: Sequence[Work], clock: Clock, rules: Rules, watch: Watch) -> tuple[tuple[Block, ...], ...]:
    """The blocks of each work, measured in turns: A B C, C B A, A B C, ….

    It ends when the interval of every one has been narrow enough at two looks in a row, each with at least twelve
    blocks, and a quarter more of them at the second; or when the time is over, after two rounds at least.
    """
    blocks: list[list[Block]] = [[] for _ in works]
    origin = clock.now()
    due, hits, rounds = FEWEST_BLOCKS, 0, 0
    estimates: tuple[Estimate, ...] = ()
    while True:
        turn = range(len(works)) if rounds % 2 == 0 else reversed(range(len(works)))
        for position in turn:
            block = measure_block(
                works[position], clock, origin, sync_every_step=rules.sync_every_step, team=watch.team
            )
            blocks[position].append(block)
        rounds += 1
        is_enough_now = False
        if rounds >= due:
            due = max(rounds + 1, int(_GROWTH * rounds))
            estimates = tuple(mean_estimate([block.step_s for block in series]) for series in blocks)
            is_precise = all(is_enough(estimate, rules.precision) for estimate in estimates)
            hits = hits + 1 if is_precise else 0
            is_enough_now = hits == _HITS
        watch.tell(MeasuringProgress(phase="measuring", blocks=rounds, estimates=estimates))
        is_late = clock.now() - origin >= rules.max_time_s * len(works)
        is_over = is_enough_now or (rounds >= _FEWEST_ROUNDS and (is_late or watch.stopped()))
        if watch.team.agreed(is_over):
            return tuple(map(tuple, blocks))
