"""The module tree as plain data: every place, its type, its telling hyperparameters and its tensors."""

import inspect
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn

from netscope.schema import PlainValue, TracedModule, TracedParameter
from netscope.tracing import torch_compat
from netscope.tracing.tensors import TensorTable

_REPR_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LONGEST_REPR = 80
_LONGEST_TUPLE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleEntry:
    """One path to a module. A module registered under several names has several places."""

    path: str
    module: nn.Module
    parent: int | None
    same_as: int | None


def module_entries(root: nn.Module) -> tuple[ModuleEntry, ...]:
    """Every place in the tree under ``root``, a module before its children, in order of registration."""
    places: list[ModuleEntry] = []
    first: dict[int, int] = {}
    pending: list[tuple[nn.Module, str, int | None, frozenset[int]]] = [(root, "", None, frozenset())]
    while pending:
        module, path, parent, above = pending.pop()
        position = len(places)
        places.append(ModuleEntry(path=path, module=module, parent=parent, same_as=first.get(id(module))))
        first.setdefault(id(module), position)
        inside = above | {id(module)}
        for name, child in reversed(module._modules.items()):
            # A module can hold itself, or its own parent: go around once.
            if child is not None and id(child) not in inside and not torch_compat.holds_packed_tensors(child):
                pending.append((child, f"{path}.{name}" if path else name, position, inside))
    return tuple(places)


def subtree_ends(places: Sequence[ModuleEntry]) -> list[int]:
    """For each place, the position behind the last one below it."""
    ends = list(range(1, len(places) + 1))
    for position in reversed(range(len(places))):
        parent = places[position].parent
        if parent is not None:
            ends[parent] = max(ends[parent], ends[position])
    return ends


def traced_modules(places: Iterable[ModuleEntry], tensors: TensorTable) -> tuple[TracedModule, ...]:
    """The modules at ``places`` as plain data.

    Args:
        places: where they stand.
        tensors: gives a tensor its position in the trace.
    """
    texts: dict[int, str] = {}
    return tuple([_traced_module(place, tensors, texts) for place in places])


def _traced_module(place: ModuleEntry, tensors: TensorTable, texts: dict[int, str]) -> TracedModule:
    module, tensor_index = place.module, tensors.index
    return TracedModule(
        path=place.path,
        type_name=type_name(module),
        hyperparameters=hyperparameters(module, texts),
        parent=place.parent,
        same_as=place.same_as,
        parameters=(*_traced_tensors(module._parameters, tensor_index), *_packed_parameters(module, tensors)),
        buffers=tuple(_traced_tensors(module._buffers, tensor_index, module._non_persistent_buffers_set)),
    )


def type_name(module: nn.Module) -> str:
    """The class's name; for a scripted or exported module that of the class it was made from."""
    return torch_compat.class_before_export(module) or str(getattr(module, "original_name", type(module).__name__))


def _traced_tensors(
    tensors: dict[str, Any], tensor_index: Callable[[Tensor], int], not_persistent: Container[str] = ()
) -> Iterator[TracedParameter]:
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        unknown = torch_compat.is_uninitialised(tensor)
        elements = 0 if unknown else tensor.numel()
        yield TracedParameter(
            name=name,
            tensor=None if unknown else tensor_index(tensor),
            elements=elements,
            bytes=elements * tensor.element_size() if not unknown else 0,
            trainable=bool(tensor.requires_grad),
            persistent=name not in not_persistent,
            wraps=() if unknown else tuple(map(tensor_index, torch_compat.tensors_inside(tensor))),
        )


def _packed_parameters(module: nn.Module, tensors: TensorTable) -> Iterator[TracedParameter]:
    """The weights and biases that a quantised layer holds in packed form."""
    for suffix, value in torch_compat.packed_attributes(module):
        # A recurrent layer packs what is for the input and what is for the state.
        packed = tensors.unpacked(value) or ()
        is_pair = packed and not isinstance(packed[0], Tensor)
        parts = zip(("_ih", "_hh"), packed, strict=True) if is_pair else (("", packed),)
        for part, inner in parts:
            for kind, tensor in zip(("weight", "bias"), inner, strict=False):
                name = f"{kind}{part}{suffix}"
                yield TracedParameter(
                    name=name,
                    tensor=tensors.index(tensor),
                    elements=tensor.numel(),
                    bytes=tensor.untyped_storage().nbytes(),
                    trainable=False,
                    persistent=name in module.state_dict(),
                )


def hyperparameters(module: nn.Module, texts: dict[int, str] | None = None) -> dict[str, PlainValue]:
    """The constructor's arguments that the module kept under their own names, as plain values.

    An argument that became a parameter or a submodule (``bias``) is told as whether it is there.

    Args:
        module: whose they are.
        texts: of objects told before, by their ids; they are alive as long as the modules that keep them. Every layer
            of a language model may keep the configuration of the whole.
    """
    texts = {} if texts is None else texts
    exported: dict[str, PlainValue] | None = vars(module).get("exported_hyperparameters")
    if exported is not None:
        return exported
    return {name: _plain(value, texts) for name, value in kept_arguments(module).items()}


def kept_arguments(module: nn.Module) -> dict[str, Any]:
    """The constructor's arguments that the module kept under their own names, as they are."""
    found: dict[str, Any] = {}
    kept = vars(module)
    for name in constructor_arguments(type(module)):  # type: ignore[arg-type]  # classes are hashable
        if name in kept and not isinstance(kept[name], (Tensor, nn.Module)):
            found[name] = kept[name]
        elif name in module._parameters:
            found[name] = module._parameters[name] is not None
    return found


@cache
def constructor_arguments(kind: type) -> tuple[str, ...]:
    """Names of the constructor's parameters, those of its base classes' behind them."""
    names: dict[str, None] = {}
    for base in kind.__mro__:
        if base is nn.Module:
            break
        # A private base (``_ConvNd``) names what its public children do not let anyone choose.
        if names and base.__name__.startswith("_"):
            continue
        names.update(dict.fromkeys(_parameter_names(vars(base).get("__init__"))))
    return tuple(name for name in names if name not in ("self", "device", "dtype", "training"))


def _parameter_names(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _plain(value: Any, texts: dict[int, str]) -> PlainValue:
    if value is None or (isinstance(value, (bool, int, str)) and type(value) in (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else repr(value)
    if isinstance(value, (list, tuple)) and len(value) <= _LONGEST_TUPLE:
        items = tuple([_plain(item, texts) for item in value])
        if not any(isinstance(item, tuple) for item in items):
            return items  # type: ignore[return-value]  # no tuple is left in it
    if inspect.isfunction(value) or inspect.isclass(value):
        return value.__name__
    text = texts.get(id(value))
    if text is None:
        text = texts[id(value)] = _text_of(value)
    return text


def _text_of(value: Any) -> str:
    try:
        text = _REPR_ADDRESS.sub("", repr(value))
    except Exception:  # noqa: BLE001 - a user's __repr__ may do as it likes
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_REPR else f"{text[: _LONGEST_REPR - 1]}…"
