"""What needs memory, in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

STATES_PER_PARAMETER: Mapping[str, int] = MappingProxyType(
    {
        "sgd": 0,
        "momentum": 1,
        "adagrad": 1,
        "rmsprop": 1,
        "adam": 2,
        "adamax": 2,
        "adamw": 2,
        "nadam": 2,
        "radam": 2,
    }
)
"""Optimizer → tensors of a parameter's size that ``torch.optim``'s keeps for it; ``momentum`` is SGD with momentum.

Step counters, of four bytes a parameter tensor, are not in it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """When an inference pass holds most, by which tensors are still to be read.

    Attributes:
        bytes: parameters, buffers, inputs and the activations that are alive then.
        activations: those of ``bytes`` that the pass made itself.
        path: of the module that was running.
    """

    bytes: int
    activations: int
    path: str
