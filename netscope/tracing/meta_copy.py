"""A model's twin: what netscope runs in place of a model that it does not own, or has to move to another device.

``module.to("meta")`` would untie tied weights and change the caller's model. A deep copy, told beforehand what stands
for each tensor, does neither: every tensor is mapped once, so what was shared stays shared.
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
from netscope.tracing.recorder import unrecord


class _Counterparts(TorchFunctionMode):
    """Answers ``copy.deepcopy`` of any tensor with its counterpart on another device.

    Parameters and buffers are put into the memo of the copy beforehand; this catches the tensors that stand in plain
    attributes and lists of a model.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self._storages: dict[int, torch.UntypedStorage] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """The tensor's counterpart, a copy: a forward pass may write into memory by ways that no one sees.

        Raises:
            TracingError: the tensor has no values, and the device wants some.
        """
        if torch_compat.is_fake(tensor):
            return tensor  # what an exported graph remembers of a value: no one computes with it
        if torch_compat.is_uninitialised(tensor):
            return torch_compat.uninitialised_like(tensor, self.device)
        if tensor.is_meta and self.device.type != "meta":
            raise TracingError(f"its weights are on meta, so there is nothing to run on {self.device.type}")
        with torch.no_grad(), torch._C.DisableTorchFunction():
            if self.device.type == "meta":
                moved = torch_compat.same_view_on_meta(tensor, self._storages)
            else:
                moved = tensor.detach().to(self.device, copy=True)
            moved = torch_compat.of_type(moved, tensor)
            if tensor.is_leaf and not isinstance(tensor, nn.Parameter):
                moved.requires_grad_(tensor.requires_grad)
        vars(moved).update(vars(tensor))
        return moved

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self.of(tensor)
            return memo[id(tensor)]
        if function is Tensor.clone:  # how nn.Parameter copies itself
            return self.of(args[0])
        return function(*args, **(kwargs or {}))


def copy_to_device(model: nn.Module, device: str) -> nn.Module:
    """A copy of ``model`` on ``device`` that can be run and instrumented without ``model`` noticing.

    On meta it holds no memory; off meta it is a copy.

    Raises:
        TracingError: a part of the model refuses to be copied, or to be moved to the device, or is sharded.
    """
    if any(torch_compat.is_sharded(module) for module in model.modules()):
        raise TracingError(
            f"the weights of {type(model).__name__} are sharded over processes, which fetch them from each other while "
            f"they run: give the model as it is before it is sharded"
        )
    counterparts = _Counterparts(torch.device(device))
    try:
        memo = _known_copies(model, counterparts)
        twin = _copied(model, memo, counterparts)
        for module in twin.modules():
            torch_compat.move_scripted(module, counterparts.of)
            torch_compat.leave_group(module)
            unrecord(module)
            _rebind(module, memo)
    except TracingError:
        raise
    except Exception as error:
        raise TracingError(
            f"{type(model).__name__} cannot be copied to {device} ({error}), and netscope does not run a model that it "
            f"was lent: give it the class or a function that builds the model"
        ) from error
    return twin


