"""The backward pass: what it starts from, and which module call each of its ops belongs to."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from netscope.errors import UntrainableError
from netscope.tracing import torch_compat
from netscope.tracing.tensors import tensors_in


class Origins:
    """Which module call made each node of the autograd graph.

    torch numbers nodes as it makes them. Calls nest, so what was running from one entry or exit to the next made every
    node in between; a checkpoint that runs calls again during the backward pass goes on with the same count. The count
    is a thread's own: what a model runs in threads that it starts lands on any row. The nodes that accumulate the
    parameters' gradients are numbered beyond all others, and land on the root.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._calls: list[int] = []

    def now_in(self, call: int) -> None:
        """From now on nodes are of ``call``."""
        self._starts.append(torch_compat.next_node_number())
        self._calls.append(call)

    def of_current_node(self) -> int:
        """The call that made the node that autograd is at; the root's for what it does beside nodes."""
        number = torch_compat.current_node_number()
        if number is None or not self._starts:
            return 0
        return self._calls[max(bisect_right(self._starts, number) - 1, 0)]


def find_differentiable_outputs(result: Any, what: str) -> list[Tensor]:
    """What a step differentiates: the loss among the outputs, if there is one, or else all that have a gradient.

    Args:
        result: what the model returned.
        what: its name, for the error.

    Raises:
        UntrainableError: nothing has a gradient.
    """
    named = result if isinstance(result, Mapping) else {}
    loss = named.get("loss")
    outputs = [loss] if isinstance(loss, Tensor) else list(tensors_in(result))
    found = list({id(output): output for output in outputs if output.requires_grad}.values())
    if not found:
        raise UntrainableError(
            f"{what} cannot be trained: none of its outputs depends on a parameter that requires a gradient"
        )
    return found


def run_backward(outputs: list[Tensor]) -> None:
    """Differentiates the sum of all elements of ``outputs``."""
    torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])


@contextmanager
def kept_tensors(note: Any) -> Iterator[None]:
    """Calls ``note`` with every tensor that autograd keeps for the backward pass."""

    def keep(tensor: Tensor) -> Tensor:
        note(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield
