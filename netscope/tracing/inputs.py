"""Creates the requested inputs on a device, and checks them against the parameters of ``forward``."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from netscope.errors import InputError, did_you_mean
from netscope.schema import InputSpec
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.tracing import torch_compat
from netscope.tracing.tensors import dtype_name

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def create_inputs(
    model: nn.Module, inputs: ForwardInputs, device: str, dtype: str | None = None, seed: int = 0
) -> ForwardInputs:
    """Returns ``inputs`` with a tensor on ``device`` for every request, and copies of the given tensors there.

    Floating-point tensors are standard normal, integers are zeros, which index any table, and booleans are true. On
    meta, tensors have no values. A separate generator draws the values, so that the process's sequences do not change.

    Args:
        model: the model that takes the inputs.
        inputs: requests and given values.
        device: the device of all tensors.
        dtype: dtype of all floating-point tensors; None to leave them unchanged.
        seed: seed of the values.

    Raises:
        InputError: ``forward`` does not take these arguments.
    """
    check_arguments(model, inputs)
    default = _get_floating_dtype(model)
    generator = None if device == "meta" else torch.Generator(device).manual_seed(seed)

    def convert(leaf: Any) -> Any:
        tensor = create(leaf)
        if dtype is not None and isinstance(tensor, Tensor) and tensor.is_floating_point():
            return tensor.to(getattr(torch, dtype))
        return tensor

    def create(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf.detach().to(device, copy=True).requires_grad_(leaf.requires_grad)
        if hasattr(leaf, "__array_interface__"):
            return torch.as_tensor(leaf, device=device)
        if not isinstance(leaf, TensorRequest):
            return leaf
        requested = getattr(torch, leaf.dtype) if leaf.dtype else default
        if device == "meta":
            return torch.empty(leaf.shape, dtype=requested, device=device)
        if requested.is_floating_point or requested.is_complex:
            return torch.randn(leaf.shape, dtype=requested, device=device, generator=generator)
        return torch.full(leaf.shape, requested is torch.bool, dtype=requested, device=device)

    return inputs.map_leaves(convert)


def create_random_inputs(
    model: nn.Module, inputs: ForwardInputs, rows: Mapping[str, int], seed: int, device: str = "cpu"
) -> ForwardInputs:
    """Returns inputs like ``create_inputs``, but with random indices into tables, so that steps differ as in real use.

    Args:
        model: the model that takes the inputs.
        inputs: requests and given values.
        rows: number of rows of the smallest table that each input indexes, by the input's name. Other integers are
            ones.
        seed: seed of all values.
        device: the device of all tensors.

    Raises:
        InputError: ``forward`` does not take these arguments.
    """
    created = create_inputs(model, inputs, device, seed=seed)
    generator = torch.Generator(device).manual_seed(seed)
    pairs = zip(_list_leaves(inputs), _list_leaves(created), strict=True)
    requested = {id(tensor) for leaf, tensor in pairs if isinstance(leaf, TensorRequest)}
    for name, tensor in _name_tensors(_bind_arguments(model, created)):
        if id(tensor) in requested and tensor.dtype in _INTEGERS:
            if name in rows:
                tensor.random_(0, rows[name], generator=generator)
            else:
                tensor.fill_(1)
    return created


def _list_leaves(inputs: ForwardInputs) -> list[Any]:
    leaves: list[Any] = []
    inputs.map_leaves(leaves.append)
    return leaves


def check_arguments(model: nn.Module, inputs: ForwardInputs) -> None:
    """Checks that ``forward`` takes these arguments.

    Raises:
        InputError: there are too many or too few, or a name is unknown.
    """
    signature = _get_forward_signature(model)
    if signature is None:
        return
    takes_any = any(item.kind is item.VAR_KEYWORD for item in signature.parameters.values())
    unknown = [name for name in inputs.kwargs if name not in signature.parameters and not takes_any]
    if unknown:
        raise InputError(
            f"{type(model).__name__}.forward takes {format_forward_parameters(model)} and has no parameter "
            f"{unknown[0]!r}{did_you_mean(unknown[0], signature.parameters)}"
        )
    try:
        signature.bind(*inputs.args, **inputs.kwargs)
    except TypeError as error:
        given = len(inputs.args) + len(inputs.kwargs)
        raise InputError(
            f"{type(model).__name__}.forward takes {format_forward_parameters(model)} and was given "
            f"{given} input{'' if given == 1 else 's'}: {error}"
        ) from error


def format_forward_parameters(model: nn.Module) -> str:
    """Returns the parameters of ``forward`` without annotations: ``"(x, mask=None)"``."""
    signature = _get_forward_signature(model)
    if signature is None:
        return "(…)"
    return str(
        signature.replace(
            parameters=[item.replace(annotation=item.empty) for item in signature.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
    )


def list_required_parameters(model: nn.Module) -> tuple[str, ...]:
    """Returns the names of the parameters of ``forward`` that have no default."""
    signature = _get_forward_signature(model)
    if signature is None:
        return ()
    return tuple(
        item.name
        for item in signature.parameters.values()
        if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    )


def _get_forward_signature(model: nn.Module) -> inspect.Signature | None:
    scripted = torch_compat.get_scripted_signature(model)
    if scripted is not None:
        return scripted
    try:
        return inspect.signature(model.forward)
    except (TypeError, ValueError):
        return None


def _get_floating_dtype(model: nn.Module) -> torch.dtype:
    """Returns the dtype of the first floating-point parameter or buffer: a half-precision model needs such inputs."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.get_default_dtype()


def collect_input_specs(model: nn.Module, inputs: ForwardInputs) -> tuple[InputSpec, ...]:
    """Returns the specs of the tensors in ``inputs``, each named after its parameter: ``images[0]``."""
    return tuple(
        InputSpec(name=name, shape=tuple(tensor.shape), dtype=dtype_name(tensor.dtype))
        for name, tensor in _name_tensors(_bind_arguments(model, inputs))
    )


def resolve_input_specs(model: nn.Module, inputs: ForwardInputs) -> tuple[InputSpec, ...]:
    """Returns the specs of the tensors that ``inputs`` request, without filling any."""
    return collect_input_specs(model, create_inputs(model, inputs, "meta"))


def _bind_arguments(model: nn.Module, inputs: ForwardInputs) -> dict[str, Any]:
    """Returns the arguments by the names of the parameters of ``forward``."""
    signature = _get_forward_signature(model)
    if signature is None:
        return {str(position): value for position, value in enumerate(inputs.args)} | dict(inputs.kwargs)
    arguments: dict[str, Any] = dict(signature.bind(*inputs.args, **inputs.kwargs).arguments)
    for item in signature.parameters.values():
        if item.kind is item.VAR_KEYWORD:
            arguments |= arguments.pop(item.name, {})
    return arguments


def _name_tensors(arguments: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    def visit(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from visit(f"{name}[{key!r}]", item)
        elif isinstance(value, (list, tuple)):
            for position, item in enumerate(value):
                yield from visit(f"{name}[{position}]", item)

    for name, value in arguments.items():
        yield from visit(name, value)
