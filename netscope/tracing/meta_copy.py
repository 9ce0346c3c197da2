"""Copies of models on another device, which netscope runs instead of a model that the user owns.

``module.to("meta")`` would untie tied weights and change the caller's model. A deep copy whose memo already maps each
tensor to its counterpart does neither: every tensor is mapped once, so shared tensors stay shared.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netscope.errors import TracingError
from netscope.tracing import torch_compat
from netscope.tracing.recorder import restore_forward


class _TensorMover(TorchFunctionMode):
    """A mode under which ``copy.deepcopy`` of a tensor returns its counterpart on another device.

    The memo has parameters and buffers before the copy starts; the mode is for tensors in plain attributes and lists.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self._storages: dict[int, torch.UntypedStorage] = {}

    def move(self, tensor: Tensor) -> Tensor:
        """Returns the tensor's counterpart. It never shares memory: a forward pass may write into it unobserved.

        Raises:
            TracingError: the tensor is on meta and the device is not, so its values are missing.
        """
        if torch_compat.is_fake(tensor):
            return tensor  # metadata of an exported graph, never used in a computation
        if torch_compat.is_uninitialized(tensor):
            return torch_compat.uninitialized_like(tensor, self.device)
        if tensor.is_meta and self.device.type != "meta":
            raise TracingError(f"the model's weights are on meta, so there is nothing to run on {self.device.type}")
        with torch.no_grad(), torch._C.DisableTorchFunction():
            if self.device.type == "meta":
                moved = torch_compat.create_meta_view(tensor, self._storages)
            else:
                moved = tensor.detach().to(self.device, copy=True)
            moved = torch_compat.as_subclass_like(moved, tensor)
            if tensor.is_leaf and not isinstance(tensor, nn.Parameter):
                moved.requires_grad_(tensor.requires_grad)
        vars(moved).update(vars(tensor))
        return moved

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self.move(tensor)
            return memo[id(tensor)]
        if function is Tensor.clone:  # how nn.Parameter copies itself
            return self.move(args[0])
        return function(*args, **(kwargs or {}))


def copy_to_device(model: nn.Module, device: str) -> nn.Module:
    """Returns a copy of ``model`` on ``device`` that can be run and instrumented without changing ``model``.

    On meta the copy takes no memory for tensors.

    Raises:
        TracingError: a part of the model cannot be copied or moved to the device, or is sharded.
    """
    if any(torch_compat.is_sharded(module) for module in model.modules()):
        raise TracingError(
            f"the weights of {type(model).__name__} are sharded across processes, which exchange them during a forward "
            f"pass; give the model as it is before it is sharded"
        )
    mover = _TensorMover(torch.device(device))
    try:
        memo = _create_memo(model, mover)
        copied = _deep_copy(model, memo, mover)
        for module in copied.modules():
            torch_compat.move_scripted(module, mover.move)
            torch_compat.disable_group_sync(module)
            restore_forward(module)
            _rebind(module, memo)
    except TracingError:
        raise
    except Exception as error:
        raise TracingError(
            f"cannot copy {type(model).__name__} to {device} ({error}), and netscope only runs copies of your "
            f"instance; pass its class or a factory function instead"
        ) from error
    return copied


