"""Every private or version-bound call into torch, each behind one name.

Run with torch 2.6 to 2.15.
"""

import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial, update_wrapper, wraps
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
)

from netscope.runtime.startup import is_own_process
from netscope.schema import RAGGED

_IMPORTS_WITHOUT_OPS = (2, 14)
_UNCOMPILED_FORM = "__dynamo_disable"

OpOverload = torch._ops.OpOverload
HigherOrderOperator = torch._ops.HigherOrderOperator

CALLING_OPERATORS = frozenset(
    {
        "associative_scan", "cond", "hints_wrapper", "invoke_subgraph", "map", "map_impl", "scan", "strict_mode",
        "tag_activation_checkpoint", "while_loop", "wrap", "wrap_activation_checkpoint", "wrap_with_autocast",
        "wrap_with_set_grad_enabled",
    }
)  # fmt: skip
"""Higher-order operators that only call functions, whose ops are counted. All others are ops like any other."""


_DEPENDING = frozenset(
    {torch.Tag.nondeterministic_seeded, torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
)
"""Marks ops whose results depend on values, or on random numbers."""


class StorageNumbers:
    """Numbers storages in the order in which they are first seen.

    torch knows a storage by its address, and an address is used again once its storage is gone. A weak reference keeps
    the address taken without keeping the memory, so it is held for every storage that got a number.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._held: list[StorageWeakRef | None] = []
        self.bytes: list[int] = []

    def number(self, tensor: Tensor) -> int | None:
        """Of the tensor's storage; None for layouts without one."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return None
        address = storage._cdata
        number = self._numbers.get(address)
        if number is None:
            number = self.new(storage.nbytes(), StorageWeakRef(storage))
            self._numbers[address] = number
        return number

    def grow(self, number: int, tensor: Tensor) -> None:
        """Notes that a storage is larger than when it got its number: an op resized it."""
        self.bytes[number] = max(self.bytes[number], tensor.untyped_storage().nbytes())

    def new(self, nbytes: int, held: StorageWeakRef | None = None) -> int:
        """A number for a storage that is ``held``, or for something that has none of its own."""
        self.bytes.append(nbytes)
        self._held.append(held)
        return len(self.bytes) - 1


def decomposes(op: Any) -> bool:
    """Whether ``op`` is made of others: under ``inference_mode`` such an op arrives whole instead of in parts."""
    if not isinstance(op, OpOverload):
        return False
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), "CompositeImplicitAutograd"))
    except RuntimeError:  # an op of Python's own, like aten.sym_size
        return False


def wraps_tensors(kind: type) -> bool:
    """Whether tensors of this class hold others and run their own ops on these: nested and distributed tensors."""
    return hasattr(kind, "__tensor_flatten__") and hasattr(kind, "__tensor_unflatten__")


def tensors_inside(tensor: Any) -> Iterator[Tensor]:
    """The tensors that one of such a class holds, and those that these hold."""
    for name in tensor.__tensor_flatten__()[0] if wraps_tensors(type(tensor)) else ():
        inner = getattr(tensor, name)
        yield inner
        yield from tensors_inside(inner)


def runs_others(op: Any) -> bool:
    """Whether ``op`` is a higher-order operator (``cond``, ``map``, ``scan``) whose functions run the ops to count."""
    return isinstance(op, HigherOrderOperator) and op.name() in CALLING_OPERATORS


def run_op(op: Any, args: Any, kwargs: Any) -> Any:
    """What ``op`` returns.

    The shape function of grouped matrix products takes only bfloat16 until torch 2.15, although the kernels take more.
    """
    try:
        return op(*args, **kwargs)
    except RuntimeError:
        if op_name(op)[0] != "aten._grouped_mm" or not args[0].is_meta:
            raise
        narrow = [
            value.bfloat16() if isinstance(value, Tensor) and value.is_floating_point() else value for value in args
        ]
        return op(*narrow, **kwargs).to(args[0].dtype)


