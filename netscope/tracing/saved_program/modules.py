"""A saved program as a tree of modules, whose ``forward`` runs the ops that the file has for each call."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, nn

from netscope.errors import BuildError, InputError, NetscopeError, described
from netscope.schema import PlainValue
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.schema.program import ProgramTensor, SavedProgram, TensorMeta
from netscope.tracing.saved_program.calls import ProgramCall, Scope, Step, calls_of
from netscope.tracing.saved_program.layers import layer_hyperparameters
from netscope.tracing.saved_program.ops import ProgramRun
from netscope.tracing.saved_program.values import DTYPES, OpenSizes, dtype_of

UNKNOWN_TYPE = "Module"
"""Of a module in which no op ran: the file does not name its class."""


class ProgramModule(nn.Module):
    """A module of a saved program.

    Attributes:
        original_name: the class that it had.
        exported_hyperparameters: of the layer that it was, as far as its op tells them.
        body: of the run that it takes part in.
    """

    def __init__(self) -> None:
        super().__init__()
        self.original_name = UNKNOWN_TYPE
        self.exported_hyperparameters: dict[str, PlainValue] = {}
        self.body: _ProgramState | None = None

    def forward(self, *_given: Any) -> Any:
        """Runs the ops of the call that the program is at."""
        return self.body.run_call() if self.body is not None else None


class _ProgramState:
    """What the modules of one program have in common: its calls, and the run that is going on."""

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
        self._run = ProgramRun(program.graph, OpenSizes(program.ranges))

    def start(self, *given: Any) -> Any:
        """Runs the whole program on these inputs."""
        sizes = OpenSizes(self._program.ranges)
        self._run = ProgramRun(self._program.graph, sizes)
        self._run.tensors.update(self._weights)
        for name, value in zip(self._program.inputs, given, strict=True):
            _check_input(name, value, self._program.graph.tensor_values.get(name), sizes)
            self._run.tensors[name] = value
        self._running = [self._root]
        self.run_call()
        names = [name for item in self._program.graph.outputs for name in item.names()]
        return tuple(self._run.tensor(name, self._scope) for name in names)

    def run_call(self) -> Any:
        """Runs the ops of the call that is next, and the calls in it."""
        call = self._running.pop()
        for part in call.parts:
            if isinstance(part, Step):
                self._run.step(part)
            else:
                self._running.append(part)
                self._modules[part.path](*self._values(part.inputs))
        # A cast to the dtype that it has gives a tensor another name in the file and is no result of the call.
        given = set(map(id, self._values(call.inputs)))
        results = self._values(call.outputs)
        made = tuple(result for result in results if id(result) not in given) or results
        return made[0] if len(made) == 1 else made

    def _values(self, names: Sequence[str]) -> tuple[Any, ...]:
        return tuple(self._run.tensors[name] for name in names if name in self._run.tensors)


def build_program_module(program: SavedProgram) -> nn.Module:
    """The program's modules on meta.

    Raises:
        BuildError: the program contradicts itself.
    """
    try:
        return _program_module(program)
    except NetscopeError:
        raise
    except Exception as error:  # whatever a file may say that no export does
        raise BuildError(f"the saved program contradicts itself: {described(error)}") from error


def _program_module(program: SavedProgram) -> nn.Module:
    scope = Scope(program.graph)
    root = calls_of(scope, frozenset(program.modules), {item.placeholder or "" for item in program.tensors})
    calls = list(root.calls())
    modules = _tree([*program.modules, *(call.path for call in calls)], program.tensors)
    tensors = dict(_made(program.tensors))
    for item in program.tensors:
        _register(modules, item, tensors[item.name])
    weights = {item.placeholder: tensors[item.name] for item in program.tensors if item.placeholder is not None}
    body = _ProgramState(program, scope, root, modules, weights)
    for module in modules.values():
        module.body = body
    for call in calls:
        modules[call.path].original_name = call.type_name.rpartition(".")[2] or UNKNOWN_TYPE
        modules[call.path].exported_hyperparameters = layer_hyperparameters(call, weights)
    _take_inputs(modules[""], body, program.inputs)
    return modules[""]


def get_program_inputs(program: SavedProgram) -> ForwardInputs:
    """What the program was exported with."""
    sizes = OpenSizes({})
    graph = program.graph
    given: list[Any] = []
    for name in program.inputs:
        meta = graph.tensor_values.get(name)
        if meta is not None:
            shape = tuple(sizes.of(size) for size in meta.sizes)
            given.append(TensorRequest(shape=shape, dtype=DTYPES.get(meta.dtype)))
        else:
            known = graph.sym_int_values.get(name) or graph.sym_float_values.get(name) or graph.sym_bool_values[name]
            given.append(sizes.of(known))
    return ForwardInputs(args=tuple(given), kwargs={})


def _tree(paths: Sequence[str], tensors: Sequence[ProgramTensor]) -> dict[str, ProgramModule]:
    """A module for each path, and for those above it."""
    modules = {"": ProgramModule()}
    owners = [item.name.rpartition(".")[0] for item in tensors if item.kind != "constant"]
    for path in (*paths, *owners):
        parts = path.split(".") if path else []
        for depth, name in enumerate(parts):
            above, here = ".".join(parts[:depth]), ".".join(parts[: depth + 1])
            if here not in modules:
                modules[here] = modules[above]._modules.setdefault(name, ProgramModule())  # type: ignore[assignment]
    return modules


def _made(tensors: Sequence[ProgramTensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors by their names. Those of one storage share one, and those that are one are one."""
    known: dict[Any, Tensor] = {}
    storages: dict[str, torch.UntypedStorage] = {}
    for item in sorted(tensors, key=_bytes, reverse=True):
        sizes, strides, offset = _layout(item.meta)
        key = (item.storage, sizes, strides, offset, item.meta.dtype, item.kind)
        if key not in known:
            storage = storages.setdefault(item.storage, torch.UntypedStorage(_bytes(item), device="meta"))
            tensor = torch.empty(0, dtype=dtype_of(item.meta.dtype), device="meta")
            known[key] = tensor.set_(storage, offset, sizes, strides)
            if item.kind == "parameter":
                trainable = item.meta.requires_grad and (tensor.is_floating_point() or tensor.is_complex())
                known[key] = nn.Parameter(known[key], requires_grad=trainable)
        yield item.name, known[key]


