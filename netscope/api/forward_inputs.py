"""The inputs of a pass: as requested, completed from the architecture's own, or an example if neither is known."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from netscope.errors import InputError, NetscopeError
from netscope.runtime.wording import show_argument
from netscope.schema import LayerFailure
from netscope.schema.inputs import ForwardInputs, TensorRequest, is_tensor, parse_inputs

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
    """Returns the requested inputs, or the default inputs, or none if ``forward`` requires none.

    None if they are unknown, or fewer than ``forward`` requires.
    """
    from netscope import tracing

    inputs = sizes.inputs
    if sizes.seq_len is not None and resolved.sequence_inputs is not None:
        inputs = resolved.sequence_inputs(module, sizes.seq_len)
    else:
        known = find_default_inputs(resolved, module)
        inputs = known if inputs is None else _complete(inputs, known)
    inputs = ForwardInputs(kwargs={}) if inputs is None else inputs
    if len(inputs.args) + len(inputs.kwargs) < len(tracing.list_required_parameters(module)):
        return None
    return inputs if sizes.batch_size is None else inputs.with_batch_size(sizes.batch_size)


def _complete(inputs: ForwardInputs, known: ForwardInputs | None) -> ForwardInputs:
    """Returns inputs with what they leave to the default inputs: an integer's dtype, the rest of a picture's shape."""
    if known is None:
        return inputs
    return (_is_bare_size(inputs) and _resize_picture(known, inputs.args[0])) or _match(known, inputs, _add_dtype)


def _add_dtype(value: Any, known: Any) -> Any:
    dtype = _name_dtype(known) if _has_shape(known) and isinstance(value, TensorRequest) else None
    is_missing = dtype is not None and value.dtype is None and dtype.startswith(("int", "uint", "bool"))
    return replace(value, dtype=dtype) if is_missing else value


def _is_bare_size(inputs: ForwardInputs) -> bool:
    """Returns whether the inputs are a single integer, as of ``--input 224``."""
    first = inputs.args[0] if len(inputs.args) == 1 and not inputs.kwargs else None
    return isinstance(first, TensorRequest) and len(first.shape) == 1


def _resize_picture(default: ForwardInputs, given: TensorRequest) -> ForwardInputs | None:
    """Returns the default inputs with another size, if they are a single square picture; None otherwise."""
    values = [*default.args, *default.kwargs.values()]
    picture = values[0] if len(values) == 1 else None
    if not isinstance(picture, TensorRequest):
        return None
    match picture.shape:
        case (batch, channels, height, width) if height == width:
            shape = (batch, channels, *given.shape, *given.shape)
        case _:
            return None
    resized = TensorRequest(shape=shape, dtype=given.dtype or picture.dtype)
    return default.map_leaves(lambda _: resized)


def diagnose(
    resolved: "ResolvedArchitecture", sizes: "Sizes", request: "TraceRequest", failure: LayerFailure, mode: str
) -> str | None:
    """Returns a sentence about the inputs if they are why a pass failed; None if that is not known."""
    from netscope import analysis

    given = sizes.inputs
    if given is None or failure.phase == "backward":
        return analysis.diagnose(failure)
    module = request.build("meta")
    known = find_default_inputs(resolved, module)
    can_run = partial(_can_run, request, device=failure.device, mode=mode)
    missing = _diagnose_missing_dimensions(given, known, can_run, lambda: _find_example(request, module))
    explanation = missing or analysis.diagnose(failure)
    if explanation is None and known is not None and failure.device != "cuda" and can_run(known):
        where = failure.path or failure.type_name
        return f"{where} refuses its input: {failure.message}; use e.g. {show_argument('--input', *known.to_texts())}"
    return explanation


def _diagnose_missing_dimensions(
    given: ForwardInputs,
    known: ForwardInputs | None,
    can_run: Callable[[ForwardInputs], bool],
    find_example: Callable[[], tuple[str, ...] | None],
) -> str | None:
    """Returns a sentence if inputs lack dimensions in front, as the batch is; None if they do not.

    Which layer failed says little: convolutions accept an input without a batch, and a later layer trips over it. So
    the pass is tried with the missing dimensions. If that fails as well, the inputs have a second fault. Then
    dimensions are missing if the model cannot run without them on inputs that it is known to take.
    """
    if known is None:
        completed = given.map_leaves(_add_batch)
        if not can_run(completed):
            example = find_example()
            known = None if example is None else parse_inputs(example)
    elif _is_bare_size(given) and _resize_picture(known, given.args[0]):
        return None
    if known is not None:
        completed = _match(known, given, _add_missing_dimensions)
    before, after = given.to_texts(), completed.to_texts()
    if before == after:
        return None
    runs = can_run(completed)
    if not runs and (known is None or can_run(_match(given, known, _drop_dimensions))):
        return None
    short = next(position for position, text in enumerate(after) if text != before[position])
    sizes, expected = _list_sizes(before[short]), _list_sizes(after[short])
    texts = after if runs or known is None else known.to_texts()
    # What follows the batch is in its place if it is as large as usual, such as the channels.
    is_batch = len(expected) == len(sizes) + 1 and (runs or sizes[:1] in [_list_sizes(text)[1:2] for text in texts])
    lacks = "no batch size" if is_batch else f"{len(sizes)} of {len(expected)} dimensions"
    return f"the input {before[short]} has {lacks}; use {show_argument('--input', *texts)}"


def _list_sizes(text: str) -> list[str]:
    return text.rpartition("=")[2].partition(":")[0].split("x")


def _match(others: ForwardInputs, inputs: ForwardInputs, function: Callable[[Any, Any], Any]) -> ForwardInputs:
    """Returns ``inputs`` with ``function`` applied to each of them and its counterpart in ``others``, if it has one."""
    in_order = [*others.args, *others.kwargs.values()]
    names = [*[""] * len(inputs.args), *inputs.kwargs]

    def convert(position: int, value: Any) -> Any:
        # Another name is another input: inputs_embeds has not the dtype of input_ids.
        is_by_position = position < len(in_order) and not (names[position] and others.kwargs)
        fallback = in_order[position] if is_by_position else None
        other = others.kwargs.get(names[position], fallback)
        return function(value, other) if _has_shape(value) and other is not None else value

    values = [convert(position, value) for position, value in enumerate([*inputs.args, *inputs.kwargs.values()])]
    count = len(inputs.args)
    return ForwardInputs(args=tuple(values[:count]), kwargs=dict(zip(inputs.kwargs, values[count:], strict=True)))


def _add_missing_dimensions(value: Any, known: Any) -> Any:
    # A list of images, as detectors take it, is also taken as a batch.
    front = (len(known),) if isinstance(known, list) and known else ()
    tensor = known[0] if front else known
    if not _has_shape(tensor):
        return value
    expected, shape = (*front, *tensor.shape), tuple(value.shape)
    missing = max(len(expected) - len(shape), 0)
    if missing == 1 and len(shape) > 2 and shape[-1] == expected[1] != shape[0]:  # noqa: PLR2004 - channels at the end
        shape = (shape[-1], *shape[:-1])
    dtype = _name_dtype(value) or _name_dtype(tensor)
    return TensorRequest(shape=(*expected[:missing], *shape), dtype=dtype) if missing else value


def _drop_dimensions(known: Any, given: Any) -> Any:
    extra = len(known.shape) - len(given.shape) if _has_shape(given) else 0
    return TensorRequest(shape=tuple(known.shape[extra:]), dtype=_name_dtype(known)) if extra > 0 else known


def _add_batch(value: Any) -> Any:
    return TensorRequest(shape=(1, *value.shape), dtype=_name_dtype(value)) if _has_shape(value) else value


def _has_shape(value: Any) -> bool:
    return isinstance(value, TensorRequest) or is_tensor(value)


def _name_dtype(value: Any) -> str | None:
    return None if value.dtype is None else str(value.dtype).removeprefix("torch.")


def make_missing_input_error(
    resolved: "ResolvedArchitecture", request: "TraceRequest", module: "nn.Module"
) -> InputError:
    """Returns the error for an architecture that lacks inputs, with an example that it can run if one does."""
    from netscope import tracing

    required = tracing.list_required_parameters(module)
    known = find_default_inputs(resolved, module)
    example = known.to_texts() if known else _find_example(request, module)
    example = example or next(tracing.suggest_inputs(module, len(required)))
    if len(required) > 1:
        example = tuple(f"{name}={text.rpartition('=')[2]}" for name, text in zip(required, example, strict=False))
    spec = resolved.architecture.spec
    return InputError(
        f"{spec} needs an input for {', '.join(required)}; pass e.g. {show_argument('--input', *example)} (its forward "
        f"takes: {tracing.format_forward_parameters(module)[1:-1]})"
    )


def _find_example(request: "TraceRequest", module: "nn.Module") -> tuple[str, ...] | None:
    """Returns inputs that a model runs with, as text; None if none of the usual ones does."""
    from netscope import tracing

    required = tracing.list_required_parameters(module)
    owned = replace(request, build=lambda _device: module, user_owned=True)
    examples = tracing.suggest_inputs(module, max(len(required), 1))
    example = next((texts for texts in examples if _can_run(owned, parse_inputs(texts), device="meta")), None)
    if example is None or len(required) <= 1:
        return example
    return tuple(f"{name}={text}" for name, text in zip(required, example, strict=True))


def _can_run(request: "TraceRequest", inputs: ForwardInputs, *, device: str, mode: str = "eval") -> bool:
    """Returns whether a pass with other inputs succeeds."""
    from netscope import tracing

    with suppress(NetscopeError):
        tracing.trace(replace(request, inputs=lambda _module: inputs), device=device, mode=mode)
        return True
    return False