class UnrunOp:
    """An op of which only the name and the results are known: it stands for the op in a trace."""

    def __init__(self, name: str, overload: str, results: Any) -> None:
        self.name = name
        self.overload = overload
        self._results = results

    def __call__(self, *_arguments: Any) -> Any:
        """The results, whatever it is given."""
        return self._results


def operator_named(name: str, overload: str) -> Any:
    """The op ``"aten.linear"`` in one of its overloads that returns new tensors; None if this torch has none.

    Of some names there are overloads for TorchScript's lists and numbers, which are no ops of tensors.
    """
    namespace, _, short = name.partition(".")
    if namespace == "torchvision":
        import_module(namespace)  # which registers its ops
    found = getattr(getattr(getattr(torch.ops, namespace), short, None), overload, None)
    if not isinstance(found, OpOverload) or overload.endswith(("out", "grad_input")):
        return None
    return found if torch._C._dispatch_has_kernel(found.name()) else None


def call_by_names(op: Any, arguments: Sequence[tuple[str, Any]]) -> Any:
    """What ``op`` returns for arguments under the names of its schema, with those that come first by position.

    What it makes of nothing is on meta.
    """
    given = dict(arguments)
    if any(item.name == "device" for item in op._schema.arguments):
        given["device"] = torch.device("meta")
    args: list[Any] = []
    for item in op._schema.arguments:
        if item.kwarg_only or item.name not in given:
            break
        args.append(given.pop(item.name))
    return op(*args, **given)


def defaults_of(name: str, overload: str) -> dict[str, Any]:
    """The defaults of an op's arguments."""
    arguments = getattr(getattr(operator_named(name, overload), "_schema", None), "arguments", ())
    known = {item.name: item.default_value for item in arguments if item.default_value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}


