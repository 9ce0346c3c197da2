"""The GPU's state while something is measured, sampled by another process; and what others did on the CPU."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from typing import IO, Any

import torch

from netscope.runtime.nvml import Gpu, driver_version
from netscope.schema import Span, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What NVML says of a GPU once and for all."""

    driver: str | None
    limits: dict[str, float]


def device_facts(device: torch.device) -> DeviceFacts:
    """What NVML says; nothing where it is not installed, does not answer, or knows no such GPU, as of a part of one."""
    driver, limits = None, {}
    with suppress(Exception):  # NVML's errors are of a package that need not be there
        driver = driver_version()
        limits = Gpu(_uuid(device)).limits()
    return DeviceFacts(driver=driver, limits=limits)


def _uuid(device: torch.device) -> str:
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


class Sampler:
    """Samples from when it is made until it is asked for them; on a CPU, and without NVML, there are none."""

    def __init__(self, device: torch.device) -> None:
        self._samples: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_before = _cpu_seconds()
        if device.type == "cuda" and device_facts(device).driver is not None:
            # A file, which never fills up and has nobody wait as a pipe does.
            self._samples = TemporaryFile()  # noqa: SIM115 - open as long as this is
            command = [sys.executable, "-m", "netscope.runtime.nvml", _uuid(device)]
            self._process = subprocess.Popen(  # noqa: S603 - our own code
                command, stdout=self._samples, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            )

    def telemetry(self) -> Telemetry | None:
        """What was sampled; ends the sampling."""
        if self._process is None or self._samples is None:
            return None
        self._process.kill()
        self._process.wait()
        self._samples.seek(0)
        samples = []
        for line in self._samples:
            with suppress(ValueError):  # the last one, if it was cut off
                samples.append(json.loads(line))
        self._samples.close()
        return summarised(samples)

    def background_load(self) -> float | None:
        """Cores' worth of work that other processes did on this machine since it was made; None where unknown."""
        before, after = self._cpu_before, _cpu_seconds()
        if before is None or after is None:
            return None
        wall = after[2] - before[2]
        return max((after[0] - before[0]) - (after[1] - before[1]), 0.0) / wall if wall else None


def summarised(samples: list[dict[str, Any]]) -> Telemetry | None:
    """The samples' ranges; None for no samples."""
    if not samples:
        return None

    def span(key: str) -> Span | None:
        values = [float(sample[key]) for sample in samples if sample[key] is not None]
        return Span(low=min(values), median=median(values), high=max(values)) if values else None

    processes = [sample["processes"] for sample in samples if sample["processes"] is not None]

    return Telemetry(
        samples=len(samples),
        sm_clock_mhz=span("sm_clock_mhz"),
        memory_clock_mhz=span("memory_clock_mhz"),
        power_w=span("power_w"),
        temperature_c=span("temperature_c"),
        throttle_reasons=tuple(sorted({reason for sample in samples for reason in sample["reasons"]})),
        # One of them is ours. Their numbers are the host's, which a container does not know, so they are counted.
        other_processes=max(max(processes) - 1, 0) if processes else None,
    )


def _cpu_seconds() -> tuple[float, float, float] | None:
    """Seconds of work of all processes on this machine, of this one, and on the wall; None where unknown."""
    try:
        with Path("/proc/stat").open(encoding="ascii") as lines:
            # user, nice, system, idle, iowait, irq, softirq, steal: proc(5)
            fields = [int(field) for field in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK"), time.process_time(), time.perf_counter()
