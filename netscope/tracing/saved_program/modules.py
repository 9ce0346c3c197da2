"""A saved program as a tree of modules, whose ``forward`` runs the ops of each call in the file."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, nn

from netscope.errors import BuildError, InputError, NetscopeError, describe_error
from netscope.schema import PlainValue
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.schema.program import ProgramTensor, SavedProgram, TensorMeta
from netscope.tracing.saved_program.calls import ProgramCall, Scope, Step, build_calls
from netscope.tracing.saved_program.layers import infer_hyperparameters
from netscope.tracing.saved_program.ops import ProgramRun
from netscope.tracing.saved_program.values import DTYPES, DynamicSizes, get_dtype

UNKNOWN_TYPE = "Module"
"""Type name of a module in which no op ran: the file does not have its class."""


class ProgramModule(nn.Module):
    """A module of a saved program.

    Attributes:
        original_name: name of its original class.
        exported_hyperparameters: hyperparameters that follow from its op.
        program_state: the state that all modules of the program share.
    """

    def __init__(self) -> None:
        super().__init__()
        self.original_name = UNKNOWN_TYPE
        self.exported_hyperparameters: dict[str, PlainValue] = {}
        self.program_state: _ProgramState | None = None

    def forward(self, *_given: Any) -> Any:
        """Runs the ops of the program's current call."""
        return self.program_state.run_call() if self.program_state is not None else None


class _ProgramState:
    """The state that the modules of one program share: its calls, and the current run."""

    def __init__(
        self,
        program: SavedProgram,
        scope: Scope,
        root: ProgramCall,
        modules: Mapping[str, ProgramModule],
        weights: Mapping[str, Tensor],
    ) -> None:
        self._program = program
        self._scope = scope
        self._root = root
        self._modules = modules
        self._weights = weights
        self._running: list[ProgramCall] = []
        self._run = ProgramRun(program.graph, DynamicSizes(program.ranges))

    def start(self, *inputs: Any) -> Any:
        """Runs the program on these inputs."""
        sizes = DynamicSizes(self._program.ranges)
        self._run = ProgramRun(self._program.graph, sizes)
        self._run.tensors.update(self._weights)
        for name, value in zip(self._program.inputs, inputs, strict=True):
            _check_input(name, value, self._program.graph.tensor_values.get(name), sizes)
            self._run.tensors[name] = value
        self._running = [self._root]
        self.run_call()
        names = [name for item in self._program.graph.outputs for name in item.names()]
        return tuple(self._run.get_tensor(name, self._scope) for name in names)

    def run_call(self) -> Any:
        """Runs the ops of the next call, and the calls in it."""
        call = self._running.pop()
        for part in call.parts:
            if isinstance(part, Step):
                self._run.run_step(part)
            else:
                self._running.append(part)
                self._modules[part.path](*self._get_values(part.inputs))
        # A cast to the same dtype only gives a tensor another name in the file. It is not a result of the call.
        inputs = set(map(id, self._get_values(call.inputs)))
        results = self._get_values(call.outputs)
        created = tuple(result for result in results if id(result) not in inputs) or results
        return created[0] if len(created) == 1 else created

    def _get_values(self, names: Sequence[str]) -> tuple[Any, ...]:
        return tuple(self._run.tensors[name] for name in names if name in self._run.tensors)


def build_program_module(program: SavedProgram) -> nn.Module:
    """Returns the program's root module, on meta.

    Raises:
        BuildError: the file is inconsistent.
    """
    try:
        return _build_program_module(program)
    except NetscopeError:
        raise
    except Exception as error:  # a file that no export wrote may cause any exception
        raise BuildError(f"the saved program is inconsistent: {describe_error(error)}") from error


def _build_program_module(program: SavedProgram) -> nn.Module:
    scope = Scope(program.graph)
    root = build_calls(scope, frozenset(program.modules), {item.placeholder or "" for item in program.tensors})
    calls = list(root.calls())
    modules = _create_tree([*program.modules, *(call.path for call in calls)], program.tensors)
    tensors = dict(_create_tensors(program.tensors))
    for item in program.tensors:
        _register(modules, item, tensors[item.name])
    weights = {item.placeholder: tensors[item.name] for item in program.tensors if item.placeholder is not None}
    state = _ProgramState(program, scope, root, modules, weights)
    for module in modules.values():
        module.program_state = state
    for call in calls:
        modules[call.path].original_name = call.type_name.rpartition(".")[2] or UNKNOWN_TYPE
        modules[call.path].exported_hyperparameters = infer_hyperparameters(call, weights)
    _set_forward(modules[""], state, program.inputs)
    return modules[""]


