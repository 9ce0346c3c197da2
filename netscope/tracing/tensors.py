"""Tensors as numbers: the identity of tensors, and the tensors in nested containers."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from netscope.schema import RAGGED, TensorRef, TracedTensor
from netscope.tracing import torch_compat

_INTEGERS = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


class TensorLayout:
    """Sizes, strides and dtype. Equal layouts are one object, so they are compared and hashed by identity.

    ``is_plain`` is False if a tensor has further properties: a scalar may be a wrapped number, which does not decide
    the dtype of a sum, and a complex tensor may be a lazy conjugate.
    """

    __slots__ = ("dtype", "is_plain", "plain_shape", "plain_stride", "shape", "stride")

    def __init__(self, shape: Any, dtype: torch.dtype, stride: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.stride = stride
        self.plain_shape = _to_plain_sizes(shape)
        self.plain_stride = _to_plain_sizes(stride)
        has_strides = len(self.plain_stride) == len(self.plain_shape) > 0
        self.is_plain = has_strides and (dtype.is_floating_point or dtype in _INTEGERS)


class TensorTable:
    """Numbers tensors. Two tensors are the same if storage, offset, shape, stride and dtype are equal.

    Attributes:
        storages: the storages of all tensors.
        refs: the reference to each tensor.
    """

    def __init__(self) -> None:
        self.storages = torch_compat.StorageTable()
        self.refs: list[TensorRef] = []
        self._numbers: dict[Any, int] = {}
        self._layouts: dict[Any, TensorLayout] = {}
        self._tensors: list[tuple[TensorLayout, int, Any]] = []
        self._without_storage: list[Tensor] = []
        self._unpacked: dict[int, tuple[Any, Any]] = {}

    def index(self, tensor: Tensor) -> int:
        """Returns the tensor's number."""
        has_none = tensor.is_nested or torch_compat.is_uninitialized(tensor)
        storage = None if has_none else self.storages.index(tensor)
        if storage is None:
            return self._index_by_object(tensor)
        key = (self._get_shared_layout(tensor.shape, tensor.dtype, tensor.stride()), storage, tensor.storage_offset())
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._tensors)
            self._tensors.append(key)
            self.refs.append(TensorRef(tensor=number))
            self.storages.update_size(storage, tensor)
        return number

    def unpack(self, value: Any) -> Any:
        """Returns the tensors in a quantized layer's packed parameters, always the same ones; None for other objects.

        torch returns a new object for the same parameters each time, but always with the same hash.
        """
        if not isinstance(value, torch.ScriptObject):
            return None
        if hash(value) not in self._unpacked:
            self._unpacked[hash(value)] = (value, torch_compat.unpack_tensors(value))
        return self._unpacked[hash(value)][1]

    def get_layout(self, number: int) -> TensorLayout:
        """Returns the layout of the tensor with this number."""
        return self._tensors[number][0]

    def get_storage(self, number: int) -> int:
        """Returns the storage's number for the tensor with this number."""
        return self._tensors[number][1]

    def _get_shared_layout(self, shape: Any, dtype: torch.dtype, stride: Any) -> TensorLayout:
        key = (shape, dtype, stride)
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = TensorLayout(*key)
        return layout

    def _index_by_object(self, tensor: Tensor) -> int:
        """Numbers a tensor without a storage, such as a sparse one: the object is its identity, so it is kept alive.

        A nested tensor has a storage, but ragged sizes.
        """
        number = self._numbers.get(id(tensor))
        if number is None:
            number = self._numbers[id(tensor)] = len(self._tensors)
            self._without_storage.append(tensor)
            shape = torch_compat.get_known_sizes(tensor)
            storage = self.storages.add(tensor.numel() * tensor.element_size() if shape else 0)
            self._tensors.append((TensorLayout(shape, tensor.dtype, ()), storage, 0))
            self.refs.append(TensorRef(tensor=number))
        return number

    def export(self) -> tuple[TracedTensor, ...]:
        """Returns all tensors as plain data, in the order of their numbers."""
        names = {layout.dtype: dtype_name(layout.dtype) for layout, _, _ in self._tensors}
        return tuple(
            [
                TracedTensor(
                    shape=layout.plain_shape,
                    dtype=names[layout.dtype],
                    storage=storage,
                    offset=offset,
                    stride=layout.plain_stride,
                )
                for layout, storage, offset in self._tensors
            ]
        )


def _to_plain_sizes(sizes: Iterable[Any]) -> tuple[int, ...]:
    return tuple([size if isinstance(size, int) else RAGGED for size in sizes])


def dtype_name(dtype: torch.dtype) -> str:
    """Returns ``"float32"`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def find_tensors(value: Any) -> list[Tensor]:
    """Returns the tensors in nested lists, tuples, dicts, dataclasses and other objects; each container counts once."""
    found: list[Tensor] = []
    _collect(value, found, set())
    return found


def _collect(item: Any, found: list[Tensor], seen: set[int]) -> None:
    if isinstance(item, Tensor):
        found.append(item)
    elif not (item is None or isinstance(item, (bool, int, float, str, nn.Module)) or id(item) in seen):
        seen.add(id(item))
        for child in _get_items(item):
            _collect(child, found, seen)


def _get_items(container: Any) -> tuple[Any, ...]:
    if isinstance(container, dict):
        return tuple(container.values())
    if isinstance(container, (list, tuple, set, frozenset)):
        return tuple(container)
    fields = getattr(type(container), "__dataclass_fields__", {})
    if fields:
        return tuple(getattr(container, name, None) for name in fields)
    return tuple(vars(container).values()) if hasattr(container, "__dict__") and not callable(container) else ()
