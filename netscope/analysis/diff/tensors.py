"""The tensors of a state dict with their layers, and how one is made of another."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from netscope.analysis.diff.layers import LayerTree
from netscope.analysis.diff.roles import Role, find_role
from netscope.schema import LayerRow, LayerTensor, Shape, TensorPart, TensorRecipe

MATRIX = 2
"""The number of dimensions of a matrix."""

_ROLE_OF_PARAMETER = re.compile(r"(in_proj|[qkv]_proj)_(weight|bias)")
"""The parameters of ``nn.MultiheadAttention`` that are layers in other classes."""

_SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(("class_token", "class_embedding"), "cls_token"),
    **dict.fromkeys(("pos_embedding", "position_embeddings", "positional_embedding"), "pos_embed"),
}
"""Names of the same parameters in different vision transformers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTensor:
    """A tensor of a state dict with its layer.

    Attributes:
        row: the module that has it.
        position: position of the module's row.
        tensor: the tensor.
        scope: position of the module of which it is a part: its layer's parent, or an ``nn.MultiheadAttention``.
        role: the parts that its layer computes; empty if unknown.
        name: its name in its layer, ``"weight"`` also for ``in_proj_weight``.
    """

    row: LayerRow
    position: int
    tensor: LayerTensor
    scope: int
    role: Role
    name: str

    @property
    def key(self) -> str:
        """Key in the state dict."""
        return f"{self.row.path}.{self.tensor.name}" if self.row.path else self.tensor.name

    @property
    def shape(self) -> Shape:
        """Its shape; empty if unknown."""
        return self.tensor.shape or ()

    @property
    def common_name(self) -> str:
        """Its name, or the usual one where vision transformers have several."""
        return _SYNONYMS.get(self.name, self.name)

    @property
    def output_dim(self) -> int | None:
        """The dimension of a weight that counts the outputs; None if neither the class nor the sizes tell."""
        if len(self.shape) != MATRIX:
            return 0
        keys = self.row.hyperparameters.keys()
        if {"nf", "nx"} <= keys:
            return 1
        if {"in_features", "out_features"} <= keys or self.name != self.tensor.name:
            return 0
        sides = (self.row.output_shapes[:1], self.row.input_shapes[:1])
        outputs, inputs = (shapes[0][-1] if shapes and shapes[0] else 0 for shapes in sides)
        if inputs == outputs or set(self.shape) != {inputs, outputs}:
            return None
        return self.shape.index(outputs)


def list_state(tree: LayerTree) -> list[StateTensor]:
    """Returns the tensors of the state dict, in its order."""
    found: list[StateTensor] = []
    for position, row in enumerate(tree.rows):
        for tensor in row.tensors:
            if not tensor.persistent:
                continue
            parameter = _ROLE_OF_PARAMETER.fullmatch(tensor.name)
            fused = "c_attn" if {"nf", "nx"} <= row.hyperparameters.keys() and row.name == "c_attn" else ""
            found.append(
                StateTensor(
                    row=row,
                    position=position,
                    tensor=tensor,
                    scope=position if parameter else tree.parents[position] or 0,
                    role=find_role(parameter[1] if parameter else "qkv" if fused else row.name),
                    name=parameter[2] if parameter else tensor.name,
                )
            )
    return found


def make_copy(source: StateTensor, target: StateTensor, sources: LayerTree, targets: LayerTree) -> TensorRecipe | None:
    """Returns the recipe that makes one tensor of another with all its values; None if none is certain.

    A matrix is transposed if its layers keep inputs and outputs in another order, such as transformers' ``Conv1D`` and
    ``nn.Linear``. A shape may differ by outer dimensions of size 1, or be that of a convolution for flattened patches.
    """
    if source.tensor.shape is None or target.tensor.shape is None or source.tensor.is_buffer != target.tensor.is_buffer:
        return None
    if {source.name, target.name} == {"weight", "bias"}:
        return None
    part = TensorPart(name=source.key, shape=source.shape)
    recipe = TensorRecipe(name=target.key, shape=target.shape, parts=(part,))
    if len(source.shape) == len(target.shape) == MATRIX and source.row.type_name != target.row.type_name:
        dims = source.output_dim, target.output_dim
        if dims in ((0, 1), (1, 0)):
            part = TensorPart(name=source.key, shape=source.shape, transposed=True)
            turned = TensorRecipe(name=target.key, shape=target.shape, parts=(part,))
            return turned if source.shape == target.shape[::-1] else None
        if (dims[0] is None) != (dims[1] is None) and source.shape[0] == source.shape[1]:
            return None
    is_padded = len(source.shape) != len(target.shape) and _strip(source.shape) == _strip(target.shape)
    if source.shape == target.shape or is_padded:
        return recipe
    flattens = _is_flattened(source, target, targets) or _is_flattened(target, source, sources)
    return recipe if flattens else None


def is_plain(recipe: TensorRecipe) -> bool:
    """Whether a recipe takes a tensor as it is."""
    (part, *others) = recipe.parts
    return not others and part.is_whole and part.shape == recipe.shape


def _strip(shape: Shape) -> Shape:
    """Returns the shape without the dimensions of size 1 at its beginning and end."""
    others = [at for at, size in enumerate(shape) if size != 1]
    return shape[others[0] : others[-1] + 1] if others else ()


def _is_flattened(convolution: StateTensor, linear: StateTensor, tree: LayerTree) -> bool:
    """Whether a linear layer reads patches, flattened as the weight of a convolution is."""
    filters, *patch = convolution.shape
    if len(patch) < MATRIX or linear.shape != (filters, prod(patch)):
        return False
    rows = {row.path: row for row in tree.rows}
    return any(_flattens(rows[path], tuple(patch)) for path in linear.row.reads_from if path in rows)


def _flattens(row: LayerRow, patch: Shape) -> bool:
    """Whether a module flattens patches of this shape, channels first."""
    if row.type_name == "Flatten":
        return bool(row.input_shapes) and row.input_shapes[0][1:] == patch
    size = row.hyperparameters.get("kernel_size")
    sizes = size if isinstance(size, tuple) else (size,) * (len(patch) - 1)
    return row.type_name == "Unfold" and sizes == patch[1:] and row.output_shapes[0][1] == prod(patch)
