"""Output shapes, parameters, FLOPs and memory of every layer of a PyTorch model.

The public names are imported when they are first used, so that ``import netscope`` costs next to nothing:

    >>> import netscope
    >>> summary = netscope.summarize("alexnet")
    >>> summary.totals.params
    62378344
"""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.api.bench import bench
    from netscope.api.check import check
    from netscope.api.compare import compare
    from netscope.api.diff import diff, weights_map
    from netscope.api.explain import explain
    from netscope.api.list import list_architectures
    from netscope.api.report import report
    from netscope.api.summary import summarize, trace
    from netscope.api.verify import verify
    from netscope.errors import NetscopeError
    from netscope.schema import (
        ArchitectureReport,
        BenchReport,
        CheckReport,
        ComparisonTable,
        DiffReport,
        Explanation,
        Listing,
        ModelDiff,
        Summary,
        TensorSpec,
        Trace,
        Verification,
        WeightsMap,
    )

__version__ = "0.1.0"

__all__ = [
    "ArchitectureReport",
    "BenchReport",
    "CheckReport",
    "ComparisonTable",
    "DiffReport",
    "Explanation",
    "Listing",
    "ModelDiff",
    "NetscopeError",
    "Summary",
    "TensorSpec",
    "Trace",
    "Verification",
    "WeightsMap",
    "__version__",
    "bench",
    "check",
    "compare",
    "diff",
    "explain",
    "list_architectures",
    "report",
    "summarize",
    "trace",
    "verify",
    "weights_map",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)


def __dir__() -> list[str]:
    return sorted(__all__)
