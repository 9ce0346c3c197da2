"""One module of an architecture: its figures, ops and tensors."""

from dataclasses import dataclass, field
from math import prod

from netscope.schema.figures import Figures
from netscope.schema.receptive_field import ReceptiveField
from netscope.schema.tensors import ITEM_BYTES, PlainValue, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCount:
    """The calls of an op, and their FLOPs.

    Attributes:
        op: name of the op, ``"aten.convolution"``.
        calls: number of calls.
        flops: FLOPs of all calls; None if netscope has no formula for the op.
    """

    op: str
    calls: int
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTensor:
    """A parameter or buffer of a module.

    Attributes:
        name: attribute name in the module, ``"weight"``.
        shape: shape; None for an uninitialized lazy parameter.
        dtype: ``"float32"``, …
        is_buffer: whether it is a buffer rather than a parameter.
        trainable: ``requires_grad``; False for buffers.
        persistent: whether the state dict contains it.
        shared_with: first name of the same tensor, ``"embed.weight"``; None if this is the first.
        unread: whether it is a parameter that no op read.
    """

    name: str
    shape: Shape | None
    dtype: str
    is_buffer: bool
    trainable: bool
    persistent: bool
    shared_with: str | None
    unread: bool = False

    @property
    def elements(self) -> int:
        """Number of elements; 0 if the shape is unknown."""
        return 0 if self.shape is None else prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the elements."""
        return self.elements * ITEM_BYTES.get(self.dtype, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One module of the module tree.

    Attributes:
        path: dotted path, ``""`` for the root.
        type_name: class name.
        hyperparameters: constructor arguments that the module stores. The settings of a configuration object are
            ``config.hidden_size``, …, only of the first module that has the object.
        depth: number of modules above it; 0 for the root.
        calls: number of calls of its ``forward``.
        input_shapes: input shapes of the first call, nested ones flattened.
        output_shapes: output shapes of the first call, nested ones flattened.
        own: figures of the module without its children.
        total: figures of the module with everything below it.
        is_lower_bound: whether an op without a formula ran in it or below it.
        ops: ops that it ran directly in the forward pass, outside its children.
        backward_ops: ops that the backward pass ran for ``ops``.
        notes: notes about the module, such as ``"never called"``.
        tensors: its own parameters, then its own buffers.
        reads_from: producers of the tensors that its own ops read: module paths, ``""`` for the root, ``"<x>"`` for the
            input ``x``.
        computation: fingerprints, ``"sizes-ops"``: one of the sizes that its ops read, one of what it computes from
            them itself, gives to its children and returns first; then one of each further output. Empty if it was not
            called. Equal computations have equal fingerprints on every device and in every version of torch.
        operations: how often it computes each kind of op itself, by names that do not depend on device and version
            either: ``{"matmul": 1}``.
        receptive_field: receptive field of its first output along each spatial axis of the input; empty without such
            axes, or if an op mixes positions in a way that netscope does not follow.
    """

    path: str
    type_name: str
    hyperparameters: dict[str, PlainValue]
    depth: int
    calls: int
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    own: Figures
    total: Figures
    is_lower_bound: bool
    ops: tuple[OpCount, ...]
    backward_ops: tuple[OpCount, ...]
    notes: tuple[str, ...]
    tensors: tuple[LayerTensor, ...] = ()
    reads_from: tuple[str, ...] = ()
    computation: str = ""
    operations: dict[str, int] = field(default_factory=dict)
    receptive_field: tuple[ReceptiveField, ...] = ()

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition(".")[2]
