"""The GPU's state during a measurement, sampled by another process, and the load of other processes on the CPU."""

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
class GpuProperties:
    """The constant properties of a GPU that NVML reports."""

    driver: str | None
    limits: dict[str, float]


def read_gpu_properties(device: torch.device) -> GpuProperties:
    """Returns the properties of a GPU; none if NVML is missing, fails, or does not find the GPU, e.g. a MIG slice."""
    driver, limits = None, {}
    with suppress(Exception):  # the classes of NVML's errors are in an optional package
        driver = driver_version()
        limits = Gpu(_uuid(device)).limits()
    return GpuProperties(driver=driver, limits=limits)


def _uuid(device: torch.device) -> str:
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


class TelemetrySampler:
    """Samples the state of a GPU until it is stopped; on a CPU or without NVML there are no samples."""

    def __init__(self, device: torch.device) -> None:
        self._samples: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_before = _read_cpu_seconds()
        if device.type == "cuda" and read_gpu_properties(device).driver is not None:
            # A file never fills up and blocks the writer, as a pipe does.
            self._samples = TemporaryFile()  # noqa: SIM115 - open as long as the sampler
            command = [sys.executable, "-m", "netscope.runtime.nvml", _uuid(device)]
            self._process = subprocess.Popen(  # noqa: S603 - our own code
                command, stdout=self._samples, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            )

    def stop(self) -> Telemetry | None:
        """Stops sampling and returns a summary of the samples; None without any."""
        if self._process is None or self._samples is None:
            return None
        self._process.kill()
        self._process.wait()
        self._samples.seek(0)
        samples = []
        for line in self._samples:
            with suppress(ValueError):  # the last line may be incomplete
                samples.append(json.loads(line))
        self._samples.close()
        return summarize_samples(samples)

    def measure_background_load(self) -> float | None:
        """Returns the number of cores that other processes kept busy since the start; None if unknown."""
        before, after = self._cpu_before, _read_cpu_seconds()
        if before is None or after is None:
            return None
        wall = after[2] - before[2]
        return max((after[0] - before[0]) - (after[1] - before[1]), 0.0) / wall if wall else None


def summarize_samples(samples: list[dict[str, Any]]) -> Telemetry | None:
    """Returns the ranges of the samples; None without samples."""
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
        # One of them is this one. NVML reports the host's process ids, unknown in a container, so they are counted.
        other_processes=max(max(processes) - 1, 0) if processes else None,
    )


def _read_cpu_seconds() -> tuple[float, float, float] | None:
    """Returns the CPU seconds of all processes and of this one, and the wall-clock time; None if unknown."""
    try:
        with Path("/proc/stat").open(encoding="ascii") as lines:
            # user, nice, system, idle, iowait, irq, softirq, steal: proc(5)
            fields = [int(field) for field in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK"), time.process_time(), time.perf_counter()
