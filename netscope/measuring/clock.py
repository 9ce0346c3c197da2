"""Clocks of the devices that can be measured."""

import time
from typing import Any

import torch

from netscope.measuring.runner import Clock


class HostClock:
    """The clock of a CPU, which has finished a step when the call returns."""

    def now(self) -> float:
        """Returns the wall-clock time in seconds."""
        return time.perf_counter()

    def thread_time(self) -> float:
        """Returns the CPU time of this thread in seconds."""
        return time.thread_time()

    def synchronize(self) -> None:
        """Does nothing: a CPU has no queue."""

    def record_event(self) -> Any:
        """Returns None: a CPU has no time besides the host's."""

    def elapsed_s(self, _start: Any, _end: Any) -> float | None:
        """Returns None: a CPU has no time besides the host's."""
        return None


class CudaClock(HostClock):
    """The clock of a GPU, which runs queued work asynchronously."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def synchronize(self) -> None:
        """Waits until the GPU has finished all work on all streams."""
        torch.cuda.synchronize(self._device)

    def record_event(self) -> Any:
        """Records an event in the current stream and returns it."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def elapsed_s(self, start: Any, end: Any) -> float | None:
        """Returns the seconds between two completed events."""
        return float(start.elapsed_time(end)) / 1000


def create_clock(device: torch.device) -> Clock:
    """Returns the clock of ``device``."""
    return CudaClock(device) if device.type == "cuda" else HostClock()
