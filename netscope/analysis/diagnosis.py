"""Diagnosis of a failed forward pass by the arithmetic of the layer that failed."""

from collections.abc import Sequence

from netscope.analysis.shapes import SpatialArithmetic
from netscope.runtime.wording import show_argument
from netscope.schema import RAGGED, InputSpec, LayerFailure, PlainValue, Shape, Trace, TracedModule
from netscope.schema.inputs import FLOATING_DTYPES

SAME_DTYPES = frozenset(
    {"aten.convolution", "aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.mv", "aten.addmv", "aten.dot"}
)
"""Ops whose tensors must have the same dtype."""

# Convolutions and poolings take (N, C, …) and, without a batch, (C, …).
_SPATIAL_DIMENSIONS = {"1d": 1, "2d": 2, "3d": 3}


def diagnose(failure: LayerFailure) -> str | None:
    """Returns a sentence with the input that the layer expects and got; None if no arithmetic explains the failure.

    Layers of ``torch.nn`` are recognized by their hyperparameters, so subclasses that run their parent's ``forward``
    are explained as well.
    """
    if failure.phase == "backward" or not failure.layer_inputs or not failure.is_torch_layer:
        return None
    if RAGGED in failure.layer_inputs[0].shape:
        return None
    shape = failure.layer_inputs[0].shape
    reason = (
        _check_dtype(failure)
        or _check_channels(failure, shape)
        or _check_features(failure, shape)
        or _check_size(failure, shape)
        or _check_batch(failure)
    )
    return f"{reason} (model input {_format_inputs(failure.inputs)})" if reason else None


def diagnose_mixed_dtypes(trace: Trace) -> str | None:
    """Returns a sentence about the first matmul or convolution of two dtypes; None if there is none.

    The meta device computes nothing and accepts it; every other device raises.
    """
    for op in trace.ops:
        if op.name in SAME_DTYPES:
            dtypes = {trace.tensors[tensor].dtype for tensor in op.reads}
            if len(dtypes) > 1:
                module = trace.modules[trace.calls[op.call].module]
                inputs = ", ".join(f"{item.name} {item.dtype}" for item in trace.inputs)
                given = sorted(dtypes & {item.dtype for item in trace.inputs})
                remedy = f"; to cast the weights, too, use {show_argument('--dtype', given[0])}" if given else ""
                return (
                    f"{_name_layer(module)} multiplies {' by '.join(sorted(dtypes))}, which no device supports; "
                    f"the inputs are {inputs}{remedy}"
                )
    return None


def _name_layer(layer: LayerFailure | TracedModule) -> str:
    return f"{layer.path} ({layer.type_name})" if layer.path else layer.type_name


def _check_dtype(failure: LayerFailure) -> str | None:
    layer = _name_layer(failure)
    given = failure.layer_inputs[0].dtype
    if "num_embeddings" in failure.hyperparameters and not given.startswith(("int", "uint")):
        shape = failure.layer_inputs[0].shape
        source = next((item for item in failure.inputs if item.shape == shape and item.dtype == given), None)
        name = f"{source.name}=" if source is not None and len(failure.inputs) > 1 else ""
        example = f"{name}{'x'.join(map(str, source.shape))}:int64" if source is not None else "1x128:int64"
        return f"{layer} needs integer ids, got {given}; use e.g. {show_argument('--input', example)}"
    weight = failure.weight_dtype
    about_types = any(word in failure.message.lower() for word in ("dtype", "type", "half", "float", "not implemented"))
    if "num_embeddings" not in failure.hyperparameters and weight is not None and given != weight and about_types:
        is_float = given in FLOATING_DTYPES
        remedy = f"; to cast the weights, too, use {show_argument('--dtype', given)}" if is_float else ""
        return f"{layer} computes in {weight}, got {given}{remedy}"
    return None


def _check_channels(failure: LayerFailure, shape: Shape) -> str | None:
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
        sizes = f"(N, {expected}, {', '.join('DHW'[-spatial:])})"
        return f"{_name_layer(failure)} expects a {spatial + 2}-D input {sizes}, got {_format_shape(shape)}"
    channels = (
        shape[-spatial - 1] if "in_channels" in failure.hyperparameters else shape[1:2][0] if len(shape) > 1 else None
    )
    if channels is not None and channels != expected:
        count = f"{expected} input channel{'' if expected == 1 else 's'}"
        reason = f"{_name_layer(failure)} expects {count}, got {channels} in {_format_shape(shape)}"
        # As other frameworks order them.
        has_channels_last = shape[-1] == expected and failure.inputs and shape == failure.inputs[0].shape
        channels_first = "x".join(map(str, (shape[0], expected, *shape[1:-1])))
        return f"{reason}; channels come first: {channels_first}" if has_channels_last else reason
    return None


def _check_features(failure: LayerFailure, shape: Shape) -> str | None:
    expected = failure.hyperparameters.get("in_features", failure.hyperparameters.get("input_size"))
    if isinstance(expected, int) and shape and shape[-1] != expected:
        return f"{_name_layer(failure)} expects {expected} input features, got {shape[-1]} in {_format_shape(shape)}"
    normalized = failure.hyperparameters.get("normalized_shape")
    if isinstance(normalized, tuple) and shape[-len(normalized) :] != normalized:
        last = _format_shape(_integers(normalized))
        return f"{_name_layer(failure)} normalizes the last dimensions {last}, got {_format_shape(shape)}"
    return None


def _check_size(failure: LayerFailure, shape: Shape) -> str | None:
    spatial = _spatial_dimensions(failure.type_name)
    if spatial is None or "kernel_size" not in failure.hyperparameters or len(shape) <= spatial:
        return None
    for axis, size in enumerate(shape[-spatial:]):
        arithmetic = SpatialArithmetic.of(failure.hyperparameters, size, axis)
        if arithmetic is not None and arithmetic.output < 1:
            given = f"{_name_layer(failure)} gets {_format_shape(shape)}"
            return f"input too small: {given}, output size {arithmetic.text}"
    return None


def _check_batch(failure: LayerFailure) -> str | None:
    if "more than 1 value per channel" in failure.message:
        return f"{_name_layer(failure)} has one value per channel; training needs a batch of at least 2"
    return None


def _spatial_dimensions(type_name: str) -> int | None:
    return next((count for suffix, count in _SPATIAL_DIMENSIONS.items() if suffix in type_name.lower()), None)


def _integers(values: Sequence[PlainValue]) -> Shape:
    return tuple(value for value in values if isinstance(value, int))


def _format_shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def _format_inputs(inputs: tuple[InputSpec, ...]) -> str:
    return ", ".join(f"{item.name}={_format_shape(item.shape)}" for item in inputs)
