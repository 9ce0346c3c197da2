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
class MemoryUse:
    """Bytes by what they are for. The last three are 0 unless a step of training ran.

    Attributes:
        weights: the parameters, in their own dtypes.
        buffers: likewise.
        gradients: of the parameters that require one, in the parameters' dtypes.
        optimizer_state: what the optimizer keeps between steps.
        activations: what autograd keeps of the forward pass for the backward pass, each storage once; parameters,
            buffers and the inputs are not in it.
    """

    weights: int = 0
    buffers: int = 0
    gradients: int = 0
    optimizer_state: int = 0
    activations: int = 0

    @property
    def total(self) -> int:
        """Their sum."""
        return self.weights + self.buffers + self.gradients + self.optimizer_state + self.activations

    def __add__(self, other: "MemoryUse") -> "MemoryUse":
        return MemoryUse(
            weights=self.weights + other.weights,
            buffers=self.buffers + other.buffers,
            gradients=self.gradients + other.gradients,
            optimizer_state=self.optimizer_state + other.optimizer_state,
            activations=self.activations + other.activations,
        )


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