def empty_on_meta(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A contiguous tensor on meta, made below any mode, so that no op is seen."""
    with torch.utils._python_dispatch._disable_current_modes():
        return torch.empty(tuple(shape), dtype=dtype, device="meta")


def op_name(op: Any) -> tuple[str, str]:
    """Name and overload of an op: ``("aten.convolution", "default")``."""
    if isinstance(op, OpOverload):
        return str(op._overloadpacket), op._overloadname
    if isinstance(op, UnrunOp):
        return op.name, op.overload
    return f"higher_order.{op.name() if callable(getattr(op, 'name', None)) else op}", "default"


def written_arguments(op: Any) -> tuple[int | str, ...]:
    """The arguments that ``op`` changes in place: positions, and names of those that are keyword-only."""
    if not isinstance(op, OpOverload):
        return ()
    return tuple(
        argument.name if argument.kwarg_only else position
        for position, argument in enumerate(op._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def is_functional(op: Any) -> bool:
    """Whether ``op`` is one of torch's own that returns new tensors, by its arguments alone, and changes nothing."""
    return _is_told_by_arguments(op) and all(
        item.alias_info is None for item in (*op._schema.arguments, *op._schema.returns)
    )


def is_in_place(op: Any) -> bool:
    """Whether ``op`` is one of torch's own that changes its first argument element by element, and no more."""
    if not _is_told_by_arguments(op) or torch.Tag.pointwise not in op.tags or not op._schema.arguments:
        return False
    changed = op._schema.arguments[0].alias_info
    others = (*op._schema.arguments[1:], *op._schema.returns)
    aliases = [item.alias_info.before_set for item in others if item.alias_info is not None]
    return changed is not None and changed.is_write and aliases == [changed.before_set] and len(op._schema.returns) == 1


def _is_told_by_arguments(op: Any) -> bool:
    """Whether the sizes of what ``op`` returns follow from its arguments' sizes, and it returns tensors."""
    if not isinstance(op, OpOverload) or op.namespace not in ("aten", "prims") or _DEPENDING.intersection(op.tags):
        return False
    returned = [str(item.type) for item in op._schema.returns]
    return bool(returned) and all(kind in ("Tensor", "List[Tensor]") for kind in returned)


def packed_tensors(value: Any) -> tuple[Any, ...] | None:
    """The weight and bias inside a quantised layer's packed parameters; None for any other object.

    A recurrent layer's are packed once more: two linear layers' in one.
    """
    if not isinstance(value, torch.ScriptObject):
        return None
    packed: Any = value
    if hasattr(packed, "unpack"):
        return tuple(part for part in packed.unpack() if isinstance(part, Tensor))
    state = packed.__getstate__() if "__getstate__" in packed._method_names() else ()
    return tuple(inner for part in _flat(state) if (inner := packed_tensors(part)) is not None)


def holds_packed_tensors(module: nn.Module) -> bool:
    """Whether a module is no layer, but what a quantised layer keeps its packed parameters in."""
    if type(module) is nn.ModuleList:
        return len(module) > 0 and all(map(holds_packed_tensors, module))
    kind = type(module)
    return kind.__module__.startswith("torch.ao.nn.") and kind.__name__ in ("LinearPackedParams", "PackedParameter")


def packed_attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The packed parameters of a layer, each with what its tensors' names end in: ``"_ih"`` of a cell, ``"_l0"``."""
    for name, value in vars(module).items():
        if isinstance(value, torch.ScriptObject):
            yield name.partition("_packed_weight")[2], value
    for name, child in module._modules.items():
        if child is None or not holds_packed_tensors(child):
            continue
        if name != "_all_weight_values":
            yield from packed_attributes(child)
            continue
        directions = ("", "_reverse") if module.bidirectional else ("",)
        for position, packed in enumerate(child.children()):
            layer, direction = divmod(position, len(directions))
            yield f"_l{layer}{directions[direction]}", packed.param


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def cast(model: nn.Module, dtype: torch.dtype) -> None:
    """Gives the floating parameters and buffers ``dtype``; unlike ``nn.Module.to`` it leaves complex ones alone."""
    model._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def is_fake(tensor: Tensor) -> bool:
    """Whether it stands for a tensor in a graph that torch traced."""
    fake: Any = sys.modules.get("torch._subclasses.fake_tensor")
    return fake is not None and isinstance(tensor, fake.FakeTensor)


def is_uninitialised(tensor: Tensor) -> bool:
    """Whether a lazy module has not learnt the tensor's shape yet."""
    return isinstance(tensor, UninitializedTensorMixin)


def known_sizes(tensor: Tensor) -> tuple[Any, ...]:
    """The tensor's sizes; none of a lazy one, and only that of the batch of a nested one of the old layout."""
    if is_uninitialised(tensor):
        return ()
    if tensor.is_nested and tensor.layout == torch.strided:
        return (tensor.size(0), *(RAGGED for _ in range(tensor.dim() - 1)))
    return tuple(tensor.shape)


def uninitialised_like(tensor: Tensor, device: torch.device) -> Tensor:
    """Another tensor of the same lazy kind on ``device``."""
    kind: Any = type(tensor)
    lazy: Tensor = kind(requires_grad=tensor.requires_grad, device=device, dtype=tensor.dtype)
    return lazy


def move_scripted(module: nn.Module, counterpart: Callable[[Tensor], Tensor]) -> None:
    """Replaces the tensors of a scripted module, which live in C++ and are out of reach of a deep copy's memo."""
    if isinstance(module, torch.jit.ScriptModule):
        tensors: list[tuple[str, Any]] = [*module._parameters.items(), *module._buffers.items()]
        for name, tensor in tensors:  # none of which is None here
            module._c.setattr(name, counterpart(tensor).requires_grad_(tensor.requires_grad))


def is_sharded(module: nn.Module) -> bool:
    """Whether processes share its weights out among them, and talk to each other whenever it runs."""
    sharding: Any = sys.modules.get("torch.distributed.fsdp")
    kinds = (getattr(sharding, name, ()) for name in ("FSDPModule", "FullyShardedDataParallel"))
    return isinstance(module, tuple(kinds))


def leave_group(module: nn.Module) -> None:
    """Has a module of a group of processes run without the others, who do not know that it runs."""
    if isinstance(module, nn.parallel.DistributedDataParallel):
        module.require_forward_param_sync = module.require_backward_grad_sync = False


def scripted_signature(module: nn.Module) -> inspect.Signature | None:
    """What a scripted module's ``forward`` takes; None for any other."""
    if not isinstance(module, torch.jit.ScriptModule):
        return None
    schema: Any = module._c._get_method("forward").schema
    return inspect.Signature(
        [
            inspect.Parameter(
                item.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=item.default_value if item.has_default_value() else inspect.Parameter.empty,
            )
            for item in schema.arguments[1:]
        ]
    )


def class_before_export(module: nn.Module) -> str | None:
    """The name of the class that an exported program's module was; None for any other, and where torch keeps none."""
    if type(module).__module__ != "torch.export.unflatten":
        return None
    path = getattr(module, "_ty", None)
    return path.rpartition(".")[2] if isinstance(path, str) else None


def _has_ops_of_its_own(tensor: Tensor) -> bool:
    """Whether the tensor is of a class that handles ops itself, and so need not have strides or a storage."""
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def of_type(tensor: Tensor, like: Tensor) -> Tensor:
    """``tensor`` as an instance of ``like``'s class, with its ``requires_grad`` if it is a parameter."""
    if isinstance(like, nn.Parameter):
        return Tensor._make_subclass(type(like), tensor, like.requires_grad)
    return tensor if type(like) is Tensor else tensor.as_subclass(type(like))


def same_view_on_meta(tensor: Tensor, storages: dict[int, torch.UntypedStorage]) -> Tensor:
    """``tensor``'s size, stride and offset on the meta device; what shared a storage shares one there.

    Args:
        tensor: any.
        storages: the meta storages made so far, by the address of the one that they stand for.
    """
    if tensor.layout != torch.strided or tensor.is_quantized or _has_ops_of_its_own(tensor):
        return torch.empty_like(tensor, device="meta", requires_grad=False)
    source = tensor.untyped_storage()
    storage = storages.get(source._cdata)
    if storage is None:
        storage = storages[source._cdata] = torch.UntypedStorage(source.nbytes(), device="meta")
    view = torch.empty(0, dtype=tensor.dtype, device="meta")
    return view.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())


