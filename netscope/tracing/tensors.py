"""Tensors as numbers: which are the same, and which stand in a nest of containers."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from netscope.schema import RAGGED, TensorRef, TracedTensor
from netscope.tracing import torch_compat

_INTEGERS = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


class TensorLayout:
    """Sizes, strides and dtype. Equal ones are one object, so that it is compared and hashed by identity.

    ``is_plain`` unless there is more to tensors with them: a scalar may be a number that does not decide the dtype of
    a sum, and complex ones may be conjugates that are still to be worked out.
    """

    __slots__ = ("dtype", "is_plain", "plain_shape", "plain_stride", "shape", "stride")

    def __init__(self, shape: Any, dtype: torch.dtype, stride: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.stride = stride
        self.plain_shape = _plain(shape)
        self.plain_stride = _plain(stride)
        has_strides = len(self.plain_stride) == len(self.plain_shape) > 0
        self.is_plain = has_strides and (dtype.is_floating_point or dtype in _INTEGERS)


class TensorTable:
    """Numbers tensors. Two are the same exactly if storage, offset, shape, stride and dtype are."""

    def __init__(self) -> None:
        self.storages = torch_compat.StorageTable()
        self._numbers: dict[Any, int] = {}
        self._layouts: dict[Any, TensorLayout] = {}
        self._tensors: list[tuple[TensorLayout, int, Any]] = []
        self.refs: list[TensorRef] = []
        self._without_storage: list[Tensor] = []
        self._unpacked: dict[int, tuple[Any, Any]] = {}

    def index(self, tensor: Tensor) -> int:
        """The tensor's number."""
        has_none = tensor.is_nested or torch_compat.is_uninitialised(tensor)
        storage = None if has_none else self.storages.number(tensor)
        if storage is None:
            return self._index_of_object(tensor)
        key = (self._layout(tensor.shape, tensor.dtype, tensor.stride()), storage, tensor.storage_offset())
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._tensors)
            self._tensors.append(key)
            self.refs.append(TensorRef(tensor=number))
            self.storages.grow(storage, tensor)
        return number

    def unpacked(self, value: Any) -> Any:
        """The tensors inside a quantised layer's packed parameters, the same ones each time; None for another object.

        torch hands such an object on as a new one each time, whose hash is what they have in common.
        """
        if not isinstance(value, torch.ScriptObject):
            return None
        if hash(value) not in self._unpacked:
            self._unpacked[hash(value)] = (value, torch_compat.packed_tensors(value))
        return self._unpacked[hash(value)][1]

    def layout_of(self, number: int) -> TensorLayout:
        """The layout of the tensor of this number."""
        return self._tensors[number][0]

    def storage_of(self, number: int) -> int:
        """The number of its storage."""
        return self._tensors[number][1]

    def _layout(self, shape: Any, dtype: torch.dtype, stride: Any) -> TensorLayout:
        key = (shape, dtype, stride)
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = TensorLayout(*key)
        return layout

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
            self._tensors.append((TensorLayout(shape, tensor.dtype, ()), storage, 0))
            self.refs.append(TensorRef(tensor=number))
        return number

    def traced(self) -> tuple[TracedTensor, ...]:
        """All of them as plain data, in the order of their numbers."""
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


def _plain(sizes: Iterable[Any]) -> tuple[int, ...]:
    return tuple([size if isinstance(size, int) else RAGGED for size in sizes])


def dtype_name(dtype: torch.dtype) -> str:
    """``"float32"`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in a nest of lists, tuples, dicts, dataclasses and other objects, each container met once."""
    found: list[Tensor] = []
    _collect(value, found, set())
    return found


def _collect(item: Any, found: list[Tensor], seen: set[int]) -> None:
    if isinstance(item, Tensor):
        found.append(item)
    elif not (item is None or isinstance(item, (bool, int, float, str, nn.Module)) or id(item) in seen):
        seen.add(id(item))
        for child in _items(item):
            _collect(child, found, seen)


def _items(container: Any) -> tuple[Any, ...]:
    if isinstance(container, dict):
        return tuple(container.values())
    if isinstance(container, (list, tuple, set, frozenset)):
        return tuple(container)
    fields = getattr(type(container), "__dataclass_fields__", {})
    if fields:
        return tuple(getattr(container, name, None) for name in fields)
    return tuple(vars(container).values()) if hasattr(container, "__dict__") and not callable(container) else ()
