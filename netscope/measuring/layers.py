"""Times each module by events around its calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import nn

from netscope.measuring import execution_compat
from netscope.measuring.runner import Clock
from netscope.schema import LayerOverhead

MIN_ROUNDS = 3
MAX_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """The measured time of each module.

    Attributes:
        seconds: time in a step by module path, including children; medians over the steps.
        overhead: the cost of measuring.
    """

    seconds: dict[str, float]
    overhead: LayerOverhead


@dataclass(slots=True)
class _TimedCall:
    path: str
    start: Any
    host_start: float
    end: Any = None
    host_end: float = 0.0


@dataclass(slots=True)
class _LayerTimer:
    """Records an event before and after each module call.

    A call of a module with several paths is assigned to the path below the calling module.
    """

    clock: Clock
    paths: dict[int, list[str]]
    calls: list[_TimedCall] = field(default_factory=list)
    running: list[_TimedCall] = field(default_factory=list)

    def enter(self, module: nn.Module, _arguments: Any) -> None:
        if execution_compat.is_in_backward():
            return  # activation checkpointing runs the module again
        paths = self.paths[id(module)]
        parent = self.running[-1].path if self.running else ""
        path = next((path for path in paths if path.rpartition(".")[0] == parent), paths[0])
        call = _TimedCall(path, self.clock.record_event(), self.clock.now())
        self.calls.append(call)
        self.running.append(call)

    def leave(self, _module: nn.Module, _arguments: Any, _result: Any) -> None:
        if execution_compat.is_in_backward() or not self.running:
            return
        call = self.running.pop()
        call.end, call.host_end = self.clock.record_event(), self.clock.now()

    def pop_seconds(self) -> dict[str, float]:
        """Returns the seconds of the calls by path, and forgets the calls."""
        seconds: dict[str, float] = {}
        for call in self.calls:
            elapsed = self.clock.elapsed_s(call.start, call.end)
            duration = elapsed if elapsed is not None else call.host_end - call.host_start
            seconds[call.path] = seconds.get(call.path, 0.0) + duration
        self.calls.clear()
        return seconds


def measure_layer_times(model: nn.Module, step: Callable[[], None], clock: Clock, deadline: float) -> LayerTimes:
    """Returns the time of each module's calls in the forward pass of a step.

    Steps with and without events alternate, so the cost of the events is measured under the same conditions.

    Args:
        model: the model; hooks are added to its modules and removed again.
        step: runs the model once.
        clock: the device's clock.
        deadline: the clock's time at which it ends, after at least three steps.
    """
    paths: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)
    timer = _LayerTimer(clock, paths)
    bare: list[float] = []
    timed: list[float] = []
    times: dict[str, list[float]] = {}
    events = 0
    while len(bare) < MIN_ROUNDS or (clock.now() < deadline and len(bare) < MAX_ROUNDS):
        bare.append(_time_step(step, clock))
        with _attach_hooks(model, timer):
            timed.append(_time_step(step, clock))
        events = 2 * len(timer.calls)
        for path, seconds in timer.pop_seconds().items():
            times.setdefault(path, []).append(seconds)
    overhead = LayerOverhead(events=events, bare_step_s=median(bare), timed_step_s=median(timed))
    return LayerTimes(seconds={path: median(values) for path, values in times.items()}, overhead=overhead)


def _time_step(step: Callable[[], None], clock: Clock) -> float:
    clock.synchronize()
    start = clock.now()
    step()
    clock.synchronize()
    return clock.now() - start


@contextmanager
def _attach_hooks(model: nn.Module, timer: _LayerTimer) -> Iterator[None]:
    modules = {id(module): module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)}
    handles = [module.register_forward_pre_hook(timer.enter) for module in modules.values()]
    handles += [module.register_forward_hook(timer.leave, always_call=True) for module in modules.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
