"""All calls to torch that are private or depend on its version, each behind one name.

Tested with torch 2.6 to 2.15.
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
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, _get_current_dispatch_mode_stack

from netscope.runtime.startup import is_own_process
from netscope.schema import RAGGED

_DYNAMO_IMPORTS_WITHOUT_OPS = (2, 14)
_UNCOMPILED_ATTRIBUTE = "__dynamo_disable"

OpOverload = torch._ops.OpOverload
HigherOrderOperator = torch._ops.HigherOrderOperator

CALLING_OPERATORS = frozenset(
    {
        "associative_scan", "cond", "hints_wrapper", "invoke_subgraph", "map", "map_impl", "scan", "strict_mode",
        "tag_activation_checkpoint", "while_loop", "wrap", "wrap_activation_checkpoint", "wrap_with_autocast",
        "wrap_with_set_grad_enabled",
    }
)  # fmt: skip
"""Higher-order operators that only call functions, whose ops are counted. All others are counted like ordinary ops."""


_VALUE_TAGS = frozenset(
    {torch.Tag.nondeterministic_seeded, torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
)
"""Tags of ops whose results depend on values or random numbers."""


class StorageTable:
    """Numbers storages in the order in which they are first seen.

    torch identifies a storage by its address, which is reused once the storage is freed. A weak reference reserves the
    address without keeping the memory, so the table holds one for every numbered storage.

    Attributes:
        bytes: the size of each storage, by its number.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._references: list[StorageWeakRef | None] = []
        self.bytes: list[int] = []

    def index(self, tensor: Tensor) -> int | None:
        """Returns the number of the tensor's storage; None for layouts without one."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            return None
        address = storage._cdata
        number = self._numbers.get(address)
        if number is None:
            number = self.add(storage.nbytes(), StorageWeakRef(storage))
            self._numbers[address] = number
        return number

    def update_size(self, number: int, tensor: Tensor) -> None:
        """Updates the size of a storage, which grows if an op resizes it."""
        self.bytes[number] = max(self.bytes[number], tensor.untyped_storage().nbytes())

    def add(self, nbytes: int, reference: StorageWeakRef | None = None) -> int:
        """Returns a new number for the storage of ``reference``, or for a tensor without a storage."""
        self.bytes.append(nbytes)
        self._references.append(reference)
        return len(self.bytes) - 1


def is_composite(op: Any) -> bool:
    """Returns whether ``op`` consists of other ops, instead of which it is dispatched itself in ``inference_mode``."""
    if not isinstance(op, OpOverload):
        return False
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), "CompositeImplicitAutograd"))
    except RuntimeError:  # an op implemented in Python, like aten.sym_size
        return False


def is_wrapper_class(kind: type) -> bool:
    """Returns whether tensors of this class contain tensors and run ops on these: nested and distributed tensors."""
    return hasattr(kind, "__tensor_flatten__") and hasattr(kind, "__tensor_unflatten__")


def get_inner_tensors(tensor: Any) -> Iterator[Tensor]:
    """Yields the tensors inside an instance of a wrapper class, recursively."""
    for name in tensor.__tensor_flatten__()[0] if is_wrapper_class(type(tensor)) else ():
        inner = getattr(tensor, name)
        yield inner
        yield from get_inner_tensors(inner)


def is_calling_operator(op: Any) -> bool:
    """Returns whether ``op`` is a higher-order operator (``cond``, ``map``, ``scan``) whose functions run ops."""
    return isinstance(op, HigherOrderOperator) and op.name() in CALLING_OPERATORS


def run_op(op: Any, args: Any, kwargs: Any) -> Any:
    """Returns the result of ``op``.

    Until torch 2.15 the meta kernel of grouped matmuls accepts only bfloat16, although the other kernels accept more.
    """
    try:
        return op(*args, **kwargs)
    except RuntimeError:
        if get_op_name(op)[0] != "aten._grouped_mm" or not args[0].is_meta:
            raise
        narrow = [
            value.bfloat16() if isinstance(value, Tensor) and value.is_floating_point() else value for value in args
        ]
        return op(*narrow, **kwargs).to(args[0].dtype)


class UnrunOp:
    """An op that is recorded but not run, because only its name and results are known."""

    def __init__(self, name: str, overload: str, results: Any) -> None:
        self.name = name
        self.overload = overload
        self._results = results

    def __call__(self, *_arguments: Any) -> Any:
        """Returns the results, whatever the arguments are."""
        return self._results


def find_operator(name: str, overload: str) -> Any:
    """Returns the overload of an op such as ``"aten.linear"``; None if this torch has none that returns new tensors.

    Some names also have overloads for TorchScript's lists and numbers, which are not tensor ops.
    """
    namespace, _, short = name.partition(".")
    if namespace == "torchvision":
        import_module(namespace)  # registers its ops
    found = getattr(getattr(getattr(torch.ops, namespace), short, None), overload, None)
    if not isinstance(found, OpOverload) or overload.endswith(("out", "grad_input")):
        return None
    return found if torch._C._dispatch_has_kernel(found.name()) else None


def call_by_names(op: Any, arguments: Sequence[tuple[str, Any]]) -> Any:
    """Returns the result of ``op`` for arguments named as in its schema, the first of them passed by position.

    An op that creates a tensor creates it on meta.
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


