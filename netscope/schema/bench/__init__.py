"""The results of ``netscope bench``: speed with confidence intervals, and the bottleneck."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.schema.bench.blocks import MIN_BLOCKS, Block, Bound, WarmUp, classify_bound, is_precise
    from netscope.schema.bench.config import (
        COMPILE_MODES,
        BenchConfig,
        BenchRequest,
        DataLocation,
        Mode,
        Parallelism,
        Precision,
        PreflightResult,
    )
    from netscope.schema.bench.environment import BenchEnvironment, DeviceLimits, Span, Telemetry
    from netscope.schema.bench.report import BenchReport, Comparison, SavedComparison, SelfTest, SelfTestCheck
    from netscope.schema.bench.result import PERCENTILES, BenchResult, BenchStatus, LayerOverhead

__all__ = [
    "COMPILE_MODES",
    "MIN_BLOCKS",
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
    "DataLocation",
    "DeviceLimits",
    "LayerOverhead",
    "Mode",
    "Parallelism",
    "Precision",
    "PreflightResult",
    "SavedComparison",
    "SelfTest",
    "SelfTestCheck",
    "Span",
    "Telemetry",
    "WarmUp",
    "classify_bound",
    "is_precise",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
