"""Results of ops on meta, made again instead of worked out again.

There a result is its sizes, strides and dtype alone, and torch works these out in Python, in up to a quarter of a
millisecond an op. Networks repeat their layers; so an op that is given the same sizes again is not run again.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from netscope.tracing.tensors import TensorLayout, TensorTable

META = torch.device("meta")

UNREPEATABLE = object()
"""Stands in a key for an argument on which a result may depend by more than what a key tells."""

_KINDS = frozenset({Tensor, nn.Parameter})
_VALUES = frozenset({bool, int, float, str, torch.dtype, torch.device, torch.layout, torch.memory_format})

Recipe = tuple[type, tuple[TensorLayout | None, ...]]
"""What was returned, ``Tensor``, ``tuple`` or ``list``, and the layouts of the tensors; None stands for None."""

IN_PLACE: Recipe = (object, ())
"""It was the first argument, which kept its layout."""


class OpCache:
    """What ops returned, by what they were given.

    A key holds all that the sizes of a result may depend on if the op is functional, or writes into its first argument
    alone: the op, the layouts of the tensors, all other arguments with their types (``x + 1`` and ``x + 1.0`` differ),
    and the default dtype.
    """

    def __init__(self, tensors: TensorTable) -> None:
        self._tensors = tensors
        self._recipes: dict[Hashable, Recipe] = {}

    def part_of_key(self, tensor: Tensor, number: int) -> Any:
        """What stands for a tensor of this number in a key."""
        layout = self._tensors.layout_of(number)
        is_plain = layout.is_plain and type(tensor) in _KINDS and tensor.is_meta
        return layout if is_plain else UNREPEATABLE

    def lookup(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
        """What the op returns, in new tensors like those that it returned before; None if that is not known."""
        recipe = self._recipes.get(key)
        if recipe is None:
            return None
        if recipe is IN_PLACE:
            return args[0]
        kind, layouts = recipe
        if kind is Tensor:
            return _like(layouts[0])
        return kind([_like(layout) for layout in layouts])

    def learn(self, key: tuple[Any, ...], reads: list[int], result: Any) -> None:
        """Takes down what a functional op returned for the tensors ``reads``."""
        if UNREPEATABLE not in key:
            recipe = self._recipe(reads, result)
            if recipe is not None:
                self._recipes[key] = recipe

    def learn_in_place(self, key: tuple[Any, ...], reads: list[int], result: Any) -> None:
        """Takes down that an op wrote into the first of the tensors ``reads`` and left its layout alone."""
        if UNREPEATABLE not in key and self._tensors.index(result) == reads[0]:
            self._recipes[key] = IN_PLACE

    def _recipe(self, reads: list[int], result: Any) -> Recipe | None:
        """How to make the result again; None unless it is all new memory, just as large as its tensors need."""
        kind = type(result)
        parts = (result,) if kind is Tensor else result
        if kind not in (Tensor, tuple, list):
            return None
        taken = {self._tensors.storage_of(number) for number in reads}
        layouts: list[TensorLayout | None] = []
        for part in parts:
            if part is None:
                layouts.append(None)
                continue
            if type(part) is not Tensor or not part.is_meta or part.requires_grad:
                return None
            number = self._tensors.index(part)
            layout, storage = self._tensors.layout_of(number), self._tensors.storage_of(number)
            if storage in taken or part.storage_offset() or not layout.is_plain:
                return None
            if part.untyped_storage().nbytes() != _like(layout).untyped_storage().nbytes():
                return None
            taken.add(storage)
            layouts.append(layout)
        return kind, tuple(layouts)


def part_of_key(value: Any) -> Any:
    """What stands in a key for an argument that is neither a tensor nor a container, behind its type."""
    return value if type(value) in _VALUES else UNREPEATABLE


def _like(layout: TensorLayout | None) -> Any:
    if layout is None:
        return None
    return torch.empty_strided(layout.shape, layout.stride, dtype=layout.dtype, device=META)
