"""The state of a GPU, read by NVML, the library of NVIDIA's driver. As a command it prints samples repeatedly.

    python -m netscope.runtime.nvml UUID

The command runs in a separate process without torch, so it takes no time from the measuring process. It needs the extra
``gpu``.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

INTERVAL_S = 0.2

REASONS = {
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
}
"""Reasons to throttle a clock by their bit in NVML's mask, without idleness (0x1), which is none."""


class Gpu:
    """One GPU."""

    def __init__(self, uuid: str) -> None:
        """Finds the GPU.

        Args:
            uuid: the GPU's UUID, ``"GPU-…"``.

        Raises:
            ImportError: the extra is not installed.
            Exception: NVML's error if it does not run here or does not find the GPU.
        """
        import pynvml

        self._nvml: Any = pynvml
        self._nvml.nvmlInit()
        self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)

    def limits(self) -> dict[str, float]:
        """Returns the power limit and the maximum clocks, as far as NVML reports them."""
        nvml, handle = self._nvml, self._handle
        queries: dict[str, Callable[[], float]] = {
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            "max_sm_clock_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
            "max_memory_clock_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM),
        }
        values = {name: self._query(query) for name, query in queries.items()}
        return {name: float(value) for name, value in values.items() if value is not None}

    def sample(self) -> dict[str, Any]:
        """Returns the current clocks, power, temperature, throttle reasons and number of compute processes.

        Values that this GPU or its driver does not report are None.
        """
        nvml, handle = self._nvml, self._handle
        reasons = self._query(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        if reasons is None:  # drivers before 535 have the older name
            reasons = self._query(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        power = self._query(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        processes = self._query(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        return {
            "sm_clock_mhz": self._query(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": self._query(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            "power_w": None if power is None else power / 1000,
            "temperature_c": self._query(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            "reasons": [name for name, bit in REASONS.items() if (reasons or 0) & bit],
            "processes": None if processes is None else len(processes),
        }

    def _query(self, query: Callable[[], Any]) -> Any:
        """Returns the result of a query; None if NVML or the installed binding does not support it."""
        with suppress(self._nvml.NVMLError, AttributeError):
            return query()
        return None


def driver_version() -> str:
    """Returns the version of the GPU driver.

    Raises:
        ImportError: the extra is not installed.
        Exception: NVML's error if it does not run here.
    """
    import pynvml

    nvml: Any = pynvml
    nvml.nvmlInit()
    return _text(nvml.nvmlSystemGetDriverVersion())


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Prints a sample as a line of JSON every fifth of a second, until the reader closes the pipe."""
    gpu = Gpu(sys.argv[1])
    with suppress(BrokenPipeError):
        while True:
            print(json.dumps(gpu.sample()), flush=True)
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
