"""``bench``: what is measured, in which processes, and what it is compared with."""

from netscope.api.bench.call import bench
from netscope.api.bench.plan import BenchPlan, Options, percent, plan_bench
from netscope.api.bench.run import BenchRun, Watcher
from netscope.api.bench.selftest import self_test
from netscope.runtime.torchrun_env import group_size, in_group, rank

__all__ = [
    "BenchPlan",
    "BenchRun",
    "Options",
    "Watcher",
    "bench",
    "group_size",
    "in_group",
    "percent",
    "plan_bench",
    "rank",
    "self_test",
]
