"""Resolving of architectures, and tracing of them with the requested inputs, on meta if possible."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netscope import sources
from netscope.api.forward_inputs import diagnose, find_inputs, make_missing_input_error
from netscope.api.list import load_catalog
from netscope.errors import (
    DeviceError,
    InputError,
    NetscopeError,
    TracingError,
    UntrainableError,
    UsageError,
)
from netscope.runtime.startup import stub_imports
from netscope.runtime.wording import show_argument
from netscope.schema import Trace
from netscope.schema.inputs import FLOATING_DTYPES, ForwardInputs, as_forward_inputs, parse_dtype

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import ResolvedArchitecture
    from netscope.tracing import TraceRequest

DEVICES = ("auto", "meta", "cpu", "cuda")
MODES = ("eval", "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The requested inputs, or sizes of the default inputs."""

    inputs: ForwardInputs | None
    batch_size: int | None
    seq_len: int | None

    @property
    def is_default(self) -> bool:
        """Whether the default inputs of the architecture are used unchanged."""
        return self.inputs is None and self.batch_size is None and self.seq_len is None


def parse_sizes(inputs: Any, batch_size: int | None, seq_len: int | None) -> Sizes:
    """Returns the requested inputs and sizes.

    Raises:
        UsageError: a size is not an integer of at least 1, or both inputs and a sequence length are given.
        InputError: the inputs are malformed.
    """
    for name, value in (("batch size", batch_size), ("sequence length", seq_len)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"the {name} must be an integer of at least 1, got {value!r}")
    if inputs is not None and seq_len is not None:
        raise UsageError(
            "a sequence length applies to the default inputs only: give either inputs or a sequence length"
        )
    return Sizes(inputs=None if inputs is None else as_forward_inputs(inputs), batch_size=batch_size, seq_len=seq_len)


def resolve_and_trace(
    model: "nn.Module | str", sizes: Sizes, *, device: str = "auto", dtype: Any = None, mode: str = "eval"
) -> "tuple[ResolvedArchitecture, Trace]":
    """Returns the resolved architecture and its trace.

    Raises:
        NetscopeError: the errors of ``summarize``.
    """
    check_device(device)
    if mode not in MODES:
        raise UsageError(f"unknown mode {mode!r}; available modes: {', '.join(MODES)}")
    dtype = None if dtype is None else parse_dtype(dtype, FLOATING_DTYPES)

    from netscope import __version__

    with resolve_to_trace(model) as resolved:
        if not sizes.is_default or mode == "train":
            check_has_forward(resolved)
        options = {
            show_argument("--train"): mode == "train",
            show_argument("--dtype", dtype): dtype,
            show_argument("--device", device): device in ("cpu", "cuda"),
        }
        check_has_module(resolved, *(option for option, is_set in options.items() if is_set))
        request = make_trace_request(resolved, sizes, dtype)
        recorded = trace_with_fallback(resolved, request, device, mode)
    versions = {"netscope": __version__, **recorded.versions, **resolved.versions}
    return resolved, replace(recorded, versions=versions)


def check_device(device: str) -> None:
    """Checks that architectures can be traced on a device of this name.

    Raises:
        UsageError: the name is unknown.
    """
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}; available devices: {', '.join(DEVICES)}")


@contextmanager
def resolve_to_trace(model: "nn.Module | str") -> "Iterator[ResolvedArchitecture]":
    """Yields the resolved architecture, and restores what it changes in the process when it is imported or run.

    An unknown name raises before torch is imported, which takes seconds.

    Raises:
        NetscopeError: the errors of ``resolve``.
    """
    location = sources.locate(model, load_catalog) if isinstance(model, str) and not is_saved(model) else None
    with stub_imports():
        from netscope import tracing
    with stub_imports(), tracing.preserve_process_state(), tracing.avoid_compiler_import():
        yield resolve(model, location)


def check_has_forward(resolved: "ResolvedArchitecture") -> None:
    """Checks that an architecture has a forward pass.

    Raises:
        UsageError: it is a weights file.
    """
    if not resolved.runs:
        raise UsageError(f"{resolved.architecture.spec} is a weights file, which does not define a forward pass")


def check_has_module(resolved: "ResolvedArchitecture", *options: str) -> None:
    """Checks that an architecture has a module, if any of these options requires one.

    Raises:
        UsageError: it is a saved program, which is data; the message names the first option.
    """
    if resolved.program and options:
        raise UsageError(
            f"{options[0]} needs the module; {resolved.architecture.spec} is a saved program, which is read and not run"
        )


def is_saved(model: "nn.Module | str") -> bool:
    """Whether a model is the name of a saved summary's file."""
    return isinstance(model, str) and model.endswith(".json") and not model.startswith("hf/")


def resolve(model: "nn.Module | str", location: "sources.Location | None" = None) -> "ResolvedArchitecture":
    """Returns the architecture of a name, or of the user's module.

    Args:
        model: the name or module.
        location: where the architecture of a name is; None to locate it here.

    Raises:
        UsageError: the name is the file of a saved summary, which contains no module.
        NetscopeError: the errors of ``sources.resolve``.
    """
    if is_saved(model):
        raise UsageError(f"{model} is a saved summary, which cannot be run; pass the architecture instead")
    if not isinstance(model, str):
        return sources.resolve_module(model)
    return sources.resolve(model, location or sources.locate(model, load_catalog))


