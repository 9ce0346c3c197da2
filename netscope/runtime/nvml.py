"""What NVML, the driver's own library, says of a GPU; as a command, again and again.

    python -m netscope.runtime.nvml UUID

It stands apart so that it can be asked from another process, which imports no torch and takes no time from the one that
measures. It needs the extra ``gpu``.
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
"""Why a clock may be held back, by its bit in NVML's mask; that the GPU is idle (0x1) is no such reason."""


class Gpu:
    """One GPU, as NVML knows it."""

    def __init__(self, uuid: str) -> None:
        """Finds it.

        Args:
            uuid: ``"GPU-…"``.

        Raises:
            ImportError: the extra is not installed.
            Exception: NVML's own, if it does not run here or knows no such GPU.
        """
        import pynvml

        self._nvml: Any = pynvml
        self._nvml.nvmlInit()
        self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)

    def limits(self) -> dict[str, float]:
        """What it may draw, and how high its clocks go; as far as NVML tells."""
        nvml, handle = self._nvml, self._handle
        asked: dict[str, Callable[[], float]] = {
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            "max_sm_clock_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
            "max_memory_clock_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM),
        }
        told = {name: self._told(ask) for name, ask in asked.items()}
        return {name: float(value) for name, value in told.items() if value is not None}

    def sample(self) -> dict[str, Any]:
        """Clocks, power, temperature, why it is held back, and how many processes compute on it, now.

        What this GPU or its driver does not tell is None.
        """
        nvml, handle = self._nvml, self._handle
        reasons = self._told(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        if reasons is None:  # drivers before 535 have it by its older name
            reasons = self._told(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        power = self._told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        processes = self._told(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        return {
            "sm_clock_mhz": self._told(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": self._told(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            "power_w": None if power is None else power / 1000,
            "temperature_c": self._told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            "reasons": [name for name, bit in REASONS.items() if (reasons or 0) & bit],
            "processes": None if processes is None else len(processes),
        }

    def _told(self, ask: Callable[[], Any]) -> Any:
        """What NVML answers; None if it cannot, or the installed binding does not know the question."""
        with suppress(self._nvml.NVMLError, AttributeError):
            return ask()
        return None


def driver_version() -> str:
    """Of the GPUs' driver.

    Raises:
        ImportError: the extra is not installed.
        Exception: NVML's own, if it does not run here.
    """
    import pynvml

    nvml: Any = pynvml
    nvml.nvmlInit()
    return _text(nvml.nvmlSystemGetDriverVersion())


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Prints a sample as a line of JSON every fifth of a second, until nobody reads any more."""
    gpu = Gpu(sys.argv[1])
    with suppress(BrokenPipeError):
        while True:
            print(json.dumps(gpu.sample()), flush=True)
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