def _create_memo(model: nn.Module, mover: _TensorMover) -> dict[int, Any]:
    """Returns a memo for ``copy.deepcopy`` with the counterpart of each tensor, and objects that need no copy."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = mover.move(tensor)
        for value in vars(module).values():
            if type(value) is object:  # a marker, which is compared by identity
                memo[id(value)] = value
            elif type(value) is OrderedDict and not value:  # hooks: a module has ten such dicts, mostly empty
                memo[id(value)] = OrderedDict()
    return memo


def _deep_copy(model: nn.Module, memo: dict[int, Any], mover: _TensorMover) -> nn.Module:
    """Returns a deep copy that shares with the original only objects that cannot be copied."""
    attempt = dict(memo)
    try:
        with mover:
            for module in _children_first(model):
                copied = copy.deepcopy(module, attempt)
    except TracingError:
        raise
    except Exception:  # noqa: BLE001 - any part of the model may raise anything
        for module in model.modules():
            _share_uncopyable(vars(module), memo, mover)
        with mover:
            return copy.deepcopy(model, memo)
    memo.update(attempt)
    return copied


def _children_first(model: nn.Module) -> Iterator[nn.Module]:
    """Yields every module after its children, so that copying one finds its children in the memo.

    Otherwise a deep copy nests six Python calls for each level, and a deep tree exceeds the recursion limit. A module
    with ``__deepcopy__`` copies its children itself.
    """
    seen: set[int] = set()
    pending = [(model, False)]
    while pending:
        module, are_children_done = pending.pop()
        if are_children_done:
            yield module
        elif id(module) not in seen:
            seen.add(id(module))
            pending.append((module, True))
            if not hasattr(module, "__deepcopy__"):
                pending.extend((child, False) for child in module._modules.values() if child is not None)


def _share_uncopyable(value: Any, memo: dict[int, Any], mover: _TensorMover) -> None:
    """Puts locks, open files, sessions and other objects that cannot be copied into the memo, so they are shared."""
    if isinstance(value, nn.Module) or id(value) in memo:
        return
    if isinstance(value, torch.Generator):
        memo[id(value)] = value.clone_state()
        return
    try:
        with mover:
            copy.deepcopy(value, dict(memo))
    except Exception:  # noqa: BLE001 - as above
        parts = _get_parts(value)
        for part in parts:
            _share_uncopyable(part, memo, mover)
        if not parts:
            memo[id(value)] = value


def _get_parts(value: Any) -> tuple[Any, ...]:
    """Returns the items of a container, or the attributes of an object."""
    if isinstance(value, dict):
        return tuple(value.values())
    if isinstance(value, (list, tuple, set)):
        return tuple(value)
    return tuple(vars(value).values()) if hasattr(value, "__dict__") else ()


def _rebind(module: nn.Module, memo: dict[int, Any]) -> None:
    """Makes the functions in a module's attributes and hooks refer to the copy where they closed over the original.

    Deep copies do not copy functions, so ``self.scale = lambda x: self.fc(x)`` would run the caller's own layers.
    """
    attributes = vars(module)
    containers = [attributes]
    containers += [value for name, value in attributes.items() if isinstance(value, dict) and name.endswith("_hooks")]
    for container in containers:
        for name, value in container.items():
            if isinstance(value, (FunctionType, partial, ref)):
                container[name] = _rebind_value(value, memo)


def _rebind_value(value: Any, memo: dict[int, Any]) -> Any:
    """Returns the counterpart of ``value`` in the copy, also in functions, methods, partials and weak references."""
    if isinstance(value, ref):
        return ref(memo[id(value())]) if id(value()) in memo else value
    if isinstance(value, MethodType):
        return MethodType(value.__func__, memo.get(id(value.__self__), value.__self__))
    if isinstance(value, partial):
        args = [_rebind_value(item, memo) for item in value.args]
        kwargs = {name: _rebind_value(item, memo) for name, item in value.keywords.items()}
        return partial(_rebind_value(value.func, memo), *args, **kwargs)
    return _rebind_function(value, memo) if isinstance(value, FunctionType) else memo.get(id(value), value)


def _rebind_function(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    if not (function.__closure__ or function.__defaults__) or id(function) in memo:
        return memo.get(id(function), function)
    memo[id(function)] = function  # a function may close over itself
    cells = tuple(_rebind_cell(cell, memo) for cell in function.__closure__ or ())
    defaults = tuple(_rebind_value(value, memo) for value in function.__defaults__ or ())
    rebound = FunctionType(function.__code__, function.__globals__, function.__name__, defaults or None, cells or None)
    rebound.__kwdefaults__ = function.__kwdefaults__
    vars(rebound).update(vars(function))
    memo[id(function)] = rebound
    return rebound


def _rebind_cell(cell: CellType, memo: dict[int, Any]) -> CellType:
    try:
        content = cell.cell_contents
    except ValueError:  # the cell is still empty
        return cell
    return CellType(_rebind_value(content, memo))


def is_on(model: nn.Module, device: str) -> bool:
    """Returns whether every parameter and buffer of ``model`` is on ``device``."""
    device_type = torch.device(device).type
    return all(
        tensor.device.type == device_type
        for module in model.modules()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    )
