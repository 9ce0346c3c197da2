"""One module of a model built anew with another hyperparameter."""

import inspect
from typing import Any

import torch
from torch import nn

from netscope.errors import UnknownNameError, UsageError, described, did_you_mean
from netscope.tracing.modules import constructor_arguments, kept_arguments, type_name


def altered(model: nn.Module, device: str, path: str, name: str, value: Any) -> None:
    """Puts in the place of the module at ``path`` one of its class with ``name=value`` and all else as it was.

    Args:
        model: changed in place.
        device: where the new module is built.
        path: of the module; where it stands under several names, all of them have the new one then.
        name: of an argument of its constructor.
        value: of that argument.

    Raises:
        UnknownNameError: there is no such module, or its constructor has no such argument.
        UsageError: the module does not keep what its constructor was given, or its constructor refuses the value.
    """
    paths = [found for found, _ in model.named_modules(remove_duplicate=False) if found]
    if path not in paths:
        raise UnknownNameError(f"there is no module {path!r}{did_you_mean(path, paths)}")
    before = model.get_submodule(path)
    layer = f"{path} ({type_name(before)})"
    names = constructor_arguments(type(before))  # type: ignore[arg-type]  # classes are hashable
    if name not in names:
        known = f"; it has {', '.join(names)}" if names else ", nor any other"
        raise UnknownNameError(f"{layer} has no {name!r}{did_you_mean(name, names)}{known}")
    arguments = {**kept_arguments(before), name: value}
    missing = _not_kept(type(before), arguments)
    if missing:
        below = next((child for child, _ in before.named_children()), "")
        instead = f"; change one of its own modules, like {path}.{below}" if below else ""
        raise UsageError(f"{layer} did not keep its {missing}, without which it cannot be built anew{instead}")
    try:
        with torch.device(device):
            after = type(before)(**arguments)
    except Exception as error:
        raise UsageError(f"{layer} cannot be built with {name}={value!r}: {described(error)}") from error
    for parent in model.modules():
        for key, child in parent._modules.items():
            if child is before:
                parent._modules[key] = after


def _not_kept(kind: type, arguments: dict[str, Any]) -> str:
    """The first argument of the constructor that is not known; empty if all are."""
    for parameter in inspect.signature(kind).parameters.values():
        is_open = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not is_open and parameter.name not in (*arguments, "device", "dtype") and not parameter.name.startswith("_"):
            return parameter.name
    return ""
