"""The map of the weights of one architecture to another's, and how it converts a state dict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netscope.errors import UsageError
from netscope.schema.display import Displayed
from netscope.schema.summary import Architecture
from netscope.schema.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedTensor:
    """A tensor without a counterpart in the other architecture.

    Attributes:
        name: key in the state dict.
        shape: shape; None if unknown.
        reason: why it has no counterpart.
    """

    name: str
    shape: Shape | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPart:
    """A tensor of the checkpoint or a slice of it, transposed if so stated.

    Attributes:
        name: key in the state dict.
        shape: shape of the entire tensor.
        dim: dimension that is sliced.
        start: first index of the slice.
        stop: index after the slice; None for the entire tensor.
        transposed: whether the two dimensions are swapped after slicing.
    """

    name: str
    shape: Shape
    dim: int = 0
    start: int = 0
    stop: int | None = None
    transposed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is the entire tensor, as it is."""
        return self.stop is None and not self.transposed

    @property
    def formula(self) -> str:
        """The part as an expression: ``"qkv.weight[0:768]"``."""
        text = self.name
        if self.stop is not None:
            text += f"[{':, ' * self.dim}{self.start}:{self.stop}]"
        return f"{text}.T" if self.transposed else text

    def take(self, tensor: Any) -> Any:
        """Returns the part, a view of the tensor.

        Raises:
            UsageError: the tensor has another shape.
        """
        if tuple(tensor.shape) != self.shape:
            raise UsageError(f"{self.name} has shape {list(tensor.shape)}; the map expects {list(self.shape)}")
        part = tensor.detach()
        if self.stop is not None:
            part = part.narrow(self.dim, self.start, self.stop - self.start)
        return part.t() if self.transposed else part


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecipe:
    """How a tensor is made of tensors of the checkpoint: their parts are joined, then reshaped to ``shape``.

    Attributes:
        name: key of the tensor in the state dict of ``WeightsMap.after``.
        shape: its shape.
        parts: the parts, in order.
        dim: dimension in which they are joined.
    """

    name: str
    shape: Shape
    parts: tuple[TensorPart, ...]
    dim: int = 0

    @property
    def formula(self) -> str:
        """The recipe as an expression: ``"cat(q.weight, k.weight, v.weight)"``."""
        parts = ", ".join(part.formula for part in self.parts)
        if len(self.parts) > 1:
            parts = f"cat({parts}, dim={self.dim})" if self.dim else f"cat({parts})"
        is_reshaped = len(self.parts) == 1 and self.parts[0].is_whole
        return f"{parts}.reshape({', '.join(map(str, self.shape))})" if is_reshaped else parts

    def make(self, state_dict: Mapping[str, Any]) -> Any:
        """Returns the tensor as a new one, which shares no memory with the state dict's."""
        parts = [part.take(state_dict[part.name]) for part in self.parts]
        shape = list(parts[0].shape)
        shape[self.dim] = sum(part.shape[self.dim] for part in parts)
        joined, start = parts[0].new_empty(shape), 0
        for part in parts:
            length = part.shape[self.dim]
            joined.narrow(self.dim, start, length).copy_(part)
            start += length
        return joined.reshape(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WeightsMap(Displayed):
    """A map from one architecture's state dict to another's, for porting a checkpoint.

    Attributes:
        before: architecture of the checkpoint.
        after: architecture that loads the checkpoint.
        tensors: key before → key after, of tensors that are taken as they are.
        recipes: how other tensors of ``after`` are made: by a join, a slice, a transpose or a reshape.
        params: number of elements of the distinct parameters of ``after``.
        covered_params: number of these elements that the checkpoint provides.
        missing: tensors of ``after`` without a counterpart.
        unused: tensors of ``before`` without a counterpart.
    """

    before: Architecture
    after: Architecture
    tensors: dict[str, str]
    recipes: tuple[TensorRecipe, ...]
    params: int
    covered_params: int
    missing: tuple[UnmappedTensor, ...]
    unused: tuple[UnmappedTensor, ...]

    def convert(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the state dict of ``after`` that a state dict of ``before`` gives, without the ``missing`` tensors.

        The given state dict is not changed. Tensors in ``tensors`` are the given ones, those of ``recipes`` are new.

        Raises:
            UsageError: a tensor that the map needs is absent or has another shape.
        """
        needed = [*self.tensors, *(part.name for recipe in self.recipes for part in recipe.parts)]
        absent = list(dict.fromkeys(name for name in needed if name not in state_dict))
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise UsageError(
                f"the state dict has no tensor {absent[0]!r}{more}; pass a state dict of {self.before.title}"
            )
        converted = {name: state_dict[key] for key, name in self.tensors.items()}
        return converted | {recipe.name: recipe.make(state_dict) for recipe in self.recipes}
