"""A cache of op results on meta: repeated results are created again instead of computed again.

On meta a result is only its sizes, strides and dtype, which torch computes in Python in up to a quarter of a
millisecond per op. Networks repeat their layers, so an op that gets the same sizes again is not run again.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from netscope.tracing.tensors import TensorLayout, TensorTable

META = torch.device("meta")

UNCACHEABLE = object()
"""The part of a key for an argument on which a result may depend by more than its key."""

_CACHEABLE_TENSORS = frozenset({Tensor, nn.Parameter})
_CACHEABLE_VALUES = frozenset({bool, int, float, str, torch.dtype, torch.device, torch.layout, torch.memory_format})

ResultLayout = tuple[type, tuple[TensorLayout | None, ...]]
"""The returned type (``Tensor``, ``tuple`` or ``list``) and the layouts of its tensors; None for a result of None."""

IN_PLACE: ResultLayout = (object, ())
"""The result is the first argument, whose layout is unchanged."""


class OpCache:
    """The layouts of the results of ops, by the ops and their arguments.

    A key contains everything that the sizes of a result may depend on if the op is functional or writes only into its
    first argument: the op, the layouts of the tensors, all other arguments with their types (``x + 1`` and ``x + 1.0``
    differ), and the default dtype.
    """

    def __init__(self, tensors: TensorTable) -> None:
        self._tensors = tensors
        self._results: dict[Hashable, ResultLayout] = {}

    def tensor_key(self, tensor: Tensor, number: int) -> Any:
        """Returns the part of a key for the tensor of this number."""
        layout = self._tensors.get_layout(number)
        is_cacheable = layout.is_plain and type(tensor) in _CACHEABLE_TENSORS and tensor.is_meta
        return layout if is_cacheable else UNCACHEABLE

    def lookup(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
        """Returns new tensors with the layouts of the stored result; None if the cache has no result for ``key``."""
        stored = self._results.get(key)
        if stored is None:
            return None
        if stored is IN_PLACE:
            return args[0]
        kind, layouts = stored
        if kind is Tensor:
            return _create_tensor(layouts[0])
        return kind([_create_tensor(layout) for layout in layouts])

    def store(self, key: tuple[Any, ...], reads: list[int], result: Any) -> None:
        """Stores the result of a functional op on the tensors ``reads``."""
        if UNCACHEABLE not in key:
            layout = self._get_result_layout(reads, result)
            if layout is not None:
                self._results[key] = layout

    def store_in_place(self, key: tuple[Any, ...], reads: list[int], result: Any) -> None:
        """Stores that an op wrote into the first of the tensors ``reads`` and did not change its layout."""
        if UNCACHEABLE not in key and self._tensors.index(result) == reads[0]:
            self._results[key] = IN_PLACE

    def _get_result_layout(self, reads: list[int], result: Any) -> ResultLayout | None:
        """Returns the layout of a result; None unless all of it is new memory, no larger than its tensors need."""
        kind = type(result)
        parts = (result,) if kind is Tensor else result
        if kind not in (Tensor, tuple, list):
            return None
        taken = {self._tensors.get_storage(number) for number in reads}
        layouts: list[TensorLayout | None] = []
        for part in parts:
            if part is None:
                layouts.append(None)
                continue
            if type(part) is not Tensor or not part.is_meta or part.requires_grad:
                return None
            number = self._tensors.index(part)
            layout, storage = self._tensors.get_layout(number), self._tensors.get_storage(number)
            if storage in taken or part.storage_offset() or not layout.is_plain:
                return None
            if part.untyped_storage().nbytes() != _create_tensor(layout).untyped_storage().nbytes():
                return None
            taken.add(storage)
            layouts.append(layout)
        return kind, tuple(layouts)


def value_key(value: Any) -> Any:
    """Returns the part of a key for an argument that is neither a tensor nor a container; its type precedes it."""
    return value if type(value) in _CACHEABLE_VALUES else UNCACHEABLE


def _create_tensor(layout: TensorLayout | None) -> Any:
    if layout is None:
        return None
    return torch.empty_strided(layout.shape, layout.stride, dtype=layout.dtype, device=META)
