"""Replaces a module of a model by one with a changed hyperparameter."""

import inspect
from typing import Any

import torch
from torch import nn

from netscope.errors import UnknownNameError, UsageError, describe_error, did_you_mean
from netscope.tracing.modules import get_type_name, read_constructor_arguments

_MINIMA = {
    "kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0, "output_padding": 0, "output_size": 1, "groups": 1,
}  # fmt: skip
"""The minimum of each window size. On meta, where nothing is computed, torch accepts smaller ones, too."""


def replace_hyperparameter(model: nn.Module, device: str, path: str, name: str, value: Any) -> None:
    """Replaces the module at ``path`` by a new one with ``name=value`` and its other hyperparameters unchanged.

    Parameters and buffers whose shapes do not change are reused, so that tied weights stay tied.

    Args:
        model: the model, changed in place.
        device: device on which the new module is built.
        path: path of the module. If the model has it under several names, all of them get the new one.
        name: name of an argument of its constructor.
        value: value of the argument.

    Raises:
        UnknownNameError: the module does not exist, or its constructor does not have the argument.
        UsageError: the module does not store its constructor's arguments, was changed after its construction, or its
            constructor rejects the value.
    """
    paths = [found for found, _ in model.named_modules(remove_duplicate=False) if found]
    if path not in paths:
        raise UnknownNameError(f"unknown module {path!r}{did_you_mean(path, paths)}")
    before = model.get_submodule(path)
    layer = f"{path} ({get_type_name(before)})"
    arguments = _collect_arguments(before)
    names = _list_own_arguments(type(before)) or tuple(arguments)
    if name not in names:
        known = f"; its arguments are {', '.join(names)}" if names else "; its constructor has no arguments"
        raise UnknownNameError(f"{layer} has no argument {name!r}{did_you_mean(name, names)}{known}")
    _check_value(before, layer, name, value)
    missing = next((needed for needed in names if needed not in (*arguments, name)), "")
    if missing:
        below = next((child for child, _ in before.named_children()), "")
        instead = f"; change one of its modules instead, e.g. {path}.{below}" if below else ""
        raise UsageError(f"{layer} cannot be rebuilt because it does not store its argument {missing}{instead}")
    if hasattr(before, "parametrizations") or {"weight_g", "weight_orig"} & before._parameters.keys():
        raise UsageError(f"{layer} cannot be rebuilt because its weights are parametrized")
    try:
        with torch.device(device):
            after = type(before)(**{**arguments, name: value})
    except Exception as error:
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: {describe_error(error)}") from error
    _transfer_tensors(before, after)
    for parent in model.modules():
        for key, child in parent._modules.items():
            if child is before:
                parent._modules[key] = after


def _collect_arguments(module: nn.Module) -> dict[str, Any]:
    """Returns the constructor's arguments that the module stores and that its class accepts."""
    stored = read_constructor_arguments(module)
    names = _list_own_arguments(type(module))
    # Recurrent layers accept their base class's arguments except for the mode, and some of them no projection.
    refused = {"mode"} if stored.get("proj_size") else {"mode", "proj_size"}
    return {key: stored[key] for key in (names or stored) if key in stored and key not in refused}


def _list_own_arguments(kind: type) -> tuple[str, ...]:
    """Returns the names of the class's constructor arguments; none if it only has ``*args`` and ``**kwargs``."""
    parameters = inspect.signature(kind).parameters.values()
    named = [item.name for item in parameters if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
    return tuple(name for name in named if name not in ("device", "dtype") and not name.startswith("_"))


def _check_value(module: nn.Module, layer: str, name: str, value: Any) -> None:
    """Checks a window size as torch does only off meta, where it computes.

    Raises:
        UsageError: the value is not a size, too small, or has another number of axes.
    """
    before = getattr(module, name, None)
    is_window = hasattr(module, "kernel_size") or name == "output_size"
    if (
        name not in _MINIMA
        or not is_window
        or isinstance(value, str)
        or (value is None and name in ("stride", "output_size"))
    ):
        return
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    minimum = _MINIMA[name]
    if not all(type(size) is int and size >= minimum for size in sizes if size is not None or name != "output_size"):
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: sizes must be integers of at least {minimum}")
    axes = next((len(size) for size in (before, getattr(module, "kernel_size", None)) if isinstance(size, tuple)), None)
    if isinstance(value, (tuple, list)) and axes is not None and len(value) != axes:
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: it must have {axes} sizes")


def _transfer_tensors(before: nn.Module, after: nn.Module) -> None:
    """Gives the new module the old tensors where the shapes are equal, and elsewhere only their dtypes."""
    for name, parameter in before._parameters.items():
        new = after._parameters.get(name)
        if parameter is None or new is None:
            continue
        if new.shape == parameter.shape:
            after._parameters[name] = parameter
        else:
            new = nn.Parameter(new.detach().to(parameter.dtype), requires_grad=parameter.requires_grad)
            after._parameters[name] = new
    for name, buffer in before._buffers.items():
        created = after._buffers.get(name)
        if buffer is not None and created is not None:
            after._buffers[name] = buffer if created.shape == buffer.shape else created.to(buffer.dtype)
    after.train(before.training)
