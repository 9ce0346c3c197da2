"""netscope tells every layer's output shape, parameters and FLOPs of any PyTorch architecture.

The public names are imported when they are first used, so that ``import netscope`` costs next to nothing:

    >>> import netscope
    >>> summary = netscope.summarize("alexnet")
    >>> summary.totals.params
    62378344
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netscope.display import set_renderer

if TYPE_CHECKING:
    from netscope.api import bench, check, diff, list_architectures, summarize, trace, verify, weights_map
    from netscope.errors import NetscopeError
    from netscope.schema import (
        BenchReport,
        CheckReport,
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
    "BenchReport",
    "CheckReport",
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
    "diff",
    "list_architectures",
    "summarize",
    "trace",
    "verify",
    "weights_map",
]

_HOMES = {
    "bench": "netscope.api",
    "check": "netscope.api",
    "diff": "netscope.api",
    "list_architectures": "netscope.api",
    "summarize": "netscope.api",
    "trace": "netscope.api",
    "verify": "netscope.api",
    "weights_map": "netscope.api",
    "NetscopeError": "netscope.errors",
    "BenchReport": "netscope.schema",
    "CheckReport": "netscope.schema",
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


def _as_text(result: object) -> str:
    from netscope.render import as_text

    return as_text(result)


# A result prints itself as its table, yet schema/ stands below render/ and may not import it:
# the one place above both hands the renderer down.
set_renderer(_as_text)
