"""A model's twin: what netscope runs in place of a model that it does not own, or has to move to another device.

``module.to("meta")`` would untie tied weights and change the caller's model. A deep copy, told beforehand what stands
for each tensor, does neither: every tensor is mapped once, so what was shared stays shared.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netscope.errors import TracingError
from netscope.tracing import torch_compat


class _Counterparts(TorchFunctionMode):
    """Answers ``copy.deepcopy`` of any tensor with its counterpart on another device.

    Parameters and buffers are put into the memo of the copy beforehand; this catches the tensors that stand in plain
    attributes, lists and closures of a model.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self._storages: dict[int, torch.UntypedStorage] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """The tensor's counterpart: a parameter that is on the device already shares its memory, all else is copied.

        The recorder undoes what ops write into parameters. It cannot for buffers: the schema of batch normalisation
        does not say that it writes into the running statistics.
        """
        if torch_compat.is_uninitialised(tensor):
            return torch_compat.uninitialised_like(tensor, self.device)
        with torch.no_grad(), torch._C.DisableTorchFunction():
            if self.device.type == "meta":
                moved = torch_compat.same_view_on_meta(tensor, self._storages)
            else:
                moved = tensor.detach().to(self.device, copy=not isinstance(tensor, nn.Parameter))
        if isinstance(tensor, nn.Parameter):
            moved = nn.Parameter(moved, requires_grad=tensor.requires_grad)
        vars(moved).update(vars(tensor))
        return moved

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self.of(tensor)
            return memo[id(tensor)]
        return function(*args, **(kwargs or {}))


def twin_of(model: nn.Module, device: str) -> nn.Module:
    """A copy of ``model`` on ``device`` that can be run and instrumented without ``model`` noticing.

    On meta it holds no memory. Off meta it shares the memory of the parameters that are on the device already (the
    recorder undoes what a forward pass writes into them), and holds copies of the buffers.

    Raises:
        TracingError: a part of the model refuses to be copied.
    """
    counterparts = _Counterparts(torch.device(device))
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = counterparts.of(tensor)
    _keep_uncopyable(model, memo, counterparts)
    try:
        with counterparts:
            twin = copy.deepcopy(model, memo)
        for module in twin.modules():
            torch_compat.move_scripted(module, counterparts.of)
    except Exception as error:
        raise TracingError(
            f"{type(model).__name__} cannot be copied ({error}), and netscope does not run a model that it was lent: "
            f"give it the class or a function that builds the model"
        ) from error
    return twin


def _keep_uncopyable(model: nn.Module, memo: dict[int, Any], counterparts: _Counterparts) -> None:
    """Lets the twin share what no one can copy: locks, open files, generators, sessions."""
    for module in model.modules():
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers", "_modules") or isinstance(value, (Tensor, nn.Module)):
                continue
            try:
                with counterparts:
                    copy.deepcopy(value, dict(memo))
            except Exception:  # noqa: BLE001 - any refusal to be copied, by whatever it is
                memo[id(value)] = value


def is_on(model: nn.Module, device: str) -> bool:
    """Whether every parameter and buffer of ``model`` is on ``device``."""
    wanted = torch.device(device).type
    return all(
        tensor.device.type == wanted
        for module in model.modules()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    )