def settle(mode: type[TorchDispatchMode]) -> None:
    """Readies torch for a forward pass under ``mode``.

    torch 2.6 runs some seventy ops when ``torch._dynamo`` is first imported, by ``vmap`` or a checkpoint, and a
    recorder would take them for the model's; so it is imported now. torch 2.14 and 2.15 run none; versions between were
    not tried. torch 2.6 also wants a rule for each higher-order operator and mode, where later ones ask the mode.
    """
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if release < _IMPORTS_WITHOUT_OPS:
        import_module("torch._dynamo")
    _open_flex_attention(mode)
    if hasattr(TorchDispatchMode, "supports_higher_order_operators"):
        return
    for op in torch._ops._higher_order_ops.values():
        if mode not in op.python_key_table:
            op.py_impl(mode)(partial(_hand_over, op))


def _hand_over(op: Any, mode: Any, *args: Any, **kwargs: Any) -> Any:
    return mode.__torch_dispatch__(op, (), args, kwargs)


def is_active(mode: TorchDispatchMode) -> bool:
    """Whether ``mode`` sees the ops of this thread."""
    stack: list[Any] = torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    return mode in stack


def innermost_mode() -> Any:
    """The dispatch mode that sees this thread's ops first; None without one."""
    return torch.utils._python_dispatch._get_current_dispatch_mode()


def without_innermost_mode() -> AbstractContextManager[Any]:
    """A context without that mode, which it yields."""
    return torch.utils._python_dispatch._pop_mode_temporarily()


def next_node_number() -> int:
    """What the next node of the autograd graph will be numbered."""
    number: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    return number