def get_program_inputs(program: SavedProgram) -> ForwardInputs:
    """Returns the inputs that the program was exported with."""
    sizes = DynamicSizes({})
    graph = program.graph
    inputs: list[Any] = []
    for name in program.inputs:
        meta = graph.tensor_values.get(name)
        if meta is not None:
            shape = tuple(sizes.get(size) for size in meta.sizes)
            inputs.append(TensorRequest(shape=shape, dtype=DTYPES.get(meta.dtype)))
        else:
            known = graph.sym_int_values.get(name) or graph.sym_float_values.get(name) or graph.sym_bool_values[name]
            inputs.append(sizes.get(known))
    return ForwardInputs(args=tuple(inputs), kwargs={})


def _create_tree(paths: Sequence[str], tensors: Sequence[ProgramTensor]) -> dict[str, ProgramModule]:
    """Returns a module for each path and for its parents."""
    modules = {"": ProgramModule()}
    owners = [item.name.rpartition(".")[0] for item in tensors if item.kind != "constant"]
    for path in (*paths, *owners):
        parts = path.split(".") if path else []
        for depth, name in enumerate(parts):
            above, here = ".".join(parts[:depth]), ".".join(parts[: depth + 1])
            if here not in modules:
                modules[here] = modules[above]._modules.setdefault(name, ProgramModule())  # type: ignore[assignment]
    return modules


def _create_tensors(tensors: Sequence[ProgramTensor]) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors with their names. Shared storages stay shared, and equal views are one tensor."""
    known: dict[Any, Tensor] = {}
    storages: dict[str, torch.UntypedStorage] = {}
    for item in sorted(tensors, key=_get_storage_bytes, reverse=True):
        sizes, strides, offset = _get_layout(item.meta)
        key = (item.storage, sizes, strides, offset, item.meta.dtype, item.kind)
        if key not in known:
            storage = storages.setdefault(item.storage, torch.UntypedStorage(_get_storage_bytes(item), device="meta"))
            tensor = torch.empty(0, dtype=get_dtype(item.meta.dtype), device="meta")
            known[key] = tensor.set_(storage, offset, sizes, strides)
            if item.kind == "parameter":
                trainable = item.meta.requires_grad and (tensor.is_floating_point() or tensor.is_complex())
                known[key] = nn.Parameter(known[key], requires_grad=trainable)
        yield item.name, known[key]


def _get_layout(meta: TensorMeta) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Returns sizes, strides and offset, which are always plain numbers for weights."""
    sizes = DynamicSizes({})
    return (
        tuple(sizes.get(size) for size in meta.sizes),
        tuple(sizes.get(size) for size in meta.strides),
        sizes.get(meta.storage_offset),
    )


def _get_storage_bytes(item: ProgramTensor) -> int:
    """Returns the bytes of the storage up to the tensor's last element."""
    sizes, strides, offset = _get_layout(item.meta)
    reach = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1 if all(sizes) else 0
    return (offset + reach) * get_dtype(item.meta.dtype).itemsize


def _register(modules: Mapping[str, ProgramModule], item: ProgramTensor, tensor: Tensor) -> None:
    owner, _, name = item.name.rpartition(".")
    if item.kind == "parameter":
        modules[owner]._parameters[name] = tensor  # type: ignore[assignment]  # created as a parameter
    elif item.kind == "buffer":
        modules[owner]._buffers[name] = tensor
        if not item.persistent:
            modules[owner]._non_persistent_buffers_set.add(name)


def _set_forward(root: ProgramModule, state: _ProgramState, names: Sequence[str]) -> None:
    """Sets the root's ``forward``, with the program's inputs as parameters."""
    if len(set(names)) < len(names) or not all(name.isidentifier() and not iskeyword(name) for name in names):
        raise BuildError("the saved program has inputs whose names are not Python identifiers")

    def forward(*args: Any, **kwargs: Any) -> Any:
        return state.start(*signature.bind(*args, **kwargs).args)

    signature = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])
    forward.__signature__ = signature  # type: ignore[attr-defined]  # inspect looks here first
    vars(root)["forward"] = forward


def _check_input(name: str, value: Any, meta: TensorMeta | None, sizes: DynamicSizes) -> None:
    """Checks that the program was exported for an input.

    Raises:
        InputError: the input has another dtype or number of dimensions, or a size outside the exported range.
    """
    if meta is None:
        return
    dtype = get_dtype(meta.dtype)
    if not isinstance(value, Tensor) or value.dtype != dtype or value.dim() != len(meta.sizes):
        got = f"a {value.dim()}-dimensional {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"{name} must be a {len(meta.sizes)}-dimensional {dtype}, as exported, got {got}")
    for axis, size in enumerate(meta.sizes):
        sizes.assign(size, value.shape[axis], f"size {axis} of {name}")
