"""What ``netscope bench`` answers: how fast architectures run, how surely that is known, and what bounds it."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.schema.bench.blocks import FEWEST_BLOCKS, Block, Bound, WarmUp, bound_of, is_enough
    from netscope.schema.bench.config import (
        COMPILE_MODES,
        BenchConfig,
        BenchRequest,
        Mode,
        Parallelism,
        Placement,
        Precision,
        PreflightResult,
    )
    from netscope.schema.bench.environment import BenchEnvironment, DeviceLimits, Span, Telemetry
    from netscope.schema.bench.report import BenchReport, Comparison, SavedComparison, SelfTest, SelfTestCheck
    from netscope.schema.bench.result import PERCENTILES, BenchResult, BenchStatus, LayerOverhead

__all__ = [
    "COMPILE_MODES",
    "FEWEST_BLOCKS",
    "PERCENTILES",
    "BenchConfig",
    "BenchEnvironment",
    "BenchReport",
    "BenchRequest",
    "BenchResult",
    "BenchStatus",
    "Block",
    "Bound",
    "Comparison",
    "DeviceLimits",
    "LayerOverhead",
    "Mode",
    "Parallelism",
    "Placement",
    "Precision",
    "PreflightResult",
    "SavedComparison",
    "SelfTest",
    "SelfTestCheck",
    "Span",
    "Telemetry",
    "WarmUp",
    "bound_of",
    "is_enough",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
