"""One module of a model built anew with another hyperparameter."""

import inspect
from typing import Any

import torch
from torch import nn

from netscope.errors import UnknownNameError, UsageError, described, did_you_mean
from netscope.tracing.modules import kept_arguments, type_name

LEAST = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0, "output_padding": 0, "output_size": 1, "groups": 1}
"""The least that sizes of windows may be. On meta, where nothing is computed, torch takes less as well."""


def replace_hyperparameter(model: nn.Module, device: str, path: str, name: str, value: Any) -> None:
    """Puts in the place of the module at ``path`` one of its class with ``name=value`` and all else as it was.

    Parameters and buffers whose shapes stay are kept, so that tied weights stay tied.

    Args:
        model: changed in place.
        device: where the new module is built.
        path: of the module; where it stands under several names, all of them have the new one then.
        name: of an argument of its constructor.
        value: of that argument.

    Raises:
        UnknownNameError: there is no such module, or its constructor has no such argument.
        UsageError: the module does not keep what its constructor was given, is not just what it built, or its
            constructor refuses the value.
    """
    paths = [found for found, _ in model.named_modules(remove_duplicate=False) if found]
    if path not in paths:
        raise UnknownNameError(f"there is no module {path!r}{did_you_mean(path, paths)}")
    before = model.get_submodule(path)
    layer = f"{path} ({type_name(before)})"
    arguments = _arguments(before)
    names = _constructor_names(type(before)) or tuple(arguments)
    if name not in names:
        known = f"; it has {', '.join(names)}" if names else ", nor any other"
        raise UnknownNameError(f"{layer} has no {name!r}{did_you_mean(name, names)}{known}")
    _check_value(before, layer, name, value)
    missing = next((needed for needed in names if needed not in (*arguments, name)), "")
    if missing:
        below = next((child for child, _ in before.named_children()), "")
        instead = f"; change one of its own modules, like {path}.{below}" if below else ""
        raise UsageError(f"{layer} did not keep its {missing}, without which it cannot be built anew{instead}")
    if hasattr(before, "parametrizations") or {"weight_g", "weight_orig"} & before._parameters.keys():
        raise UsageError(f"{layer} has parametrised weights, which a new one would not have")
    try:
        with torch.device(device):
            after = type(before)(**{**arguments, name: value})
    except Exception as error:
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: {described(error)}") from error
    _hand_on(before, after)
    for parent in model.modules():
        for key, child in parent._modules.items():
            if child is before:
                parent._modules[key] = after


def _arguments(module: nn.Module) -> dict[str, Any]:
    """What the constructor was given, as far as the module kept it and the constructor of its own class takes it."""
    kept = kept_arguments(module)
    names = _constructor_names(type(module))
    # Recurrent layers take all that their base class does but the kind that they are, and some no projection.
    refused = {"mode"} if kept.get("proj_size") else {"mode", "proj_size"}
    return {key: kept[key] for key in (names or kept) if key in kept and key not in refused}


def _constructor_names(kind: type) -> tuple[str, ...]:
    """The arguments of its own constructor; none if it takes whatever its base class does."""
    parameters = inspect.signature(kind).parameters.values()
    named = [item.name for item in parameters if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
    return tuple(name for name in named if name not in ("device", "dtype") and not name.startswith("_"))


def _check_value(module: nn.Module, layer: str, name: str, value: Any) -> None:
    """Checks what torch checks only where it computes.

    Raises:
        UsageError: the value is no size, too small, or of another number of axes.
    """
    before = getattr(module, name, None)
    is_window = hasattr(module, "kernel_size") or name == "output_size"
    if (
        name not in LEAST
        or not is_window
        or isinstance(value, str)
        or (value is None and name in ("stride", "output_size"))
    ):
        return
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    least = LEAST[name]
    if not all(type(size) is int and size >= least for size in sizes if size is not None or name != "output_size"):
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: whole numbers of at least {least} are sizes")
    axes = next((len(size) for size in (before, getattr(module, "kernel_size", None)) if isinstance(size, tuple)), None)
    if isinstance(value, (tuple, list)) and axes is not None and len(value) != axes:
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: it has {axes} axes")


def _hand_on(before: nn.Module, after: nn.Module) -> None:
    """Gives the new module the old one's tensors where their shapes are the same, and elsewhere their dtypes."""
    for name, parameter in before._parameters.items():
        made = after._parameters.get(name)
        if parameter is None or made is None:
            continue
        if made.shape != parameter.shape:
            made = nn.Parameter(made.detach().to(parameter.dtype), requires_grad=parameter.requires_grad)
        else:
            made = parameter
        after._parameters[name] = made
    for name, buffer in before._buffers.items():
        new = after._buffers.get(name)
        if buffer is not None and new is not None:
            after._buffers[name] = buffer if new.shape == buffer.shape else new.to(buffer.dtype)
    after.train(before.training)