def get_argument_defaults(name: str, overload: str) -> dict[str, Any]:
    """Returns the default values of an op's arguments, by name."""
    arguments = getattr(getattr(find_operator(name, overload), "_schema", None), "arguments", ())
    known = {item.name: item.default_value for item in arguments if item.default_value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}


def read_constant(op: Any, args: Sequence[Any]) -> float | None:
    """Returns the number in a tensor that the model's code creates, as for ``x[0] = 3``; None for any other op."""
    if op is not torch.ops.aten.lift_fresh.default:
        return None
    (tensor,) = args
    is_number = not tensor.shape and tensor.device.type == "cpu" and not is_fake(tensor) and not tensor.is_complex()
    return tensor.item() if is_number else None


def create_meta_tensor(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns a contiguous tensor on meta, created outside of all modes, so that no op is recorded."""
    with _disable_current_modes():
        return torch.empty(tuple(shape), dtype=dtype, device="meta")


def get_op_name(op: Any) -> tuple[str, str]:
    """Returns the name and overload of an op: ``("aten.convolution", "default")``."""
    if isinstance(op, OpOverload):
        return str(op._overloadpacket), op._overloadname
    if isinstance(op, UnrunOp):
        return op.name, op.overload
    return f"higher_order.{op.name() if callable(getattr(op, 'name', None)) else op}", "default"


def find_written_arguments(op: Any) -> tuple[int | str, ...]:
    """Returns the arguments that ``op`` changes in place: positions, and the names of keyword-only arguments."""
    if not isinstance(op, OpOverload):
        return ()
    return tuple(
        argument.name if argument.kwarg_only else position
        for position, argument in enumerate(op._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def is_functional(op: Any) -> bool:
    """Returns whether ``op`` is an op of torch that returns new tensors and changes none, given its arguments alone."""
    return _has_predictable_result(op) and all(
        item.alias_info is None for item in (*op._schema.arguments, *op._schema.returns)
    )


def is_in_place(op: Any) -> bool:
    """Returns whether ``op`` is an op of torch whose only effect is an elementwise change of its first argument."""
    if not _has_predictable_result(op) or torch.Tag.pointwise not in op.tags or not op._schema.arguments:
        return False
    changed = op._schema.arguments[0].alias_info
    others = (*op._schema.arguments[1:], *op._schema.returns)
    aliases = [item.alias_info.before_set for item in others if item.alias_info is not None]
    return changed is not None and changed.is_write and aliases == [changed.before_set] and len(op._schema.returns) == 1


def _has_predictable_result(op: Any) -> bool:
    """Returns whether ``op`` returns tensors whose sizes follow from the sizes of its arguments."""
    if not isinstance(op, OpOverload) or op.namespace not in ("aten", "prims") or _VALUE_TAGS.intersection(op.tags):
        return False
    returned = [str(item.type) for item in op._schema.returns]
    return bool(returned) and all(kind in ("Tensor", "List[Tensor]") for kind in returned)


def unpack_tensors(value: Any) -> tuple[Any, ...] | None:
    """Returns the weight and bias inside a quantized layer's packed parameters; None for any other object.

    A recurrent layer's object contains the packed parameters of two linear layers.
    """
    if not isinstance(value, torch.ScriptObject):
        return None
    packed: Any = value
    if hasattr(packed, "unpack"):
        return tuple(part for part in packed.unpack() if isinstance(part, Tensor))
    state = packed.__getstate__() if "__getstate__" in packed._method_names() else ()
    return tuple(inner for part in _flatten(state) if (inner := unpack_tensors(part)) is not None)


def is_packed_parameters(module: nn.Module) -> bool:
    """Returns whether a module is not a layer but the container of a quantized layer's packed parameters."""
    if type(module) is nn.ModuleList:
        return len(module) > 0 and all(map(is_packed_parameters, module))
    kind = type(module)
    return kind.__module__.startswith("torch.ao.nn.") and kind.__name__ in ("LinearPackedParams", "PackedParameter")


def find_packed_parameters(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yields a layer's packed parameters, each with the suffix of its tensors' names, e.g. ``"_ih"`` in a cell."""
    for name, value in vars(module).items():
        if isinstance(value, torch.ScriptObject):
            yield name.partition("_packed_weight")[2], value
    for name, child in module._modules.items():
        if child is None or not is_packed_parameters(child):
            continue
        if name != "_all_weight_values":
            yield from find_packed_parameters(child)
            continue
        directions = ("", "_reverse") if module.bidirectional else ("",)
        for position, packed in enumerate(child.children()):
            layer, direction = divmod(position, len(directions))
            yield f"_l{layer}{directions[direction]}", packed.param


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flatten(item)
    else:
        yield value


def cast(model: nn.Module, dtype: torch.dtype) -> None:
    """Casts the floating-point parameters and buffers; unlike ``nn.Module.to`` it does not change complex ones."""
    model._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def is_fake(tensor: Tensor) -> bool:
    """Returns whether the tensor is a fake tensor in a graph that torch traced."""
    fake: Any = sys.modules.get("torch._subclasses.fake_tensor")
    return fake is not None and isinstance(tensor, fake.FakeTensor)


def is_uninitialized(tensor: Tensor) -> bool:
    """Returns whether the tensor belongs to a lazy module that does not know its shape yet."""
    return isinstance(tensor, UninitializedTensorMixin)


def get_known_sizes(tensor: Tensor) -> tuple[Any, ...]:
    """Returns the tensor's sizes: none for a lazy tensor, and only the batch size for a strided nested tensor."""
    if is_uninitialized(tensor):
        return ()
    if tensor.is_nested and tensor.layout == torch.strided:
        return (tensor.size(0), *(RAGGED for _ in range(tensor.dim() - 1)))
    return tuple(tensor.shape)


def uninitialized_like(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a lazy tensor of the same class on ``device``."""
    kind: Any = type(tensor)
    lazy: Tensor = kind(requires_grad=tensor.requires_grad, device=device, dtype=tensor.dtype)
    return lazy


def move_scripted(module: nn.Module, counterpart: Callable[[Tensor], Tensor]) -> None:
    """Replaces the tensors of a scripted module, which are in C++, where the memo of a deep copy has no effect."""
    if isinstance(module, torch.jit.ScriptModule):
        tensors: list[tuple[str, Any]] = [*module._parameters.items(), *module._buffers.items()]
        for name, tensor in tensors:  # none of them is None
            module._c.setattr(name, counterpart(tensor).requires_grad_(tensor.requires_grad))


def is_sharded(module: nn.Module) -> bool:
    """Returns whether the module's weights are sharded across processes, which then communicate in each pass."""
    sharding: Any = sys.modules.get("torch.distributed.fsdp")
    kinds = (getattr(sharding, name, ()) for name in ("FSDPModule", "FullyShardedDataParallel"))
    return isinstance(module, tuple(kinds))


def disable_group_sync(module: nn.Module) -> None:
    """Stops a ``DistributedDataParallel`` module from waiting for the other processes, which do not run this pass."""
    if isinstance(module, nn.parallel.DistributedDataParallel):
        module.require_forward_param_sync = module.require_backward_grad_sync = False


def get_scripted_signature(module: nn.Module) -> inspect.Signature | None:
    """Returns the signature of a scripted module's ``forward``; None for other modules."""
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


def get_class_before_export(module: nn.Module) -> str | None:
    """Returns the original class name of an exported program's module; None for others, or if torch lost it."""
    if type(module).__module__ != "torch.export.unflatten":
        return None
    path = getattr(module, "_ty", None)
    return path.rpartition(".")[2] if isinstance(path, str) else None


def _has_custom_dispatch(tensor: Tensor) -> bool:
    """Returns whether the tensor's class handles ops itself, so that it may have neither strides nor a storage."""
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def as_subclass_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Returns ``tensor`` as an instance of ``like``'s class, with its ``requires_grad`` if it is a parameter."""
    if isinstance(like, nn.Parameter):
        return Tensor._make_subclass(type(like), tensor, like.requires_grad)
    return tensor if type(like) is Tensor else tensor.as_subclass(type(like))


def create_meta_view(tensor: Tensor, storages: dict[int, torch.UntypedStorage]) -> Tensor:
    """Returns a meta tensor with the size, stride and offset of ``tensor``. Shared storages stay shared.

    Args:
        tensor: the original.
        storages: the meta storages created so far, by the address of the original storage.
    """
    if tensor.layout != torch.strided or tensor.is_quantized or _has_custom_dispatch(tensor):
        return torch.empty_like(tensor, device="meta", requires_grad=False)
    source = tensor.untyped_storage()
    storage = storages.get(source._cdata)
    if storage is None:
        storage = storages[source._cdata] = torch.UntypedStorage(source.nbytes(), device="meta")
    view = torch.empty(0, dtype=tensor.dtype, device="meta")
    return view.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())


def prepare_torch(mode: type[TorchDispatchMode]) -> None:
    """Prepares torch for a forward pass under ``mode``.

    torch 2.6 runs some seventy ops when ``vmap`` or a checkpoint first imports ``torch._dynamo``. A recorder would
    attribute them to the model, so it is imported here. torch 2.14 and 2.15 run none; versions between were not tested.
    torch 2.6 also needs a rule for each pair of higher-order operator and mode, while later versions ask the mode.
    """
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if release < _DYNAMO_IMPORTS_WITHOUT_OPS:
        import_module("torch._dynamo")
    _patch_flex_attention(mode)
    if hasattr(TorchDispatchMode, "supports_higher_order_operators"):
        return
    for op in torch._ops._higher_order_ops.values():
        if mode not in op.python_key_table:
            op.py_impl(mode)(partial(_dispatch_to_mode, op))


def _dispatch_to_mode(op: Any, mode: Any, *args: Any, **kwargs: Any) -> Any:
    return mode.__torch_dispatch__(op, (), args, kwargs)


def is_active(mode: TorchDispatchMode) -> bool:
    """Returns whether ``mode`` is active in this thread."""
    return mode in _get_current_dispatch_mode_stack()


def get_innermost_mode() -> Any:
    """Returns the innermost dispatch mode of this thread; None if there is none."""
    return torch.utils._python_dispatch._get_current_dispatch_mode()


def pop_innermost_mode() -> AbstractContextManager[Any]:
    """Returns a context without the innermost dispatch mode, which it yields."""
    return torch.utils._python_dispatch._pop_mode_temporarily()


def get_next_node_number() -> int:
    """Returns the number that the next node of the autograd graph will get."""
    number: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    return number


def get_current_node_number() -> int | None:
    """Returns the number of the node that the backward pass is running; None outside of a backward pass."""
    node = torch._C._current_autograd_node()
    return None if node is None else node._sequence_nr()


def get_traceable_forward(module: nn.Module) -> Callable[..., Any]:
    """Returns the module's ``forward`` without the fast path of attention and encoder layers, which hides ops.

    For a compiled module it is the original module's: after a traced call of the compiled one, torch 2.6 would not
    compile its code any more.
    """
    compiled: Any = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", ())
    forward = module._orig_mod.__call__ if isinstance(module, compiled) else module.forward
    if not isinstance(module, (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)):
        return forward

    def forward_without_fast_path(*args: Any, **kwargs: Any) -> Any:
        with disable_fast_path():
            return forward(*args, **kwargs)

    return update_wrapper(forward_without_fast_path, forward)


def disable_fast_path() -> AbstractContextManager[Any]:
    """Returns a context in which this thread does not take the fast path of attention and encoder layers.

    torch does not take it under a function mode. Such a mode slows down a trace that runs under it by a tenth.
    """
    return nullcontext() if torch._C._is_torch_function_mode_enabled() else torch.overrides.BaseTorchFunctionMode()


def disable_compilation() -> AbstractContextManager[Any]:
    """Returns a context in which this thread runs compiled functions eagerly, because compiled code cannot be recorded.

    Under a dispatch mode torch does so anyway. But since torch 2.14, functions compiled with ``fullgraph=True`` raise
    an error afterwards unless the thread is marked as traced by torch.
    """
    compiler: Any = sys.modules.get("torch._dynamo.eval_frame")
    run_eagerly = getattr(compiler, "_use_eager_on_nested_compile", nullcontext)
    context: AbstractContextManager[Any] = run_eagerly()
    return context


def is_compiler_loaded() -> bool:
    """Returns whether torch's compiler is loaded; without it nothing can have been compiled."""
    return hasattr(sys.modules.get("torch._dynamo"), "disable")


def _patch_flex_attention(mode: type[TorchDispatchMode]) -> None:
    """Makes ``flex_attention`` accept meta tensors and compile nothing in threads where a ``mode`` is active.

    It compiles its operator, and rejects meta tensors although the operator accepts them. Other threads are not
    affected, so the patch is permanent.
    """
    flex: Any = sys.modules.get("torch.nn.attention.flex_attention")
    check: Any = getattr(flex, "_validate_device", None)
    if check is None or hasattr(check, "__wrapped__"):
        return
    set_up: Any = getattr(flex, "setup_compilation_env", None)

    @wraps(check)
    def check_unless_active(*tensors: Tensor) -> None:
        if not _is_any_active(mode):
            check(*tensors)

    @contextmanager
    def set_up_unless_active() -> Iterator[Any]:
        with disable_compilation() if _is_any_active(mode) else set_up() as backend:
            yield backend or "eager"

    flex._validate_device = check_unless_active
    if set_up is not None:
        flex.setup_compilation_env = set_up_unless_active


def _is_any_active(mode: type[TorchDispatchMode]) -> bool:
    return any(isinstance(active, mode) for active in _get_current_dispatch_mode_stack())


@contextmanager
def avoid_compiler_import() -> Iterator[None]:
    """Calls functions that torch excludes from compilation without importing its compiler, which takes over a second.

    ``torch._compile`` gets the uncompiled form of each such function with ``getattr``, and imports ``torch._dynamo`` to
    create the first one. Until something else imports that, nothing is compiled, and the function itself is equivalent.
    So a ``getattr`` is put into the namespace of ``torch._compile``, and removed once the compiler is loaded. A torch
    that works differently imports the compiler as usual. Other threads would notice the change, so it is made only in
    processes that netscope started. Saves 1.3 s of 3.9 s of CPU time, measured as ``runtime.startup`` says.
    """
    names: dict[str, Any] = vars(sys.modules.get("torch._compile", object))
    if not is_own_process() or "torch._dynamo" in sys.modules or "getattr" in names or "_disable_dynamo" not in names:
        yield
        return

    def get_form(function: Any, name: str, *default: Any) -> Any:
        # During its import the compiler also calls such functions, and has no form for them yet.
        if hasattr(sys.modules.get("torch._dynamo"), "disable"):
            names.pop("getattr", None)
        elif name == _UNCOMPILED_ATTRIBUTE:
            return function
        return getattr(function, name, *default)

    names["getattr"] = get_form
    try:
        yield
    finally:
        names.pop("getattr", None)


class PrivateGenerators(TorchDispatchMode):
    """A mode that passes private generators with a fixed seed to all ops that accept one.

    The process's generators are shared: numbers drawn from them here would be missing in another thread's sequence.
    """

    def __init__(self) -> None:
        super().__init__()
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, op: Any, args: Any, kwargs: Any) -> Any:
        """Returns the result of ``op``."""
        if not _accepts_generator(op) or kwargs.get("generator") is not None:
            return run_op(op, args, kwargs)
        device = next((value.device for value in args if isinstance(value, Tensor)), kwargs.get("device"))
        device = torch.device("cpu" if device is None else device)
        if device.type == "meta":
            return run_op(op, args, kwargs)
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(0)
        generator = self._generators[device]
        fill = _FILLS.get(get_op_name(op)[0])
        if fill is not None:
            return fill(torch.empty_like(*args, **kwargs), generator=generator)
        return op._overloadpacket(*args, **{**kwargs, "generator": generator})


_FILLS: dict[str, Callable[..., Tensor]] = {"aten.rand_like": Tensor.uniform_, "aten.randn_like": Tensor.normal_}
"""In-place equivalents on an empty tensor. In torch 2.6 these ops have no overload that takes a generator."""


@cache
def _accepts_generator(op: Any) -> bool:
    """Returns whether ``op``, or another overload of it, accepts a generator."""
    if not isinstance(op, OpOverload) or torch.Tag.nondeterministic_seeded not in op.tags:
        return False
    packet = op._overloadpacket
    overloads = (getattr(packet, name) for name in packet.overloads())
    return get_op_name(op)[0] in _FILLS or any(
        argument.name == "generator" for overload in overloads for argument in overload._schema.arguments
    )


@contextmanager
def preserve_process_state() -> Iterator[None]:
    """Restores the global state that a constructor or a forward pass may change.

    State of this thread (the default device, grad mode, inference mode, dispatch modes) is always restored. State of
    the process (random number generators of torch, Python and NumPy, the default dtype, the import path) is restored
    only if no other thread may be using it: in a process that netscope started, or if there is no other thread. Then
    the generators are also seeded, so that random results are reproducible. Otherwise the process's state is not
    touched.
    """
    device, grad = _get_default_device(), torch.is_grad_enabled()
    may_change_process = is_own_process() or threading.active_count() == 1
    # An outer trace must not record this one, and tensors created in inference mode cannot be trained.
    inference: Any = torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
    try:
        with _disable_current_modes(), inference, _preserve_shared_state() if may_change_process else nullcontext():
            yield
    finally:
        torch.set_grad_enabled(grad)
        if _get_default_device() != device:
            torch.set_default_device(device)


@contextmanager
def _preserve_shared_state() -> Iterator[None]:
    import random

    numpy_random = sys.modules.get("numpy.random")
    numpy_state = numpy_random.get_state() if numpy_random else None
    python_state = random.getstate()
    dtype, path = torch.get_default_dtype(), sys.path.copy()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            # Not torch.manual_seed: before CUDA is initialized, it would queue a seed for that moment.
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


def _get_default_device() -> torch.device | None:
    """Returns the last argument of ``torch.set_default_device``; None if it was never called."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return context.device if context is not None else None
