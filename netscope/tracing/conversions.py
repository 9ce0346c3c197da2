"""Conversions of tensors to NumPy or Python values during a pass: what is computed from them cannot be recorded."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

MAX_UNCOUNTED_ELEMENTS = 16
"""Converted elements of one storage that are ignored: so few are read as sizes, flags or conditions."""

_CONVERSIONS = frozenset(
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


class ConversionMode(TorchFunctionMode):
    """A mode that reports every tensor that its thread converts to a NumPy or Python value.

    A dispatch mode cannot see this: ``numpy`` runs no op.

    Args:
        report: is called with the tensor and the name of the converting function.
    """

    def __init__(self, report: Callable[[Tensor, str], None]) -> None:
        super().__init__()
        self._report = report

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in _CONVERSIONS:
            self._report(args[0], f"Tensor.{function.__name__}")
        return result
