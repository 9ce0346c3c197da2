"""The module tree as plain data: paths, types, hyperparameters, parameters and buffers."""

import inspect
import re
from argparse import Namespace
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from netscope.schema import PlainValue, TracedModule, TracedParameter
from netscope.tracing import torch_compat
from netscope.tracing.tensors import TensorTable

_REPR_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LONGEST_REPR = 80
_LONGEST_TUPLE = 16
_MOST_OPTIONS = 256
_MOST_NESTED = 3
_PLAIN_TYPES = (bool, int, float, str, tuple, list, dict)
_NOT_OPTIONS = frozenset({"architectures", "id2label", "label2id", "transformers_version"})
"""What a configuration of transformers contains besides the options of the architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleEntry:
    """One path to a module. A module registered under several names has an entry for each.

    Attributes:
        path: dotted, ``""`` for the root.
        module: the module at this path.
        parent: position of the parent's entry; None for the root.
        same_as: position of the first entry of the same module; None if this is it.
    """

    path: str
    module: nn.Module
    parent: int | None
    same_as: int | None


def list_modules(root: nn.Module) -> tuple[ModuleEntry, ...]:
    """Returns every entry of the tree under ``root``, a module before its children, in order of registration."""
    entries: list[ModuleEntry] = []
    first: dict[int, int] = {}
    pending: list[tuple[nn.Module, str, int | None, frozenset[int]]] = [(root, "", None, frozenset())]
    while pending:
        module, path, parent, above = pending.pop()
        position = len(entries)
        entries.append(ModuleEntry(path=path, module=module, parent=parent, same_as=first.get(id(module))))
        first.setdefault(id(module), position)
        inside = above | {id(module)}
        for name, child in reversed(module._modules.items()):
            # A module may contain itself or its parent: stop at the first repetition.
            if child is not None and id(child) not in inside and not torch_compat.is_packed_parameters(child):
                pending.append((child, f"{path}.{name}" if path else name, position, inside))
    return tuple(entries)


def find_subtree_ends(entries: Sequence[ModuleEntry]) -> list[int]:
    """Returns for each entry the position after the last entry below it."""
    ends = list(range(1, len(entries) + 1))
    for position in reversed(range(len(entries))):
        parent = entries[position].parent
        if parent is not None:
            ends[parent] = max(ends[parent], ends[position])
    return ends


def describe_modules(entries: Iterable[ModuleEntry], tensors: TensorTable) -> tuple[TracedModule, ...]:
    """Returns the modules of ``entries`` as plain data.

    Args:
        entries: the module tree.
        tensors: the numbers of tensors in the trace.
    """
    texts: dict[int, str] = {}
    return tuple([_describe_module(entry, tensors, texts) for entry in entries])


def _describe_module(entry: ModuleEntry, tensors: TensorTable, texts: dict[int, str]) -> TracedModule:
    module, tensor_index = entry.module, tensors.index
    return TracedModule(
        path=entry.path,
        type_name=get_type_name(module),
        hyperparameters=collect_hyperparameters(module, texts),
        parent=entry.parent,
        same_as=entry.same_as,
        parameters=(*_describe_tensors(module._parameters, tensor_index), *_packed_parameters(module, tensors)),
        buffers=tuple(_describe_tensors(module._buffers, tensor_index, module._non_persistent_buffers_set)),
        is_recurrent=getattr(getattr(type(module), "forward", None), "__module__", "") == "torch.nn.modules.rnn",
    )


def get_type_name(module: nn.Module) -> str:
    """Returns the name of the module's class; for a scripted or exported module, of its original class."""
    return torch_compat.get_class_before_export(module) or str(getattr(module, "original_name", type(module).__name__))


def _describe_tensors(
    tensors: dict[str, Any], tensor_index: Callable[[Tensor], int], not_persistent: Container[str] = ()
) -> Iterator[TracedParameter]:
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        unknown = torch_compat.is_uninitialized(tensor)
        elements = 0 if unknown else tensor.numel()
        yield TracedParameter(
            name=name,
            tensor=None if unknown else tensor_index(tensor),
            elements=elements,
            bytes=elements * tensor.element_size() if not unknown else 0,
            trainable=bool(tensor.requires_grad),
            persistent=name not in not_persistent,
            wraps=() if unknown else tuple(map(tensor_index, torch_compat.get_inner_tensors(tensor))),
        )


def _packed_parameters(module: nn.Module, tensors: TensorTable) -> Iterator[TracedParameter]:
    """Yields the weights and biases that a quantized layer stores in packed form."""
    for suffix, value in torch_compat.find_packed_parameters(module):
        # A recurrent layer packs two pairs: the weights of the input and of the state.
        packed = tensors.unpack(value) or ()
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


