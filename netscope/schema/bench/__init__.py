"""The results of ``netscope bench``: speed with confidence intervals, and the bottleneck."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.schema.bench.blocks import HOST_BOUND_ABOVE as HOST_BOUND_ABOVE
    from netscope.schema.bench.blocks import MIN_BLOCKS as MIN_BLOCKS
    from netscope.schema.bench.blocks import Block as Block
    from netscope.schema.bench.blocks import Bound as Bound
    from netscope.schema.bench.blocks import WarmUp as WarmUp
    from netscope.schema.bench.blocks import classify_bound as classify_bound
    from netscope.schema.bench.blocks import is_precise as is_precise
    from netscope.schema.bench.config import COMPILE_MODES as COMPILE_MODES
    from netscope.schema.bench.config import MAX_TIME_S as MAX_TIME_S
    from netscope.schema.bench.config import BenchConfig as BenchConfig
    from netscope.schema.bench.config import BenchRequest as BenchRequest
    from netscope.schema.bench.config import DataLocation as DataLocation
    from netscope.schema.bench.config import Mode as Mode
    from netscope.schema.bench.config import Parallelism as Parallelism
    from netscope.schema.bench.config import Precision as Precision
    from netscope.schema.bench.config import PreflightResult as PreflightResult
    from netscope.schema.bench.environment import BenchEnvironment as BenchEnvironment
    from netscope.schema.bench.environment import DeviceLimits as DeviceLimits
    from netscope.schema.bench.environment import Span as Span
    from netscope.schema.bench.environment import Telemetry as Telemetry
    from netscope.schema.bench.report import BenchReport as BenchReport
    from netscope.schema.bench.report import Comparison as Comparison
    from netscope.schema.bench.report import SavedComparison as SavedComparison
    from netscope.schema.bench.report import SelfTest as SelfTest
    from netscope.schema.bench.report import SelfTestCheck as SelfTestCheck
    from netscope.schema.bench.result import NOTICEABLE_LOAD as NOTICEABLE_LOAD
    from netscope.schema.bench.result import PERCENTILES as PERCENTILES
    from netscope.schema.bench.result import BenchResult as BenchResult
    from netscope.schema.bench.result import BenchStatus as BenchStatus
    from netscope.schema.bench.result import LayerOverhead as LayerOverhead
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "blocks": ["Block", "Bound", "HOST_BOUND_ABOVE", "MIN_BLOCKS", "WarmUp", "classify_bound", "is_precise"],
            "config": ["BenchConfig", "BenchRequest", "COMPILE_MODES", "DataLocation", "MAX_TIME_S", "Mode",
                "Parallelism", "Precision", "PreflightResult"],
            "environment": ["BenchEnvironment", "DeviceLimits", "Span", "Telemetry"],
            "report": ["BenchReport", "Comparison", "SavedComparison", "SelfTest", "SelfTestCheck"],
            "result": ["BenchResult", "BenchStatus", "LayerOverhead", "NOTICEABLE_LOAD", "PERCENTILES"],
        },
    )  # fmt: skip
