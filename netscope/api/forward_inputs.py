"""The inputs of a pass: as requested, completed from the architecture's own, or an example if neither is known."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope.errors import InputError, NetscopeError
from netscope.runtime.wording import show_argument
from netscope.schema.inputs import ForwardInputs, TensorRequest, is_tensor, parse_dtype, parse_inputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.api.resolve_and_trace import Sizes
    from netscope.sources import ResolvedArchitecture
    from netscope.tracing import TraceRequest


def find_default_inputs(resolved: "ResolvedArchitecture", module: "nn.Module") -> ForwardInputs | None:
    """Returns the inputs that an architecture's source or file defines; None if it defines none."""
    from netscope import tracing

    return tracing.get_program_inputs(resolved.program) if resolved.program else resolved.default_inputs(module)


def find_inputs(resolved: "ResolvedArchitecture", sizes: "Sizes", module: "nn.Module") -> ForwardInputs | None:
    """Returns the requested inputs, or the default inputs, or none if ``forward`` requires none; None if unknown."""
    from netscope import tracing

    inputs = sizes.inputs
    if sizes.seq_len is not None and resolved.sequence_inputs is not None:
        inputs = resolved.sequence_inputs(module, sizes.seq_len)
    elif inputs is None:
        inputs = find_default_inputs(resolved, module)
    elif _is_bare_size(inputs):
        inputs = _resize_picture(find_default_inputs(resolved, module), inputs.args[0]) or inputs
    if inputs is None:
        if tracing.list_required_parameters(module):
            return None
        inputs = ForwardInputs(kwargs={})
    return inputs if sizes.batch_size is None else inputs.with_batch_size(sizes.batch_size)


def _is_bare_size(inputs: ForwardInputs) -> bool:
    """Returns whether the inputs are a single integer, as of ``--input 224``."""
    first = inputs.args[0] if len(inputs.args) == 1 and not inputs.kwargs else None
    return isinstance(first, TensorRequest) and len(first.shape) == 1


def _resize_picture(default: ForwardInputs | None, given: TensorRequest) -> ForwardInputs | None:
    """Returns the default inputs with another size, if they are a single square picture; None otherwise."""
    values = [] if default is None else [*default.args, *default.kwargs.values()]
    picture = values[0] if len(values) == 1 else None
    if default is None or not isinstance(picture, TensorRequest):
        return None
    match picture.shape:
        case (batch, channels, height, width) if height == width:
            shape = (batch, channels, *given.shape, *given.shape)
        case _:
            return None
    resized = TensorRequest(shape=shape, dtype=given.dtype or picture.dtype)
    return default.map_leaves(lambda _: resized)


def diagnose_missing_dimensions(
    resolved: "ResolvedArchitecture", sizes: "Sizes", request: "TraceRequest", device: str
) -> str | None:
    """Returns a sentence if the requested inputs of a pass that failed lack dimensions in front, as the batch is.

    Which layer failed says little: convolutions accept an input without a batch, and a later layer trips over it. The
    default inputs tell how many dimensions there are. Without them, a pass with a batch dimension is tried.
    """
    if sizes.inputs is None:
        return None
    module = request.build("meta")
    default = find_default_inputs(resolved, module)
    completed = None if default is None else _complete_from(default, sizes.inputs)
    if default is None:
        completed = sizes.inputs.map_leaves(lambda leaf: _add_dimensions(leaf, (1,)))
        if not _can_run(request, completed, device):
            return None
    if completed is None or completed == sizes.inputs:
        return None
    given, texts = sizes.inputs.to_texts(), completed.to_texts()
    short = next(position for position, text in enumerate(texts) if text != given[position])
    dimensions, expected = (text.count("x") + 1 for text in (given[short], texts[short]))
    lacks = "no batch size" if expected == dimensions + 1 else f"{dimensions} of {expected} dimensions"
    return f"the input {given[short]} has {lacks}; use {show_argument('--input', *texts)}"


def _complete_from(default: ForwardInputs, given: ForwardInputs) -> ForwardInputs:
    """Returns the given inputs with the dimensions in front that the default inputs have, and their dtypes."""
    in_order = [*default.args, *default.kwargs.values()]
    args = [
        _add_missing(value, in_order[position] if position < len(in_order) else None)
        for position, value in enumerate(given.args)
    ]
    kwargs = {
        name: _add_missing(value, default.kwargs.get(name, in_order[0] if len(in_order) == 1 else None))
        for name, value in given.kwargs.items()
    }
    return ForwardInputs(args=tuple(args), kwargs=kwargs)


def _add_missing(value: Any, default: Any) -> Any:
    # A list of images, as detectors take it, is also taken as a batch.
    front = (len(default),) if isinstance(default, list) and default else ()
    tensor = default[0] if front else default
    if not _has_shape(tensor) or not _has_shape(value):
        return value
    missing = (*front, *tensor.shape)[: len(front) + len(tensor.shape) - len(value.shape)]
    return _add_dimensions(value, tuple(missing), tensor.dtype) if missing else value


def _add_dimensions(value: Any, sizes: tuple[int, ...], dtype: Any = None) -> Any:
    if not _has_shape(value):
        return value
    dtype = value.dtype or dtype
    return TensorRequest(shape=(*sizes, *value.shape), dtype=None if dtype is None else parse_dtype(dtype))


def _has_shape(value: Any) -> bool:
    return isinstance(value, TensorRequest) or is_tensor(value)


def make_missing_input_error(request: "TraceRequest", module: "nn.Module", spec: str) -> InputError:
    """Returns the error for an architecture whose inputs are unknown, with an example that it can run if one does."""
    from netscope import tracing

    required = tracing.list_required_parameters(module)
    examples = list(tracing.suggest_inputs(module, len(required)))
    owned = replace(request, build=lambda _device: module, user_owned=True)
    works = (texts for texts in examples if _can_run(owned, parse_inputs(texts), "meta"))
    example = next(works, examples[0])
    texts = example if len(required) == 1 else [f"{name}={text}" for name, text in zip(required, example, strict=True)]
    return InputError(
        f"{spec} needs an input for {', '.join(required)}; pass e.g. {show_argument('--input', *texts)} (its forward "
        f"takes: {tracing.format_forward_parameters(module)[1:-1]})"
    )


def _can_run(request: "TraceRequest", inputs: ForwardInputs, device: str) -> bool:
    """Returns whether a forward pass with other inputs succeeds."""
    from netscope import tracing

    with suppress(NetscopeError):
        tracing.trace(replace(request, inputs=lambda _module: inputs), device=device)
        return True
    return False
