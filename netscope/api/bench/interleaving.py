"""Architectures that do not fit into memory together, measured in turns of processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from netscope.api.bench.executors import Executor
from netscope.errors import OutOfMemoryError
from netscope.schema import BenchRequest, BenchResult
from netscope.statistics import mean_estimate

TURNS = 8
"""Processes for each architecture, in the order A B, B A, …: eight give four means of two turns each."""

REMARK = f"measured in {TURNS} turns, one architecture at a time, since memory does not hold all of them together"
"""What its results say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternated:
    """What came out.

    Attributes:
        results: one for each architecture, in order.
        turns: the mean time of a step in each process of those that were measured, by position.
    """

    results: tuple[BenchResult, ...]
    turns: dict[int, tuple[float, ...]]


def measured_alternately(
    request: BenchRequest, models: Sequence[Any], place: Executor, failed: BenchResult, is_stopped: Any
) -> Alternated:
    """Measures each architecture in processes of its own, one after the other, forth and back.

    Args:
        request: what to measure; each architecture gets the time that it would have had, over all of its processes.
        models: the architectures.
        place: where to measure.
        failed: a result without figures, to be filled in for an architecture that does not even fit alone.
        is_stopped: whether someone wants it to end.

    Raises:
        NetscopeError: one of them fails otherwise.
    """
    config = replace(request.config, max_time_s=request.config.max_time_s / TURNS)
    found: dict[int, list[BenchResult]] = {position: [] for position in range(len(models))}
    without: dict[int, BenchResult] = {}
    for turn in range(TURNS):
        order = list(found) if turn % 2 == 0 else list(reversed(found))
        for position in order:
            if is_stopped() and all(found.values()):
                break
            one = request.probed[position]
            steps = tuple(result.blocks[0].steps for result in found[position][:1])
            try:
                found[position] += place.measure(
                    replace(request, probed=(one,), config=config, steps_per_block=steps), [models[position]]
                )
            except OutOfMemoryError as error:
                del found[position]
                without[position] = replace(
                    failed, architecture=one.architecture, inputs=one.inputs, status="oom", message=str(error)
                )
    joined = {position: replace(_joined(results), config=request.config) for position, results in found.items()}
    complete = min((len(results) for results in found.values()), default=0)
    return Alternated(
        results=tuple(joined.get(position) or without[position] for position in range(len(models))),
        turns={
            position: tuple(mean_estimate(result.step_times).mean for result in results[:complete])
            for position, results in found.items()
        },
    )


def _joined(results: Sequence[BenchResult]) -> BenchResult:
    """One result with the blocks of all, as if each process had begun where the last one ended."""
    blocks = []
    passed_s = 0.0
    for result in results:
        blocks += [replace(block, start_s=block.start_s + passed_s) for block in result.blocks]
        passed_s = blocks[-1].start_s + blocks[-1].wall_s
    first = results[0]
    return replace(
        first,
        blocks=tuple(blocks),
        interrupted=any(result.interrupted for result in results),
        notes=(*first.notes, REMARK),
    )
