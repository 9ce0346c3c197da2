"""The benchmark's self-test."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from netscope import analysis
from netscope.api.bench.plan import BenchOptions, plan_bench
from netscope.api.bench.preflight import inspect_device
from netscope.api.workers.client import Worker
from netscope.schema import BenchConfig, SelfTest


def run_self_test(
    device: str = "auto", dtype: str = "fp32", report_progress: Callable[[str], None] = lambda _: None
) -> SelfTest:
    """Runs the benchmark's self-test in a separate process and returns its result.

    Args:
        device: same as for ``bench``.
        dtype: same as for ``bench``.
        report_progress: is called with the name of each check before it runs.

    Raises:
        UsageError: the device or dtype is unknown.
        DeviceError: the device does not exist or does not support the dtype.
    """
    config = plan_bench((), BenchOptions(device=device, dtype=dtype)).configs[0]
    worker = Worker(Path.cwd())
    try:
        return msgspec.convert(worker.run("bench_selftest", (config,), on_progress=report_progress), SelfTest)
    finally:
        worker.close()


def run_self_test_here(config: BenchConfig, report_progress: Callable[[Any], None]) -> SelfTest:
    """Runs the benchmark's self-test in this process and returns its result."""
    from netscope import measuring

    name, environment = inspect_device(config, "")
    sheet = analysis.find_datasheet(environment.device)
    # One thread, so other processes on the machine disturb least.
    config = replace(config, device=name, threads=1 if name == "cpu" else None)
    checks = measuring.run_self_test(config, None if sheet is None else sheet.peak_flops(config.dtype), report_progress)
    return SelfTest(checks=checks, environment=replace(environment, threads=config.threads or environment.threads))
