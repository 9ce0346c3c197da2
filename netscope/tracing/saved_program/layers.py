"""Infers the hyperparameters of torch's layers from the single op that such a layer runs."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from netscope.schema import PlainValue
from netscope.tracing import torch_compat
from netscope.tracing.modules import list_constructor_arguments
from netscope.tracing.saved_program.calls import ProgramCall, Step

_TORCH_LAYERS = "torch.nn.modules."


def infer_hyperparameters(call: ProgramCall, weights: Mapping[str, Any]) -> dict[str, PlainValue]:
    """Returns the constructor arguments of a torch layer, as far as its op and its weights determine them.

    Args:
        call: a call of the module. The result is empty unless it is a torch layer that ran a single op.
        weights: tensors by their names in the graph.
    """
    kind = getattr(nn, call.type_name.rpartition(".")[2], None) if call.type_name.startswith(_TORCH_LAYERS) else None
    if kind is None or len(call.parts) != 1 or not isinstance(call.parts[0], Step):
        return {}
    step = call.parts[0]
    name, _, overload = step.node.target.removeprefix("torch.ops.").rpartition(".")
    tensors = {item.name: weights.get(step.scope.name(read)) for item in step.node.inputs for read in item.arg.names()}
    given = {item.name: _to_plain_value(item.arg) for item in step.node.inputs if not item.arg.names()}
    defaults = torch_compat.get_argument_defaults(name, overload)
    known = {**defaults, **given, **_infer_sizes(name, tensors, {**defaults, **given})}
    has_weight = tensors.get("weight") is not None
    known |= {
        "bias": tensors.get("bias") is not None,
        "inplace": name.endswith("_"),
        # Other padding modes run a separate op, and poolings that return indices run another op.
        "padding_mode": "zeros",
        "return_indices": name.endswith("_with_indices"),
        "affine": has_weight,
        "elementwise_affine": has_weight,
        "track_running_stats": tensors.get("running_mean") is not None,
    }
    return {key: known[key] for key in list_constructor_arguments(kind) if key in known}


def _infer_sizes(name: str, tensors: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, PlainValue]:
    """Returns the hyperparameters that follow from the shape of a weight or a window."""
    if "_pool" in name and "adaptive" not in name:
        # One size for all axes, as it is usually written.
        return {key: value[0] for key, value in given.items() if isinstance(value, tuple) and len(set(value)) == 1}
    weight = tensors.get("weight")
    if not isinstance(weight, Tensor):
        return {}
    shape = tuple(weight.shape)
    padding_idx = given.get("padding_idx", -1)
    inferred: dict[str, dict[str, PlainValue]] = {
        "aten.linear": {"in_features": shape[-1], "out_features": shape[0]},
        "aten.embedding": {
            "num_embeddings": shape[0], "embedding_dim": shape[-1], "max_norm": None,
            "padding_idx": None if padding_idx == -1 else padding_idx,
        },
        "aten.batch_norm": {"num_features": shape[0]},
        "aten.group_norm": {"num_channels": shape[0]},
    }  # fmt: skip
    return _infer_convolution(name, shape, given) if name.startswith("aten.conv") else inferred.get(name, {})


def _infer_convolution(name: str, shape: tuple[int, ...], given: Mapping[str, Any]) -> dict[str, PlainValue]:
    """Returns the channels and windows of a convolution whose weight has this shape."""
    groups, axes = given.get("groups") or 1, len(shape) - 2
    first, second = ("in_channels", "out_channels") if "transpose" in name else ("out_channels", "in_channels")
    expanded = {key: (value[0],) * axes for key, value in given.items() if isinstance(value, tuple) and len(value) == 1}
    defaults = {key: (fill,) * axes for key, fill in (("stride", 1), ("padding", 0), ("dilation", 1))}
    return {
        first: shape[0], second: shape[1] * groups, "kernel_size": shape[2:], "groups": groups,
        **{key: expanded.get(key, given.get(key, value)) for key, value in defaults.items()},
    }  # fmt: skip


def _to_plain_value(argument: Any) -> PlainValue:
    """Returns the argument as a number, string or tuple of integers; None for any other."""
    for value in (argument.as_int, argument.as_bool, argument.as_float, argument.as_string):
        if value is not None:
            return value
    return argument.as_ints or None