def _known_copies(model: nn.Module, counterparts: _Counterparts) -> dict[int, Any]:
    """A memo for ``copy.deepcopy``: what stands for each tensor, and what need not be copied at all."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = counterparts.of(tensor)
        for value in vars(module).values():
            if type(value) is object:  # it is there to be compared by identity
                memo[id(value)] = value
            elif type(value) is OrderedDict and not value:  # hooks, of which a module has ten kinds and mostly none
                memo[id(value)] = OrderedDict()
    return memo


def _copied(model: nn.Module, memo: dict[int, Any], counterparts: _Counterparts) -> nn.Module:
    """A deep copy, which shares with the original only what no one can copy."""
    attempt = dict(memo)
    try:
        with counterparts:
            for module in _children_first(model):
                twin = copy.deepcopy(module, attempt)
    except TracingError:
        raise
    except Exception:  # noqa: BLE001 - any refusal to be copied, by whatever part of the model
        for module in model.modules():
            _share_uncopyable(vars(module), memo, counterparts)
        with counterparts:
            return copy.deepcopy(model, memo)
    memo.update(attempt)
    return twin


def _children_first(model: nn.Module) -> Iterator[nn.Module]:
    """Every module, the model itself last: what a copy of one finds copied already, it need not go down into.

    A copy of a whole tree takes six calls of Python for each level. What copies itself takes care of its children.
    """
    met: set[int] = set()
    pending = [(model, False)]
    while pending:
        module, is_below_done = pending.pop()
        if is_below_done:
            yield module
        elif id(module) not in met:
            met.add(id(module))
            pending.append((module, True))
            if not hasattr(module, "__deepcopy__"):
                pending.extend((child, False) for child in module._modules.values() if child is not None)


def _share_uncopyable(value: Any, memo: dict[int, Any], counterparts: _Counterparts) -> None:
    """Puts locks, open files, sessions and whatever else refuses to be copied into the memo as they are."""
    if isinstance(value, nn.Module) or id(value) in memo:
        return
    if isinstance(value, torch.Generator):
        memo[id(value)] = value.clone_state()
        return
    try:
        with counterparts:
            copy.deepcopy(value, dict(memo))
    except Exception:  # noqa: BLE001 - as above
        parts = _parts(value)
        for part in parts:
            _share_uncopyable(part, memo, counterparts)
        if not parts:
            memo[id(value)] = value


def _parts(value: Any) -> tuple[Any, ...]:
    """What a container or an object of Python's own making holds."""
    if isinstance(value, dict):
        return tuple(value.values())
    if isinstance(value, (list, tuple, set)):
        return tuple(value)
    return tuple(vars(value).values()) if hasattr(value, "__dict__") else ()


def _rebind(module: nn.Module, memo: dict[int, Any]) -> None:
    """Lets the functions that a module keeps speak of the twin where they closed over the original.

    Deep copies leave functions alone, so ``self.scale = lambda x: self.fc(x)`` would run the caller's own layers.
    """
    attributes = vars(module)
    kept = [attributes]
    kept += [value for name, value in attributes.items() if isinstance(value, dict) and name.endswith("_hooks")]
    for holder in kept:
        for name, value in holder.items():
            if isinstance(value, (FunctionType, partial, ref)):
                holder[name] = _rebound(value, memo)


def _rebound(value: Any, memo: dict[int, Any]) -> Any:
    """What stands for ``value`` in the twin: functions, methods, partials and weak references are followed."""
    if isinstance(value, ref):
        return ref(memo[id(value())]) if id(value()) in memo else value
    if isinstance(value, MethodType):
        return MethodType(value.__func__, memo.get(id(value.__self__), value.__self__))
    if isinstance(value, partial):
        args = [_rebound(item, memo) for item in value.args]
        return partial(
            _rebound(value.func, memo), *args, **{name: _rebound(item, memo) for name, item in value.keywords.items()}
        )
    return _rebound_function(value, memo) if isinstance(value, FunctionType) else memo.get(id(value), value)


def _rebound_function(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    if not (function.__closure__ or function.__defaults__) or id(function) in memo:
        return memo.get(id(function), function)
    memo[id(function)] = function  # a function may close over itself
    cells = tuple(_rebound_cell(cell, memo) for cell in function.__closure__ or ())
    defaults = tuple(_rebound(value, memo) for value in function.__defaults__ or ())
    twin = FunctionType(function.__code__, function.__globals__, function.__name__, defaults or None, cells or None)
    twin.__kwdefaults__ = function.__kwdefaults__
    vars(twin).update(vars(function))
    memo[id(function)] = twin
    return twin


def _rebound_cell(cell: CellType, memo: dict[int, Any]) -> CellType:
    try:
        content = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    return CellType(_rebound(content, memo))


def is_on(model: nn.Module, device: str) -> bool:
    """Whether every parameter and buffer of ``model`` is on ``device``."""
    wanted = torch.device(device).type
    return all(
        tensor.device.type == wanted
        for module in model.modules()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    )
