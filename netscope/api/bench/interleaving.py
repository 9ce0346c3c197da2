"""Measures architectures that do not fit into memory together in alternating processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from netscope.api.bench.executors import Executor
from netscope.errors import OutOfMemoryError
from netscope.schema import BenchRequest, BenchResult
from netscope.statistics import estimate_mean

PROCESSES_PER_MODEL = 8
"""Processes per architecture, in the order A B, B A, …: eight give four means of two processes each."""

NOTE = (
    f"measured in {PROCESSES_PER_MODEL} alternating processes, because the architectures do not fit in memory together"
)
"""The note on each result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterleavedResults:
    """The results of alternating processes.

    Attributes:
        results: one result for each architecture, in order.
        mean_step_s: the mean step time of each process, by position of the architectures that were measured.
    """

    results: tuple[BenchResult, ...]
    mean_step_s: dict[int, tuple[float, ...]]


def measure_interleaved(
    request: BenchRequest, models: Sequence[Any], executor: Executor, failed: BenchResult, is_stopped: Any
) -> InterleavedResults:
    """Measures each architecture in separate processes, alternating in the order A B, B A, ….

    Args:
        request: the request; the processes of an architecture share its measuring time.
        models: the architectures.
        executor: measures in a new process.
        failed: a template for the result of an architecture that does not fit in memory even alone.
        is_stopped: whether the user asked to stop.

    Raises:
        NetscopeError: an architecture failed for another reason.
    """
    config = replace(request.config, max_time_s=request.config.max_time_s / PROCESSES_PER_MODEL)
    measured: dict[int, list[BenchResult]] = {position: [] for position in range(len(models))}
    out_of_memory: dict[int, BenchResult] = {}
    for turn in range(PROCESSES_PER_MODEL):
        order = list(measured) if turn % 2 == 0 else list(reversed(measured))
        for position in order:
            if is_stopped() and all(measured.values()):
                break
            one = request.preflights[position]
            steps = tuple(result.blocks[0].steps for result in measured[position][:1])
            try:
                measured[position] += executor.measure(
                    replace(request, preflights=(one,), config=config, steps_per_block=steps), [models[position]]
                )
            except OutOfMemoryError as error:
                del measured[position]
                out_of_memory[position] = replace(
                    failed, architecture=one.architecture, inputs=one.inputs, status="oom", message=str(error)
                )
    merged = {position: replace(_merge(results), config=request.config) for position, results in measured.items()}
    complete = min((len(results) for results in measured.values()), default=0)
    return InterleavedResults(
        results=tuple(merged.get(position) or out_of_memory[position] for position in range(len(models))),
        mean_step_s={
            position: tuple(estimate_mean(result.step_times).mean for result in results[:complete])
            for position, results in measured.items()
        },
    )


def _merge(results: Sequence[BenchResult]) -> BenchResult:
    """Returns one result with the blocks of all, as if each process had started when the previous one ended."""
    blocks = []
    offset_s = 0.0
    for result in results:
        blocks += [replace(block, start_s=block.start_s + offset_s) for block in result.blocks]
        offset_s = blocks[-1].start_s + blocks[-1].wall_s
    first = results[0]
    return replace(
        first,
        blocks=tuple(blocks),
        interrupted=any(result.interrupted for result in results),
        notes=(*first.notes, NOTE),
    )