def make_trace_request(resolved: "ResolvedArchitecture", sizes: Sizes, dtype: str | None = None) -> "TraceRequest":
    """Returns the request to trace an architecture, with the requested inputs or its default inputs."""
    from netscope import tracing

    spec, program = resolved.architecture.spec, resolved.program
    if sizes.seq_len is not None and resolved.sequence_inputs is None:
        raise UsageError(f"{spec} has no default token inputs, so no sequence length can be set: give its inputs")

    def find(module: "nn.Module") -> ForwardInputs:
        inputs = find_inputs(resolved, sizes, module)
        if inputs is None:
            raise make_missing_input_error(resolved, request, module)
        return inputs

    request = tracing.TraceRequest(
        build=lambda device: (
            tracing.build_program_module(program)
            if program
            else sources.build(resolved.factory, spec, device, tracing.PrivateGenerators, resolved.architecture.options)
        ),
        inputs=find,
        user_owned=resolved.user_owned,
        dtype=dtype,
        meta_only=program is not None,
        notes=program.notes if program else (),
        diagnose=lambda failure, mode: diagnose(resolved, sizes, request, failure, mode),
    )
    return request


def trace_with_fallback(
    resolved: "ResolvedArchitecture", request: "TraceRequest", device: str, mode: str = "eval"
) -> Trace:
    """Returns the trace on ``device``; for ``"auto"`` on meta, or on the CPU if meta fails other than by shapes.

    Raises:
        InputError: the inputs do not fit a layer; the message shows the arithmetic. Or the pass read no parameter.
        DeviceError: the weights do not fit into memory; the message starts with the failure on meta.
    """
    recorded = _trace_where_possible(request, device, mode, resolved.architecture.spec)
    if resolved.runs:
        _check_parameters_read(recorded, request, resolved.architecture.spec)
    return recorded


def _trace_where_possible(request: "TraceRequest", device: str, mode: str, spec: str) -> Trace:
    from netscope import tracing

    def check_memory() -> None:
        tracing.check_memory(tracing.count_weight_bytes(request.build("meta")), spec)

    if device == "cpu":
        check_memory()
    try:
        return trace_or_diagnose(request, "meta" if device == "auto" else device, mode)
    except UntrainableError:
        raise
    except TracingError as error:
        if device != "auto" or request.meta_only:
            raise
        failure = error
    values = "random inputs" if request.user_owned else "random weights and inputs"
    note = (
        f"traced on the CPU with {values} because the model cannot run on meta ({shorten_reason(failure)}); "
        f"costs that depend on values may differ for other values"
    )
    try:
        check_memory()
        return trace_or_diagnose(request, "cpu", mode, notes=(note,))
    except (tracing.ForwardError, UntrainableError):
        raise
    except (DeviceError, TracingError) as error:
        # The model was not run on the CPU, so the failure on meta is the cause.
        raise type(error)(f"{failure}; {error}") from failure


def _check_parameters_read(recorded: Trace, request: "TraceRequest", spec: str) -> None:
    """Checks that the pass read any of the model's parameters; otherwise its inputs are not those it computes with.

    Raises:
        InputError: the model has parameters, and the pass read none of them.
    """
    from netscope import analysis, tracing

    elements = {
        item.tensor: item.elements
        for module in recorded.modules
        for item in module.parameters
        if item.tensor is not None and item.elements
    }
    if not elements or not elements.keys() <= analysis.find_unread_tensors(recorded):
        return
    taken = tracing.format_forward_parameters(request.build("meta"))[1:-1]
    given = ", ".join(item.name for item in recorded.inputs)
    raise InputError(
        f"{spec} read none of its {sum(elements.values()):,} parameters when run with {given or 'no input'}; pass the "
        f"inputs it computes with, e.g. {show_argument('--input', 'NAME=1x3x224x224')} (its forward takes: {taken})"
    )


def trace_or_diagnose(request: "TraceRequest", device: str, mode: str, notes: tuple[str, ...] = ()) -> Trace:
    """Returns the trace on ``device``; raises an error with the arithmetic if the inputs do not fit a layer."""
    from netscope import analysis, tracing

    try:
        recorded = tracing.trace(request, device=device, mode=mode, notes=notes)
    except tracing.ForwardError as error:
        explanation = request.diagnose(error.failure, mode)
        if explanation:
            raise InputError(explanation) from error
        raise
    explanation = analysis.diagnose_mixed_dtypes(recorded)
    if explanation:
        raise InputError(explanation)
    return recorded


def shorten_reason(error: NetscopeError) -> str:
    """Returns the first sentence of an error; for an op without a meta kernel, that the op needs values."""
    from netscope import tracing

    text = error.failure.message if isinstance(error, tracing.ForwardError) else str(error)
    op = re.search(r"register_meta function for (\S+)", text)
    return f"{op[1]} needs values" if op else re.split(r"\.\s|\n", text, maxsplit=1)[0].rstrip(".")