def current_node_number() -> int | None:
    """The number of the node that the backward pass is at; None outside of one."""
    node = torch._C._current_autograd_node()
    return None if node is None else node._sequence_nr()


def as_written(module: nn.Module) -> Callable[..., Any]:
    """The module's ``forward`` without the fast path of attention and encoder layers, which hides children and ops.

    Of a compiled module that of the one which was compiled. torch 2.6 would look into none of its code ever after.
    """
    compiled: Any = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", ())
    forward = module._orig_mod.__call__ if isinstance(module, compiled) else module.forward
    if not isinstance(module, (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)):
        return forward

    def unfused_forward(*args: Any, **kwargs: Any) -> Any:
        with unfused():
            return forward(*args, **kwargs)

    return update_wrapper(unfused_forward, forward)


def unfused() -> AbstractContextManager[Any]:
    """Keeps this thread off the fast path, which is not taken where a mode may want to see each function.

    A mode costs a tenth of a trace that runs within it.
    """
    return nullcontext() if torch._C._is_torch_function_mode_enabled() else torch.overrides.BaseTorchFunctionMode()


def uncompiled() -> AbstractContextManager[Any]:
    """Has compiled functions run as they are written in this thread: what a compiler makes of them cannot be seen into.

    Under a dispatch mode they do so by themselves. But since torch 2.14 those that must be compiled as a whole raise
    afterwards, unless this thread says that it is traced by torch.
    """
    compiler: Any = sys.modules.get("torch._dynamo.eval_frame")
    run_eagerly = getattr(compiler, "_use_eager_on_nested_compile", nullcontext)
    context: AbstractContextManager[Any] = run_eagerly()
    return context


def compiler_is_loaded() -> bool:
    """Whether anything can have been compiled."""
    return hasattr(sys.modules.get("torch._dynamo"), "disable")


def _open_flex_attention(mode: type[TorchDispatchMode]) -> None:
    """Lets ``flex_attention`` take meta tensors, and compile nothing, in threads where a ``mode`` is active.

    It compiles its own operator, and refuses meta although the operator takes it. Other threads see no difference, so
    this is done once and for all.
    """
    flex: Any = sys.modules.get("torch.nn.attention.flex_attention")
    check: Any = getattr(flex, "_validate_device", None)
    if check is None or hasattr(check, "__wrapped__"):
        return
    set_up: Any = getattr(flex, "setup_compilation_env", None)

    @wraps(check)
    def check_elsewhere(*tensors: Tensor) -> None:
        if not _is_any_active(mode):
            check(*tensors)

    @contextmanager
    def set_up_elsewhere() -> Iterator[Any]:
        with uncompiled() if _is_any_active(mode) else set_up() as backend:
            yield backend or "eager"

    flex._validate_device = check_elsewhere
    if set_up is not None:
        flex.setup_compilation_env = set_up_elsewhere


def _is_any_active(mode: type[TorchDispatchMode]) -> bool:
    return any(isinstance(active, mode) for active in _get_current_dispatch_mode_stack())


@contextmanager
def compiler_left_out() -> Iterator[None]:
    """Calls what torch marks as not to be compiled without importing its compiler for that, which takes over a second.

    ``torch._compile`` asks each such function with ``getattr`` for the form in which it is called, and to make the
    first one imports ``torch._dynamo``. As long as nobody else has imported that, nothing is being compiled, and the
    function itself will do. A name in that one module stands in between, and goes as soon as the compiler is there. A
    torch that asks in another way imports it as ever. In a process of our own alone: other threads would see it.
    Saves 1.3 s of 3.9 s, measured as ``runtime.startup`` says.
    """
    names: dict[str, Any] = vars(sys.modules.get("torch._compile", object))
    if not is_own_process() or "torch._dynamo" in sys.modules or "getattr" in names or "_disable_dynamo" not in names:
        yield
        return

    def form_of(function: Any, name: str, *default: Any) -> Any:
        # While it is being imported it calls such functions as well, and has no form for them yet.
        if hasattr(sys.modules.get("torch._dynamo"), "disable"):
            names.pop("getattr", None)
        elif name == _UNCOMPILED_FORM:
            return function
        return getattr(function, name, *default)

    names["getattr"] = form_of
    try:
        yield
    finally:
        names.pop("getattr", None)