def collect_hyperparameters(module: nn.Module, texts: dict[int, str] | None = None) -> dict[str, PlainValue]:
    """Returns the constructor's arguments that the module stores under the same names, as plain values.

    For an argument that became a parameter (``bias``), the value is whether the parameter exists. A configuration has a
    value per option: ``config.hidden_size``.

    Args:
        module: the module to describe.
        texts: texts of objects by their ids, which stay valid as long as the modules are alive. Every layer of a
            language model may store the configuration of the entire model, which only the first of them gets.
    """
    texts = {} if texts is None else texts
    exported: dict[str, PlainValue] | None = vars(module).get("exported_hyperparameters")
    if exported is not None:
        return exported
    arguments = read_constructor_arguments(module).items()
    return dict(pair for name, value in arguments for pair in _flatten(name, value, texts))


def _flatten(name: str, value: Any, texts: dict[int, str]) -> Iterator[tuple[str, PlainValue]]:
    """Yields the value under its name; for a configuration, each of its options, unless ``texts`` has it already."""
    options = _read_options(value) if name.count(".") < _MOST_NESTED else None
    if options is None:
        yield name, _to_plain_value(value, texts)
    elif id(value) not in texts:
        texts[id(value)] = ""
        for key, option in options.items():
            if option is not None and not key.startswith("_") and key not in _NOT_OPTIONS:
                yield from _flatten(f"{name}.{key}", option, {})  # may not stay alive, so its id says nothing


def _read_options(value: Any) -> Mapping[str, Any] | None:
    """Returns the options of a configuration; None for any other value.

    A configuration is a mapping, a namespace, a dataclass, an object with ``to_dict``, or one of plain attributes.
    """
    options = value
    if is_dataclass(value) and not isinstance(value, type):
        options = {field.name: getattr(value, field.name, None) for field in fields(value)}
    elif not isinstance(value, Mapping):
        with suppress(Exception):  # a user's method may raise anything
            options = value.to_dict() if callable(getattr(type(value), "to_dict", None)) else _read_attributes(value)
    is_plain = isinstance(options, Mapping) and len(options) <= _MOST_OPTIONS
    if not is_plain or not all(isinstance(key, (str, int)) for key in options):
        return None
    return {str(key): option for key, option in options.items()}


def _read_attributes(value: Any) -> Mapping[str, Any] | None:
    """Returns the attributes of a namespace, or of an object whose public attributes are all plain data; or None."""
    if isinstance(value, (Namespace, SimpleNamespace)):
        return vars(value)
    if callable(value) or isinstance(value, (str, int, float, list, tuple)):
        return None
    attributes = {name: item for name, item in vars(value).items() if not name.startswith("_")}
    is_plain = all(item is None or type(item) in _PLAIN_TYPES for item in attributes.values())
    return attributes if attributes and is_plain else None


def read_constructor_arguments(module: nn.Module) -> dict[str, Any]:
    """Returns the constructor's arguments that the module stores under the same names, unchanged."""
    found: dict[str, Any] = {}
    attributes = vars(module)
    for name in list_constructor_arguments(type(module)):  # type: ignore[arg-type]  # classes are hashable
        if name in attributes and not isinstance(attributes[name], (Tensor, nn.Module)):
            found[name] = attributes[name]
        elif name in module._parameters:
            found[name] = module._parameters[name] is not None
    return found


@cache
def list_constructor_arguments(kind: type) -> tuple[str, ...]:
    """Returns the names of the constructor's parameters, followed by the names of its base classes' parameters."""
    names: dict[str, None] = {}
    for base in kind.__mro__:
        if base is nn.Module:
            break
        # A private base (``_ConvNd``) has parameters that its public subclasses do not expose.
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


def _to_plain_value(value: Any, texts: dict[int, str]) -> PlainValue:
    if value is None or (isinstance(value, (bool, int, str)) and type(value) in (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else repr(value)
    if isinstance(value, (list, tuple)) and len(value) <= _LONGEST_TUPLE:
        items = tuple([_to_plain_value(item, texts) for item in value])
        if not any(isinstance(item, tuple) for item in items):
            return items  # type: ignore[return-value]  # contains no tuple
    if inspect.isfunction(value) or inspect.isclass(value):
        return value.__name__
    text = texts.get(id(value))
    if text is None:
        text = texts[id(value)] = _format_value(value)
    return text


def _format_value(value: Any) -> str:
    try:
        text = " ".join(_REPR_ADDRESS.sub("", repr(value)).split())
    except Exception:  # noqa: BLE001 - a user's __repr__ may raise anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST_REPR else f"{text[: _LONGEST_REPR - 1]}…"
