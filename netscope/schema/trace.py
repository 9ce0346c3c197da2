"""A traced forward pass or training step as plain data: modules, their calls, ops and tensors.

Everything that netscope counts is a function of a ``Trace``; nothing here needs torch.
References to a tensor, a module or a call are positions in the trace's tuples.
"""

from dataclasses import dataclass
from typing import Any

from netscope.schema.tensors import InputSpec, PlainValue, Shape, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedTensor:
    """A view of a storage. Two tensors are the same if all attributes are equal.

    Attributes:
        shape: sizes, in elements.
        dtype: ``"float32"``, ``"int64"``, …
        storage: position in ``Trace.storage_bytes``.
        offset: offset of the first element in its storage, in elements.
        stride: strides, in elements; empty for layouts without strides.
    """

    shape: Shape
    dtype: str
    storage: int
    offset: int
    stride: tuple[int, ...]

    @property
    def spec(self) -> TensorSpec:
        """The shape and dtype."""
        return TensorSpec(shape=self.shape, dtype=self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRef:
    """A reference to a tensor in an op's arguments."""

    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedParameter:
    """A parameter or buffer of a module.

    Attributes:
        name: the attribute's name, ``"weight"``.
        tensor: position in ``Trace.tensors``; None if a lazy module does not know its shape yet.
        elements: number of elements; 0 if unknown.
        bytes: size of the elements.
        trainable: ``requires_grad``; False for buffers.
        persistent: whether it is in the state dict; parameters always are.
        wraps: positions of the inner tensors that ops read instead, if it is an instance of a wrapper class.
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
    """An entry of the module tree. A module registered under several names has an entry for each.

    Attributes:
        path: dotted, ``""`` for the root.
        type_name: the class's name.
        hyperparameters: the constructor's arguments that the module stores, as plain values; the settings of a
            configuration object as ``config.hidden_size``, … of the first module that has it.
        parent: position of the parent's entry; None for the root.
        same_as: position of the first entry of the same module object; None if this is it.
        parameters: its parameters, without its children's.
        buffers: its buffers, without its children's.
        is_recurrent: whether its ``forward`` is a recurrent layer's of torch, which runs other ops on each device.
    """

    path: str
    type_name: str
    hyperparameters: dict[str, PlainValue]
    parent: int | None
    same_as: int | None
    parameters: tuple[TracedParameter, ...]
    buffers: tuple[TracedParameter, ...]
    is_recurrent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCall:
    """One run of a module's ``forward``.

    Attributes:
        module: position in ``Trace.modules``.
        caller: position in ``Trace.calls`` of the call that was running; None for the root's.
        inputs: tensors in the arguments, flattened.
        outputs: tensors in the return value, flattened.
        ops: positions of the first op that ran within it, and after the last one.
    """

    module: int
    caller: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ops: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedOp:
    """An op as torch dispatched it.

    Attributes:
        name: ``"aten.convolution"``.
        overload: ``"default"``.
        call: position in ``Trace.calls`` of the innermost module call that ran it.
        args: positional arguments as plain values, each tensor as a ``TensorRef``.
        kwargs: keyword arguments as plain values, each tensor as a ``TensorRef``.
        reads: the tensors in the arguments.
        writes: the returned tensors, then the tensors changed in place.
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
    """A tensor that autograd saved for the backward pass.

    Attributes:
        call: position in ``Trace.calls`` of the module call that was running.
        tensor: position in ``Trace.tensors``.
    """

    call: int
    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A forward pass, or a training step: a forward and a backward pass.

    Attributes:
        modules: the module tree in order of registration, a module before its children.
        calls: the module calls in order of their start; the first is the root's.
        ops: the ops in order of execution.
        tensors: every tensor that modules, calls and ops refer to.
        storage_bytes: the size of each storage.
        first_backward_op: position in ``ops`` of the first op of the backward pass; None without a backward pass. A
            backward op belongs to the call whose forward pass it differentiates.
        saved_tensors: tensors that autograd saved for the backward pass; empty without one.
        inputs: the tensors that the root was called with.
        device: ``"meta"``, ``"cpu"`` or ``"cuda"``.
        mode: ``"eval"`` or ``"train"``.
        notes: notes about the results, such as the reason why meta could not be used.
        versions: versions of Python and torch.
    """

    modules: tuple[TracedModule, ...]
    calls: tuple[ModuleCall, ...]
    ops: tuple[TracedOp, ...]
    tensors: tuple[TracedTensor, ...]
    storage_bytes: tuple[int, ...]
    first_backward_op: int | None
    saved_tensors: tuple[SavedTensor, ...]
    inputs: tuple[InputSpec, ...]
    device: str
    mode: str
    notes: tuple[str, ...]
    versions: dict[str, str]