class OwnNumbers(TorchDispatchMode):
    """Draws random numbers from generators of its own, always the same, wherever an op lets itself be given one.

    The process's generators are everybody's: numbers that we draw from them are missing in another thread's sequence.
    """

    def __init__(self) -> None:
        super().__init__()
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, op: Any, args: Any, kwargs: Any) -> Any:
        """What ``op`` returns."""
        if not _takes_generator(op) or kwargs.get("generator") is not None:
            return run_op(op, args, kwargs)
        device = next((value.device for value in args if isinstance(value, Tensor)), kwargs.get("device"))
        device = torch.device("cpu" if device is None else device)
        if device.type == "meta":
            return run_op(op, args, kwargs)
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(0)
        generator = self._generators[device]
        fill = _FILLS.get(op_name(op)[0])
        if fill is not None:
            return fill(torch.empty_like(*args, **kwargs), generator=generator)
        return op._overloadpacket(*args, **{**kwargs, "generator": generator})


_FILLS: dict[str, Callable[..., Tensor]] = {"aten.rand_like": Tensor.uniform_, "aten.randn_like": Tensor.normal_}
"""What these ops do to an empty tensor. torch 2.6 has no form of them that takes a generator."""


@cache
def _takes_generator(op: Any) -> bool:
    """Whether ``op``, or another form of it, draws from a generator that it is given."""
    if not isinstance(op, OpOverload) or torch.Tag.nondeterministic_seeded not in op.tags:
        return False
    packet = op._overloadpacket
    forms = (getattr(packet, name) for name in packet.overloads())
    return op_name(op)[0] in _FILLS or any(
        argument.name == "generator" for form in forms for argument in form._schema.arguments
    )


@contextmanager
def process_state_restored() -> Iterator[None]:
    """Puts back whatever a constructor or a forward pass may leave changed.

    What is this thread's own (the default device, the grad mode, inference mode, dispatch modes) always. What is the
    process's (the generators of random numbers of torch, Python and NumPy, the default dtype, the import path) where no
    other thread may be using it: in a process of our own, and where there is no other. There the generators are seeded
    within, so that what depends on chance comes out the same; elsewhere all of it is left alone.
    """
    device, grad = _default_device(), torch.is_grad_enabled()
    is_process_ours = is_own_process() or threading.active_count() == 1
    # What an outer trace is looking at is not what we run; and tensors made in inference mode cannot be trained.
    inference: Any = torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
    try:
        with _disable_current_modes(), inference, _process_put_back() if is_process_ours else nullcontext():
            yield
    finally:
        torch.set_grad_enabled(grad)
        if _default_device() != device:
            torch.set_default_device(device)


@contextmanager
def _process_put_back() -> Iterator[None]:
    import random

    numpy_random = sys.modules.get("numpy.random")
    numpy_state = numpy_random.get_state() if numpy_random else None
    python_state = random.getstate()
    dtype, path = torch.get_default_dtype(), sys.path.copy()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            # Not torch.manual_seed: while CUDA sleeps, that leaves it a seed for when it wakes.
            torch.default_generator.manual_seed(0)
            random.seed(0)
            if numpy_random:
                numpy_random.seed(0)
            if devices:
                torch.cuda.manual_seed_all(0)
            yield
    finally:
        random.setstate(python_state)
        if numpy_random:
            numpy_random.set_state(numpy_state)
        torch.set_default_dtype(dtype)
        sys.path[:] = path


def _default_device() -> torch.device | None:
    """What ``torch.set_default_device`` was last given; None if it never was."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return context.device if context is not None else None
