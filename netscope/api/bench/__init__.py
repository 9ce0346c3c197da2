"""``bench``: plans measurements, runs them in processes and compares them with earlier ones."""

from netscope.api.bench.call import bench
from netscope.api.bench.plan import BenchOptions, BenchPlan, parse_percent, plan_bench
from netscope.api.bench.run import BenchCallbacks, BenchRun
from netscope.api.bench.selftest import run_self_test

__all__ = [
    "BenchCallbacks",
    "BenchOptions",
    "BenchPlan",
    "BenchRun",
    "bench",
    "parse_percent",
    "plan_bench",
    "run_self_test",
]
