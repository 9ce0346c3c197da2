"""The clocks of the devices that can be measured."""

import time
from typing import Any

import torch

from netscope.measuring.runner import Clock


class HostClock:
    """For the CPU, which has done a step when the call returns."""

    def now(self) -> float:
        """Seconds on the wall."""
        return time.perf_counter()

    def busy(self) -> float:
        """Seconds that this thread has computed."""
        return time.thread_time()

    def synchronize(self) -> None:
        """There is nothing to wait for."""

    def mark(self) -> Any:
        """There is no other time than the host's."""

    def between(self, _start: Any, _end: Any) -> float | None:
        """There is no other time than the host's."""
        return None


class CudaClock(HostClock):
    """For a GPU, which works off what the host has issued."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def synchronize(self) -> None:
        """Waits until the GPU has done what it was given, on all streams."""
        torch.cuda.synchronize(self._device)

    def mark(self) -> Any:
        """An event behind what the current stream was given so far."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def between(self, start: Any, end: Any) -> float | None:
        """Seconds between two events that have passed."""
        return float(start.elapsed_time(end)) / 1000


def clock_of(device: torch.device) -> Clock:
    """The clock of ``device``."""
    return CudaClock(device) if device.type == "cuda" else HostClock()
