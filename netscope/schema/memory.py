"""Peak memory, and the state of optimizers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

STATES_PER_PARAMETER: Mapping[str, int] = MappingProxyType(
    {"sgd": 0, "momentum": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamax": 2, "adamw": 2, "nadam": 2, "radam": 2}
)
"""Optimizer → number of tensors of a parameter's size that ``torch.optim`` stores per parameter.

``momentum`` is SGD with momentum. Step counters, four bytes per parameter tensor, are not included.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """The peak memory of a forward pass, in which each tensor is freed after its last use.

    Attributes:
        bytes: size of the parameters, buffers, inputs and live activations at the peak.
        activations: part of ``bytes`` that the pass itself allocated.
        path: path of the module that was running.
    """

    bytes: int
    activations: int
    path: str
