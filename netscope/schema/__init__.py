"""All result types: frozen, plain data, to JSON and back. No torch."""

from netscope.schema.codec import SCHEMA_VERSION
from netscope.schema.failure import LayerFailure
from netscope.schema.listing import ListedArchitecture, Listing
from netscope.schema.memory import MemoryUse, PeakMemory
from netscope.schema.summary import (
    FLOP_CONVENTION,
    NEVER_RAN,
    NOWHERE,
    OUTPUTS_DIFFER,
    UNKNOWN_FORWARD,
    Architecture,
    LayerRow,
    LayerTensor,
    OpCount,
    Summary,
    Totals,
)
from netscope.schema.trace import (
    RAGGED,
    InputSpec,
    KeptTensor,
    ModuleCall,
    PlainValue,
    Shape,
    TensorRef,
    TensorSpec,
    Trace,
    TracedModule,
    TracedOp,
    TracedParameter,
    TracedTensor,
)
from netscope.schema.verification import Cause, PeerCount, PeerTally, Verification

__all__ = [
    "FLOP_CONVENTION",
    "NEVER_RAN",
    "NOWHERE",
    "OUTPUTS_DIFFER",
    "RAGGED",
    "SCHEMA_VERSION",
    "UNKNOWN_FORWARD",
    "Architecture",
    "Cause",
    "InputSpec",
    "KeptTensor",
    "LayerFailure",
    "LayerRow",
    "LayerTensor",
    "ListedArchitecture",
    "Listing",
    "MemoryUse",
    "ModuleCall",
    "OpCount",
    "PeakMemory",
    "PeerCount",
    "PeerTally",
    "PlainValue",
    "Shape",
    "Summary",
    "TensorRef",
    "TensorSpec",
    "Totals",
    "Trace",
    "TracedModule",
    "TracedOp",
    "TracedParameter",
    "TracedTensor",
    "Verification",
]