def _layout(meta: TensorMeta) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Sizes, strides and offset, which weights have as plain numbers."""
    sizes = OpenSizes({})
    return (
        tuple(sizes.of(size) for size in meta.sizes),
        tuple(sizes.of(size) for size in meta.strides),
        sizes.of(meta.storage_offset),
    )


def _bytes(item: ProgramTensor) -> int:
    """Of the storage, as far as the tensor reaches into it."""
    sizes, strides, offset = _layout(item.meta)
    reach = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1 if all(sizes) else 0
    return (offset + reach) * dtype_of(item.meta.dtype).itemsize


def _register(modules: Mapping[str, ProgramModule], item: ProgramTensor, tensor: Tensor) -> None:
    owner, _, name = item.name.rpartition(".")
    if item.kind == "parameter":
        modules[owner]._parameters[name] = tensor  # type: ignore[assignment]  # made as one
    elif item.kind == "buffer":
        modules[owner]._buffers[name] = tensor
        if not item.persistent:
            modules[owner]._non_persistent_buffers_set.add(name)


def _take_inputs(root: ProgramModule, body: _ProgramState, names: Sequence[str]) -> None:
    """Gives the root a ``forward`` with the program's own parameters."""
    if len(set(names)) < len(names) or not all(name.isidentifier() and not iskeyword(name) for name in names):
        raise BuildError("its inputs have no proper names")

    def forward(*args: Any, **kwargs: Any) -> Any:
        return body.start(*signature.bind(*args, **kwargs).args)

    signature = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])
    forward.__signature__ = signature  # type: ignore[attr-defined]  # where inspect looks first
    vars(root)["forward"] = forward


def _check_input(name: str, value: Any, meta: TensorMeta | None, sizes: OpenSizes) -> None:
    """Checks that an input is one that the program was exported for.

    Raises:
        InputError: it is not.
    """
    if meta is None:
        return
    dtype = dtype_of(meta.dtype)
    if not isinstance(value, Tensor) or value.dtype != dtype or value.dim() != len(meta.sizes):
        got = f"{value.dim()} dimensions of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"{name} has {got}, and the program was exported for {len(meta.sizes)} of {dtype}")
    for axis, size in enumerate(meta.sizes):
        sizes.give(size, value.shape[axis], f"size {axis} of {name}")
