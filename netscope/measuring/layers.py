"""How long each module takes, by events around each of its calls."""

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

MOST_S = 10.0
LEAST_ROUNDS = 10
MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """What was measured.

    Attributes:
        seconds: of a step, in the calls of the module at each path, its children's included; medians over the steps.
        overhead: what measuring cost.
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
    """Notes a mark before and after each call. A module under several names is told by whoever called it."""

    clock: Clock
    places: dict[int, list[str]]
    calls: list[_TimedCall] = field(default_factory=list)
    running: list[_TimedCall] = field(default_factory=list)

    def enter(self, module: nn.Module, _arguments: Any) -> None:
        if execution_compat.in_backward():
            return  # a checkpoint runs it again
        paths = self.places[id(module)]
        above = self.running[-1].path if self.running else ""
        path = next((path for path in paths if path.rpartition(".")[0] == above), paths[0])
        call = _TimedCall(path, self.clock.mark(), self.clock.now())
        self.calls.append(call)
        self.running.append(call)

    def leave(self, _module: nn.Module, _arguments: Any, _result: Any) -> None:
        if execution_compat.in_backward() or not self.running:
            return
        call = self.running.pop()
        call.end, call.host_end = self.clock.mark(), self.clock.now()

    def seconds(self) -> dict[str, float]:
        """Of the calls since the last time, by path."""
        found: dict[str, float] = {}
        for call in self.calls:
            lasted = self.clock.between(call.start, call.end)
            found[call.path] = found.get(call.path, 0.0) + (
                lasted if lasted is not None else call.host_end - call.host_start
            )
        self.calls.clear()
        return found


def layer_times(model: nn.Module, step: Callable[[], None], clock: Clock) -> LayerTimes:
    """The time of each module's calls in the forward pass of a step.

    Steps with and without marks alternate, so that what the marks cost is measured beside what they say.

    Args:
        model: whose modules; hooks are set on them and taken away again.
        step: runs the model once.
        clock: that tells the time.
    """
    places: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        places.setdefault(id(module), []).append(path)
    recorder = _LayerTimer(clock, places)
    bare: list[float] = []
    timed: list[float] = []
    series: dict[str, list[float]] = {}
    events = 0
    begin = clock.now()
    while len(bare) < LEAST_ROUNDS or (clock.now() - begin < MOST_S and len(bare) < MOST_ROUNDS):
        bare.append(_step_s(step, clock))
        with _hooked(model, recorder):
            timed.append(_step_s(step, clock))
        events = 2 * len(recorder.calls)
        for path, seconds in recorder.seconds().items():
            series.setdefault(path, []).append(seconds)
    overhead = LayerOverhead(events=events, bare_step_s=median(bare), timed_step_s=median(timed))
    return LayerTimes(seconds={path: median(values) for path, values in series.items()}, overhead=overhead)


def _step_s(step: Callable[[], None], clock: Clock) -> float:
    clock.synchronize()
    start = clock.now()
    step()
    clock.synchronize()
    return clock.now() - start


@contextmanager
def _hooked(model: nn.Module, recorder: _LayerTimer) -> Iterator[None]:
    modules = {id(module): module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)}
    handles = [module.register_forward_pre_hook(recorder.enter) for module in modules.values()]
    handles += [module.register_forward_hook(recorder.leave, always_call=True) for module in modules.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
