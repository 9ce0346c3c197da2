"""netscope tells every layer's output shape, parameters and FLOPs of any PyTorch architecture.

The public names are imported when they are first used, so that ``import netscope`` costs next to nothing:

    >>> import netscope
    >>> summary = netscope.summarize("alexnet")
    >>> summary.totals.params
    62378344
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netscope.display import Form, set_renderer

if TYPE_CHECKING:
    from netscope.api.benchmark import bench
    from netscope.api.checking import check
    from netscope.api.comparing import compare
    from netscope.api.diffing import diff, weights_map
    from netscope.api.explaining import explain
    from netscope.api.listing import list_architectures
    from netscope.api.reporting import report
    from netscope.api.summarizing import summarize, trace
    from netscope.api.verifying import verify
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

_HOMES = {
    "bench": "netscope.api.benchmark",
    "check": "netscope.api.checking",
    "compare": "netscope.api.comparing",
    "diff": "netscope.api.diffing",
    "explain": "netscope.api.explaining",
    "list_architectures": "netscope.api.listing",
    "report": "netscope.api.reporting",
    "summarize": "netscope.api.summarizing",
    "trace": "netscope.api.summarizing",
    "verify": "netscope.api.verifying",
    "weights_map": "netscope.api.diffing",
    "NetscopeError": "netscope.errors",
    "ArchitectureReport": "netscope.schema",
    "BenchReport": "netscope.schema",
    "CheckReport": "netscope.schema",
    "ComparisonTable": "netscope.schema",
    "DiffReport": "netscope.schema",
    "Explanation": "netscope.schema",
    "Listing": "netscope.schema",
    "ModelDiff": "netscope.schema",
    "Summary": "netscope.schema",
    "TensorSpec": "netscope.schema",
    "Trace": "netscope.schema",
    "Verification": "netscope.schema",
    "WeightsMap": "netscope.schema",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'netscope' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _shown(result: object, form: Form) -> str:
    from netscope.render import display

    return display(result, form)


# A result shows itself as its table, yet schema/ stands below render/ and may not import it:
# the one place above both hands the renderer down.
set_renderer(_shown)
