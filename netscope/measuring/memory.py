"""Peak memory of a step, and a limit on the process's memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from netscope.runtime.machine import available_memory_bytes

_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"
"""The value for ``/proc/self/clear_refs`` that resets the peak resident set size (proc(5))."""


class PeakMemoryMeter:
    """Measures the peak memory since its creation, minus the memory in use at that time.

    On a GPU this is the memory of torch's allocator; on a CPU the resident memory of the process, on Linux.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()  # garbage that is freed later would hide as much of the memory that is needed
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: int | None = torch.cuda.memory_allocated(device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
            self._before = _read_status_bytes("VmRSS")

    def peak_bytes(self) -> int | None:
        """Returns the peak in bytes; None if the system does not report it."""
        if self._device.type == "cuda":
            peak: int | None = torch.cuda.max_memory_allocated(self._device)
        else:
            peak = _read_status_bytes("VmHWM")
        return None if peak is None or self._before is None else max(peak - self._before, 0)


def _read_status_bytes(key: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    entry = next((line for line in lines if line.startswith(f"{key}:")), None)
    return int(entry.split()[1]) * 1024 if entry else None


@contextmanager
def limit_memory() -> Iterator[None]:
    """Makes an allocation fail if the machine has no memory for it, so the system kills no process.

    The limit is the memory available now. Systems without such limits are left unchanged.
    """
    try:
        import resource

        available = available_memory_bytes()
        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (ImportError, OSError, ValueError):
        yield
        return
    used = _read_status_bytes("VmData")
    if available is None or used is None:
        yield
        return
    limit = used + available
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
