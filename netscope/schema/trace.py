"""What one forward pass did, as plain data: modules, their calls, the ops, and the tensors between them.

Everything that netscope counts is a function of a ``Trace``; nothing here needs torch.
Cross references are positions in the trace's tuples: a tensor, a module, a call.
"""

from dataclasses import dataclass
from typing import Any

from netscope.schema.tensors import InputSpec, PlainValue, Shape, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedTensor:
    """One view of one storage. Two tensors are the same exactly if all of this is the same.

    Attributes:
        shape: sizes, in elements.
        dtype: ``"float32"``, ``"int64"``, …
        storage: position in ``Trace.storage_bytes``.
        offset: of the first element in its storage, in elements.
        stride: in elements; empty for layouts without strides.
    """

    shape: Shape
    dtype: str
    storage: int
    offset: int
    stride: tuple[int, ...]

    @property
    def spec(self) -> TensorSpec:
        """Shape and dtype alone."""
        return TensorSpec(shape=self.shape, dtype=self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRef:
    """Stands for a tensor among an op's arguments."""

    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedParameter:
    """A parameter or buffer under the name that its module gives it.

    Attributes:
        name: the attribute's name, ``"weight"``.
        tensor: position in ``Trace.tensors``; None while a lazy module has not learnt its shape.
        elements: how many, 0 while unknown.
        bytes: of those elements.
        trainable: ``requires_grad``; False for buffers.
        persistent: whether the state dict has it; parameters always are.
        wraps: positions of the tensors that it holds and that ops read in its place, if it is of a class of its own.
    """

    name: str
    tensor: int | None
    elements: int
    bytes: int
    trainable: bool
    persistent: bool = True
    wraps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedModule:
    """One place in the module tree. A module registered under several names has a place for each.

    Attributes:
        path: dotted, ``""`` for the root.
        type_name: the class's name.
        hyperparameters: the constructor's arguments that the module kept, as plain values.
        parent: position of the enclosing place, None for the root.
        same_as: position of the first place of the same module object, None if this is it.
        parameters: its own, without its children's.
        buffers: likewise.
    """

    path: str
    type_name: str
    hyperparameters: dict[str, PlainValue]
    parent: int | None
    same_as: int | None
    parameters: tuple[TracedParameter, ...]
    buffers: tuple[TracedParameter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCall:
    """One run of a module's ``forward``.

    Attributes:
        module: position in ``Trace.modules``.
        caller: position in ``Trace.calls`` of the call that was running, None for the root's.
        inputs: tensors among the arguments, nested ones flattened.
        outputs: tensors among what it returned, nested ones flattened.
        ops: first and one past the last op that ran within it.
    """

    module: int
    caller: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ops: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedOp:
    """One op as torch dispatched it.

    Attributes:
        name: ``"aten.convolution"``.
        overload: ``"default"``.
        call: position in ``Trace.calls`` of the innermost module call that ran it.
        args: positional arguments as plain values, each tensor a ``TensorRef``.
        kwargs: keyword arguments likewise.
        reads: the tensors among the arguments.
        writes: the tensors it returned, then those it changed in place.
    """

    name: str
    overload: str
    call: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTensor:
    """A tensor that autograd kept for the backward pass.

    Attributes:
        call: position in ``Trace.calls`` of the module call that was running.
        tensor: position in ``Trace.tensors``.
    """

    call: int
    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One forward pass, or one step of training: a forward and a backward pass.

    Attributes:
        modules: the tree in order of registration, a module before its children.
        calls: in order of their start; the first is the root's.
        ops: in order of execution.
        tensors: every tensor that any of them names.
        storage_bytes: the size of each storage.
        first_backward_op: position in ``ops`` of the first one of the backward pass; None without one. A backward
            op's call is the one whose forward pass it differentiates.
        kept: what autograd kept in between; empty without a backward pass.
        inputs: what the root was called with.
        device: ``"meta"``, ``"cpu"`` or ``"cuda"``.
        mode: ``"eval"`` or ``"train"``.
        notes: what a reader of the figures should know, such as why meta could not be used.
        versions: of the packages that took part.
    """

    modules: tuple[TracedModule, ...]
    calls: tuple[ModuleCall, ...]
    ops: tuple[TracedOp, ...]
    tensors: tuple[TracedTensor, ...]
    storage_bytes: tuple[int, ...]
    first_backward_op: int | None
    kept: tuple[SavedTensor, ...]
    inputs: tuple[InputSpec, ...]
    device: str
    mode: str
    notes: tuple[str, ...]
    versions: dict[str, str]
