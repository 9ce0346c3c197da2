"""The backward pass: its starting tensors, and the module call that each of its ops belongs to."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from netscope.errors import UntrainableError
from netscope.tracing import torch_compat
from netscope.tracing.tensors import find_tensors


class Origins:
    """The module calls that created the nodes of the autograd graph.

    torch numbers nodes in the order of their creation. Calls nest, so the call that was running between two entries or
    exits created all nodes in between. A checkpoint that runs calls again during the backward pass continues the same
    count. The count is per thread: ops in threads that a model starts may be attributed to any row. The nodes that
    accumulate the parameters' gradients have higher numbers than all others, and are attributed to the root.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._calls: list[int] = []

    def enter(self, call: int) -> None:
        """Attributes the nodes that are created from now on to ``call``."""
        self._starts.append(torch_compat.get_next_node_number())
        self._calls.append(call)

    def find_current_call(self) -> int:
        """Returns the call that created the node that autograd is running; the root's call outside of a node."""
        number = torch_compat.get_current_node_number()
        if number is None or not self._starts:
            return 0
        return self._calls[max(bisect_right(self._starts, number) - 1, 0)]


def find_differentiable_outputs(result: Any, name: str) -> list[Tensor]:
    """Returns the tensors that a training step differentiates: the output ``loss``, or all that require a gradient.

    Args:
        result: the model's return value.
        name: the model's name, for the error message.

    Raises:
        UntrainableError: no output requires a gradient.
    """
    named = result if isinstance(result, Mapping) else {}
    loss = named.get("loss")
    outputs = [loss] if isinstance(loss, Tensor) else find_tensors(result)
    found = list({id(output): output for output in outputs if output.requires_grad}.values())
    if not found:
        raise UntrainableError(
            f"{name} cannot be trained: none of its outputs depends on a parameter that requires a gradient"
        )
    return found


def run_backward(outputs: list[Tensor]) -> None:
    """Runs the backward pass from the sum of all elements of ``outputs``."""
    torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])


@contextmanager
def record_saved_tensors(record: Callable[[Tensor], None]) -> Iterator[None]:
    """Calls ``record`` with every tensor that autograd saves for the backward pass."""

    def pack(tensor: Tensor) -> Tensor:
        record(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield
