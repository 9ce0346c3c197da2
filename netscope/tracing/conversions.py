"""Tensors that leave torch in the middle of a pass, for NumPy or Python: what these compute is not seen."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

FEW = 16
"""Elements of one storage that may leave: so many are read as sizes, flags or conditions, and are no work."""

_WAYS = frozenset(
    {
        Tensor.numpy,
        Tensor.__array__,
        Tensor.__dlpack__,
        Tensor.tolist,
        Tensor.item,
        Tensor.__float__,
        Tensor.__int__,
        Tensor.__complex__,
    }
)


class Departures(TorchFunctionMode):
    """Tells of every tensor that leaves torch in the thread that entered it.

    Dispatch does not see this: ``numpy`` runs no op.

    Args:
        note: is called with the tensor, and the name of the function that it left by.
    """

    def __init__(self, note: Callable[[Tensor, str], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in _WAYS:
            self._note(args[0], f"Tensor.{function.__name__}")
        return result
