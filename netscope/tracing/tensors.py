"""Tensors as numbers: which are the same, and which stand in a nest of containers."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from netscope.schema import RAGGED, TracedTensor
from netscope.tracing import torch_compat


class TensorTable:
    """Numbers tensors. Two are the same exactly if storage, offset, shape, stride and dtype are."""

    def __init__(self) -> None:
        self.storages = torch_compat.StorageNumbers()
        self._numbers: dict[Any, int] = {}
        self._tensors: list[tuple[Any, ...]] = []
        self._without_storage: list[Tensor] = []

    def index(self, tensor: Tensor) -> int:
        """The tensor's number."""
        has_none = tensor.is_nested or torch_compat.is_uninitialised(tensor)
        storage = None if has_none else self.storages.number(tensor)
        if storage is None:
            return self._index_of_object(tensor)
        key = (tensor.shape, tensor.dtype, storage, tensor.storage_offset(), tensor.stride())
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._tensors)
            self._tensors.append(key)
            self.storages.grow(storage, tensor)
        return number

    def _index_of_object(self, tensor: Tensor) -> int:
        """For what has no storage, such as sparse layouts: the object is the identity, so it is kept alive.

        A nested tensor has one, but sizes of its own.
        """
        number = self._numbers.get(id(tensor))
        if number is None:
            number = self._numbers[id(tensor)] = len(self._tensors)
            self._without_storage.append(tensor)
            shape = torch_compat.known_sizes(tensor)
            storage = self.storages.new(tensor.numel() * tensor.element_size() if shape else 0)
            self._tensors.append((shape, tensor.dtype, storage, 0, ()))
        return number

    def traced(self) -> tuple[TracedTensor, ...]:
        """All of them as plain data, in the order of their numbers."""
        return tuple(
            TracedTensor(
                shape=_plain(shape), dtype=dtype_name(dtype), storage=storage, offset=offset, stride=_plain(stride)
            )
            for shape, dtype, storage, offset, stride in self._tensors
        )


def _plain(sizes: Iterable[Any]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else RAGGED for size in sizes)


def dtype_name(dtype: torch.dtype) -> str:
    """``"float32"`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in a nest of lists, tuples, dicts, dataclasses and other objects, each container met once."""
    seen: set[int] = set()

    def visit(item: Any) -> Iterator[Tensor]:
        if isinstance(item, Tensor):
            yield item
            return
        if item is None or isinstance(item, (bool, int, float, str, nn.Module)) or id(item) in seen:
            return
        seen.add(id(item))
        for child in _items(item):
            yield from visit(child)

    return visit(value)


def _items(container: Any) -> tuple[Any, ...]:
    if isinstance(container, dict):
        return tuple(container.values())
    if isinstance(container, (list, tuple, set, frozenset)):
        return tuple(container)
    fields = getattr(type(container), "__dataclass_fields__", {})
    if fields:
        return tuple(getattr(container, name, None) for name in fields)
    return tuple(vars(container).values()) if hasattr(container, "__dict__") and not callable(container) else ()
