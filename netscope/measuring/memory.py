"""How much memory a step needs, and where it ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from netscope.runtime.machine import available_memory_bytes

_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"
"""What ``/proc/self/clear_refs`` takes for "forget the peak" (proc(5))."""


class PeakMemoryMeter:
    """The most memory in use since it was made, beyond what was in use then.

    On a GPU that of torch's allocator; on the CPU the resident memory of the process, where Linux tells.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()  # what would be freed meanwhile would hide as much of what is needed
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: int | None = torch.cuda.memory_allocated(device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
            self._before = _status_bytes("VmRSS")

    def bytes(self) -> int | None:
        """How much; None where the system does not tell."""
        if self._device.type == "cuda":
            peak: int | None = torch.cuda.max_memory_allocated(self._device)
        else:
            peak = _status_bytes("VmHWM")
        return None if peak is None or self._before is None else max(peak - self._before, 0)


def _status_bytes(key: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{key}:")), None)
    return int(found.split()[1]) * 1024 if found else None


@contextmanager
def within_memory() -> Iterator[None]:
    """Lets an allocation on the CPU fail that the machine has no memory for, instead of something being killed.

    The limit is what is available now. Systems without such limits are left as they are.
    """
    try:
        import resource

        available = available_memory_bytes()
        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (ImportError, OSError, ValueError):
        yield
        return
    used = _status_bytes("VmData")
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
