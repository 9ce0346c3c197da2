"""Requested inputs to tensors on a device, checked against the parameters of ``forward``."""

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
    """``inputs`` with a tensor on ``device`` for every request, and the given tensors moved there.

    With ``dtype`` all that are floating have it.

    Floating tensors are standard normal (from a generator of their own with ``seed``, so that no one's sequence is
    disturbed), integers are zeros, which index any table, and booleans are true. On meta nothing is filled.

    Raises:
        InputError: ``forward`` does not take these arguments.
    """
    check_arguments(model, inputs)
    default = _floating_dtype(model)
    generator = None if device == "meta" else torch.Generator(device).manual_seed(seed)

    def made(leaf: Any) -> Any:
        tensor = in_its_own_dtype(leaf)
        if dtype is not None and isinstance(tensor, Tensor) and tensor.is_floating_point():
            return tensor.to(getattr(torch, dtype))
        return tensor

    def in_its_own_dtype(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf.detach().to(device, copy=True).requires_grad_(leaf.requires_grad)
        if hasattr(leaf, "__array_interface__"):
            return torch.as_tensor(leaf, device=device)
        if not isinstance(leaf, TensorRequest):
            return leaf
        asked = getattr(torch, leaf.dtype) if leaf.dtype else default
        if device == "meta":
            return torch.empty(leaf.shape, dtype=asked, device=device)
        if asked.is_floating_point or asked.is_complex:
            return torch.randn(leaf.shape, dtype=asked, device=device, generator=generator)
        return torch.full(leaf.shape, asked is torch.bool, dtype=asked, device=device)

    return inputs.mapped(made)


def create_random_inputs(
    model: nn.Module, inputs: ForwardInputs, rows: Mapping[str, int], seed: int, device: str = "cpu"
) -> ForwardInputs:
    """As ``create_inputs``, but integers that index tables are random, so that steps differ as in use.

    Args:
        model: that takes them.
        inputs: what was requested.
        rows: of the smallest table that each input indexes, by the input's name. Other integers are ones.
        seed: of all values.
        device: where they are made.

    Raises:
        InputError: ``forward`` does not take these arguments.
    """
    made = create_inputs(model, inputs, device, seed=seed)
    generator = torch.Generator(device).manual_seed(seed)
    is_requested = [isinstance(leaf, TensorRequest) for leaf in _leaves(inputs)]
    drawn = {id(leaf) for leaf, is_ours in zip(_leaves(made), is_requested, strict=True) if is_ours}
    for name, tensor in _named_tensors(_arguments(model, made)):
        if id(tensor) in drawn and tensor.dtype in _INTEGERS:
            if name in rows:
                tensor.random_(0, rows[name], generator=generator)
            else:
                tensor.fill_(1)
    return made


def _leaves(inputs: ForwardInputs) -> list[Any]:
    leaves: list[Any] = []
    inputs.mapped(leaves.append)
    return leaves


def check_arguments(model: nn.Module, inputs: ForwardInputs) -> None:
    """Checks that ``forward`` takes these arguments.

    Raises:
        InputError: too many, too few, or of other names.
    """
    parameters = _forward_parameters(model)
    if parameters is None:
        return
    takes_any = any(item.kind is item.VAR_KEYWORD for item in parameters.parameters.values())
    unknown = [name for name in inputs.kwargs if name not in parameters.parameters and not takes_any]
    if unknown:
        raise InputError(
            f"{type(model).__name__}.forward takes {format_forward_parameters(model)} "
            f"and has no parameter {unknown[0]!r}"
            f"{did_you_mean(unknown[0], parameters.parameters)}"
        )
    try:
        parameters.bind(*inputs.args, **inputs.kwargs)
    except TypeError as error:
        given = len(inputs.args) + len(inputs.kwargs)
        raise InputError(
            f"{type(model).__name__}.forward takes {format_forward_parameters(model)} and was given "
            f"{given} input{'' if given == 1 else 's'}: {error}"
        ) from error


def format_forward_parameters(model: nn.Module) -> str:
    """The parameters of ``forward``, as a reader would write them: ``(x, mask=None)``."""
    parameters = _forward_parameters(model)
    if parameters is None:
        return "(…)"
    return str(
        parameters.replace(
            parameters=[item.replace(annotation=item.empty) for item in parameters.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
    )


def list_required_parameters(model: nn.Module) -> tuple[str, ...]:
    """Names of the parameters of ``forward`` that have no default."""
    parameters = _forward_parameters(model)
    if parameters is None:
        return ()
    return tuple(
        item.name
        for item in parameters.parameters.values()
        if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    )


def _forward_parameters(model: nn.Module) -> inspect.Signature | None:
    scripted = torch_compat.scripted_signature(model)
    if scripted is not None:
        return scripted
    try:
        return inspect.signature(model.forward)
    except (TypeError, ValueError):
        return None


def _floating_dtype(model: nn.Module) -> torch.dtype:
    """That of the first floating parameter or buffer: what a half-precision model wants as input."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.get_default_dtype()


def input_specs(model: nn.Module, inputs: ForwardInputs) -> tuple[InputSpec, ...]:
    """The tensors among ``inputs``, each under the parameter that takes it: ``images[0]``."""
    return tuple(
        InputSpec(name=name, shape=tuple(tensor.shape), dtype=dtype_name(tensor.dtype))
        for name, tensor in _named_tensors(_arguments(model, inputs))
    )


def resolve_input_specs(model: nn.Module, inputs: ForwardInputs) -> tuple[InputSpec, ...]:
    """The tensors that ``inputs`` ask for, as ``input_specs`` tells them, without any being filled."""
    return input_specs(model, create_inputs(model, inputs, "meta"))


def _arguments(model: nn.Module, inputs: ForwardInputs) -> dict[str, Any]:
    """By the parameters of ``forward`` that take them."""
    parameters = _forward_parameters(model)
    if parameters is None:
        return {str(position): value for position, value in enumerate(inputs.args)} | dict(inputs.kwargs)
    arguments: dict[str, Any] = dict(parameters.bind(*inputs.args, **inputs.kwargs).arguments)
    for item in parameters.parameters.values():
        if item.kind is item.VAR_KEYWORD:
            arguments |= arguments.pop(item.name, {})
    return arguments


def _named_tensors(arguments: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
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
