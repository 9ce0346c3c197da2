"""The benchmark's test of itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from netscope import analysis
from netscope.api.bench.plan import Options, plan_bench
from netscope.api.bench.preflight import probe_device
from netscope.api.workers.client import Worker
from netscope.schema import BenchConfig, SelfTest


def self_test(device: str = "auto", dtype: str = "fp32", tell: Callable[[str], None] = lambda _: None) -> SelfTest:
    """Whether the benchmark gets right, on this device, what is known beforehand. In a process of its own.

    Args:
        device: as for ``bench``.
        dtype: likewise.
        tell: is told what is being checked.

    Raises:
        UsageError: there is no such device or dtype.
        DeviceError: they are not to be had here.
    """
    config = plan_bench((), Options(device=device, dtype=dtype)).configs[0]
    worker = Worker(Path.cwd())
    try:
        return msgspec.convert(worker.run("bench_selftest", (config,), on_progress=tell), SelfTest)
    finally:
        worker.close()


def self_test_here(config: BenchConfig, tell: Callable[[Any], None]) -> SelfTest:
    """The same in this process."""
    from netscope import measuring

    name, environment = probe_device(config, "")
    sheet = analysis.datasheet_of(environment.device)
    # One thread, so that what else runs on the machine disturbs least.
    config = replace(config, device=name, threads=1 if name == "cpu" else None)
    checks = measuring.self_test(config, None if sheet is None else sheet.peak_flops(config.dtype), tell)
    return SelfTest(checks=checks, environment=replace(environment, threads=config.threads or environment.threads))
