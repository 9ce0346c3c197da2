"""Why a forward pass failed, in the reader's own numbers, where the arithmetic of a layer tells."""

from collections.abc import Sequence

from netscope.analysis.shapes import SpatialArithmetic
from netscope.schema import RAGGED, InputSpec, LayerFailure, PlainValue, Shape, Trace, TracedModule

SAME_DTYPES = frozenset(
    {"aten.convolution", "aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.mv", "aten.addmv", "aten.dot"}
)
"""Ops whose tensors have to be of one dtype."""

# Convolutions and poolings take (N, C, …) and, without a batch, (C, …).
_SPATIAL_DIMENSIONS = {"1d": 1, "2d": 2, "3d": 3}


def diagnose(failure: LayerFailure) -> str | None:
    """One sentence that says what the layer expects and what it got; None if no arithmetic explains the failure.

    Knows the layers of ``torch.nn`` by the hyperparameters that they keep, so subclasses that run their parent's
    ``forward`` are explained as well.
    """
    if failure.phase == "backward" or not failure.layer_inputs or not failure.is_torch_layer:
        return None
    if RAGGED in failure.layer_inputs[0].shape:
        return None
    shape = failure.layer_inputs[0].shape
    reason = (
        _wrong_dtype(failure)
        or _wrong_channels(failure, shape)
        or _wrong_features(failure, shape)
        or _too_small(failure, shape)
        or _one_value_per_channel(failure)
    )
    return f"{_layer(failure)} {reason}, from input {_inputs_text(failure.inputs)}" if reason else None


def diagnose_mixed_dtypes(trace: Trace) -> str | None:
    """One sentence about the first product of tensors of two dtypes; None if there is none.

    Meta does not compute, so it does not mind; every device that computes refuses.
    """
    for op in trace.ops:
        if op.name in SAME_DTYPES:
            dtypes = {trace.tensors[tensor].dtype for tensor in op.reads}
            if len(dtypes) > 1:
                module = trace.modules[trace.calls[op.call].module]
                inputs = ", ".join(f"{item.name} {item.dtype}" for item in trace.inputs)
                return (
                    f"{_layer(module)} multiplies {' with '.join(sorted(dtypes))}, which no device computes; "
                    f"the inputs are {inputs}"
                )
    return None


def _layer(place: LayerFailure | TracedModule) -> str:
    return f"{place.path} ({place.type_name})" if place.path else place.type_name


def _wrong_dtype(failure: LayerFailure) -> str | None:
    given = failure.layer_inputs[0].dtype
    if "num_embeddings" in failure.hyperparameters and not given.startswith(("int", "uint")):
        return f"looks up integer ids and got {given}: give the input a dtype, like 1x128:int64"
    weight = failure.weight_dtype
    about_types = any(word in failure.message.lower() for word in ("dtype", "type", "half", "float", "not implemented"))
    if "num_embeddings" not in failure.hyperparameters and weight is not None and given != weight and about_types:
        return f"computes in {weight} and got {given}"
    return None


def _wrong_channels(failure: LayerFailure, shape: Shape) -> str | None:
    expected = failure.hyperparameters.get("in_channels", failure.hyperparameters.get("num_features"))
    if not isinstance(expected, int):
        return None
    spatial = _spatial_dimensions(failure.type_name)
    if spatial is None:
        return None
    dimensions = [spatial + 2]
    if len(shape) > spatial and shape[-spatial - 1] == expected:
        dimensions.append(spatial + 1)
    if "in_channels" in failure.hyperparameters and len(shape) not in dimensions:
        return f"expects {spatial + 2} dimensions (N, {expected}, {', '.join('DHW'[-spatial:])}) and got {_text(shape)}"
    channels = (
        shape[-spatial - 1] if "in_channels" in failure.hyperparameters else shape[1:2][0] if len(shape) > 1 else None
    )
    if channels is not None and channels != expected:
        return f"expects {expected} input channel{'' if expected == 1 else 's'} and got {channels} ({_text(shape)})"
    return None


def _wrong_features(failure: LayerFailure, shape: Shape) -> str | None:
    expected = failure.hyperparameters.get("in_features", failure.hyperparameters.get("input_size"))
    if isinstance(expected, int) and shape and shape[-1] != expected:
        return f"expects {expected} input features and got {shape[-1]} ({_text(shape)})"
    normalized = failure.hyperparameters.get("normalized_shape")
    if isinstance(normalized, tuple) and shape[-len(normalized) :] != normalized:
        return f"normalises the last sizes {_text(_sizes(normalized))} and got {_text(shape)}"
    return None


def _too_small(failure: LayerFailure, shape: Shape) -> str | None:
    spatial = _spatial_dimensions(failure.type_name)
    if spatial is None or "kernel_size" not in failure.hyperparameters or len(shape) <= spatial:
        return None
    for axis, size in zip("DHW"[-spatial:], shape[-spatial:], strict=True):
        arithmetic = SpatialArithmetic.of(failure.hyperparameters, size, "DHW"[-spatial:].index(axis))
        if arithmetic is not None and arithmetic.output < 1:
            return f"is left with nothing of {_text(shape)}: {arithmetic.text}"
    return None


def _one_value_per_channel(failure: LayerFailure) -> str | None:
    if "more than 1 value per channel" in failure.message:
        return "normalises over the batch and has one value per channel: training needs a batch of at least 2"
    return None


def _spatial_dimensions(type_name: str) -> int | None:
    return next((count for suffix, count in _SPATIAL_DIMENSIONS.items() if suffix in type_name.lower()), None)


def _sizes(values: Sequence[PlainValue]) -> Shape:
    return tuple(value for value in values if isinstance(value, int))


def _text(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def _inputs_text(inputs: tuple[InputSpec, ...]) -> str:
    return ", ".join(f"{item.name}={_text(item.shape)}" for item in inputs)
