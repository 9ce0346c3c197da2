"""Output shapes, parameters, FLOPs and memory of every layer of a PyTorch model.

The public names are imported when they are first used, so that ``import netscope`` costs next to nothing:

    >>> import netscope
    >>> summary = netscope.summarize("alexnet")
    >>> summary.totals.params
    62378344
"""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.api.bench import bench as bench
    from netscope.api.check import check as check
    from netscope.api.compare import compare as compare
    from netscope.api.diff import diff as diff
    from netscope.api.diff import weights_map as weights_map
    from netscope.api.explain import explain as explain
    from netscope.api.list import list_architectures as list_architectures
    from netscope.api.report import report as report
    from netscope.api.summary import summarize as summarize
    from netscope.api.summary import summary as summary
    from netscope.api.summary import trace as trace
    from netscope.api.verify import verify as verify
    from netscope.errors import NetscopeError as NetscopeError
    from netscope.schema import ArchitectureReport as ArchitectureReport
    from netscope.schema import BenchReport as BenchReport
    from netscope.schema import CheckReport as CheckReport
    from netscope.schema import ComparisonTable as ComparisonTable
    from netscope.schema import DiffReport as DiffReport
    from netscope.schema import Explanation as Explanation
    from netscope.schema import Listing as Listing
    from netscope.schema import ModelDiff as ModelDiff
    from netscope.schema import Summary as Summary
    from netscope.schema import TensorSpec as TensorSpec
    from netscope.schema import Trace as Trace
    from netscope.schema import Verification as Verification
    from netscope.schema import WeightsMap as WeightsMap
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "api.bench": ["bench"],
            "api.check": ["check"],
            "api.compare": ["compare"],
            "api.diff": ["diff", "weights_map"],
            "api.explain": ["explain"],
            "api.list": ["list_architectures"],
            "api.report": ["report"],
            "api.summary": ["summarize", "summary", "trace"],
            "api.verify": ["verify"],
            "errors": ["NetscopeError"],
            "schema": ["ArchitectureReport", "BenchReport", "CheckReport", "ComparisonTable", "DiffReport",
                "Explanation", "Listing", "ModelDiff", "Summary", "TensorSpec", "Trace", "Verification",
                "WeightsMap"],
        },
    )  # fmt: skip
    __all__ += ["__version__"]
    __dir__ = __all__.copy

__version__ = "0.1.0"
