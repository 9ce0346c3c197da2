"""An architecture resolved, its inputs settled, and traced where it can be."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netscope import sources
from netscope.errors import (
    DeviceError,
    InputError,
    NetscopeError,
    TracingError,
    UntrainableError,
    UsageError,
    did_you_mean,
)
from netscope.runtime.startup import stub_imports
from netscope.schema import Trace
from netscope.schema.inputs import ForwardInputs, as_forward_inputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import ResolvedArchitecture
    from netscope.tracing import TraceRequest

DEVICES = ("auto", "meta", "cpu", "cuda")
MODES = ("eval", "train")
FLOATING_DTYPES = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the user says about the inputs."""

    inputs: ForwardInputs | None
    batch_size: int | None
    seq_len: int | None

    @property
    def are_usual(self) -> bool:
        """Whether the architecture's own inputs are taken as they are."""
        return self.inputs is None and self.batch_size is None and self.seq_len is None


def sizes_of(inputs: Any, batch_size: int | None, seq_len: int | None) -> Sizes:
    """What the user says about the inputs, once it is clear that it can be meant.

    Raises:
        UsageError: a size is no whole number of at least 1, or two answers were given to one question.
        InputError: the inputs are malformed.
    """
    for what, value in (("batch size", batch_size), ("sequence length", seq_len)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"the {what} must be a whole number of at least 1, not {value!r}")
    if inputs is not None and seq_len is not None:
        raise UsageError(
            "a sequence length is that of the architecture's own inputs: give either inputs or a sequence length"
        )
    return Sizes(inputs=None if inputs is None else as_forward_inputs(inputs), batch_size=batch_size, seq_len=seq_len)


def resolve_and_trace(
    model: "nn.Module | str", sizes: Sizes, *, device: str = "auto", dtype: str | None = None, mode: str = "eval"
) -> "tuple[ResolvedArchitecture, Trace]":
    """What ``model`` is, and its trace.

    Raises:
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    if device not in DEVICES:
        raise UsageError(f"there is no device {device!r}; the devices are {', '.join(DEVICES)}")
    if mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
    if dtype is not None and dtype not in FLOATING_DTYPES:
        raise UsageError(
            f"there is no floating dtype {dtype!r}{did_you_mean(dtype, FLOATING_DTYPES)}; they are "
            f"{', '.join(FLOATING_DTYPES)}"
        )

    from netscope import __version__

    with stub_imports():
        from netscope import tracing
    with stub_imports(), tracing.process_state_restored(), tracing.compiler_left_out():
        resolved = resolve(model)
        if not sizes.are_usual or mode == "train":
            check_runs(resolved)
        asked = {"--train": mode == "train", f"--dtype {dtype}": dtype, f"--device {device}": device in ("cpu", "cuda")}
        check_has_module(resolved, *(option for option, is_asked in asked.items() if is_asked))
        subject = trace_request(resolved, sizes, dtype)
        recorded = trace_where_possible(subject, device, mode, resolved.architecture.spec)
        if resolved.runs:
            check_parameters_read(recorded, subject, resolved.architecture.spec)
    versions = {"netscope": __version__, **recorded.versions, **resolved.versions}
    return resolved, replace(recorded, versions=versions)


def check_runs(resolved: "ResolvedArchitecture") -> None:
    """Checks that it has a forward pass.

    Raises:
        UsageError: it holds weights alone.
    """
    if not resolved.runs:
        raise UsageError(f"{resolved.architecture.spec} holds weights alone, which take no input and run nothing")


def check_has_module(resolved: "ResolvedArchitecture", *wanted: str) -> None:
    """Checks that there is a module where something is wanted that needs one.

    Raises:
        UsageError: it is a saved program, which is data; the message names what was wanted first.
    """
    if resolved.program and wanted:
        raise UsageError(
            f"{resolved.architecture.spec} is a saved program, which is read and not run: {wanted[0]} needs the module"
        )


def is_saved(model: "nn.Module | str") -> bool:
    """Whether it names the file of a saved summary."""
    return isinstance(model, str) and model.endswith(".json") and not model.startswith("hf/")


def resolve(model: "nn.Module | str") -> "ResolvedArchitecture":
    """What stands behind a name, or a module lent to us.

    Raises:
        UsageError: it is the file of a saved summary, in which there is no module.
        NetscopeError: as ``sources.resolve``.
    """
    if is_saved(model):
        raise UsageError(f"{model} is a saved summary, in which there is nothing to run")
    if not isinstance(model, str):
        return sources.user_module(model)
    return sources.resolve(model)


def trace_request(resolved: "ResolvedArchitecture", sizes: Sizes, dtype: str | None = None) -> "TraceRequest":
    """What is traced: the architecture's factory, and the inputs as asked or else its own."""
    from netscope import tracing

    spec, program = resolved.architecture.spec, resolved.program
    if sizes.seq_len is not None and resolved.sequence_inputs is None:
        raise UsageError(f"{spec} has no token sequences of its own whose length could be set: give its inputs")

    def inputs_for(module: "nn.Module") -> ForwardInputs:
        """What was asked for, or else what the source says, or else nothing if ``forward`` needs nothing."""
        inputs = sizes.inputs
        if sizes.seq_len is not None and resolved.sequence_inputs is not None:
            inputs = resolved.sequence_inputs(module, sizes.seq_len)
        inputs = inputs or (tracing.program_inputs(program) if program else resolved.default_inputs(module))
        if inputs is None:
            required = tracing.required_parameters(module)
            if required:
                example = "1x3x224x224" if len(required) == 1 else f"{required[0]}=1x3x224x224"
                raise InputError(
                    f"{spec} has no default input, and its forward takes "
                    f"{tracing.parameters_text(module)}: give one for {', '.join(required)}, like --input {example}"
                )
            inputs = ForwardInputs(kwargs={})
        return inputs if sizes.batch_size is None else inputs.with_batch_size(sizes.batch_size)

    return tracing.TraceRequest(
        build=lambda device: (
            tracing.program_module(program)
            if program
            else sources.build(resolved.factory, spec, device, tracing.OwnNumbers)
        ),
        inputs=inputs_for,
        user_owned=resolved.user_owned,
        dtype=dtype,
        meta_only=program is not None,
        notes=program.notes if program else (),
    )


def trace_where_possible(subject: "TraceRequest", device: str, mode: str, what: str) -> Trace:
    """The trace on ``device``; for ``"auto"`` on meta, or on the CPU if meta fails for another reason than the shapes.

    Raises:
        InputError: the inputs do not fit a layer; the message has the arithmetic.
        DeviceError: the weights would not fit into memory; the message has what failed on meta first.
    """
    from netscope import tracing

    def check_memory() -> None:
        tracing.check_memory(tracing.weight_bytes(subject.build("meta")), what)

    if device == "cpu":
        check_memory()
    try:
        return trace_explained(subject, "meta" if device == "auto" else device, mode)
    except UntrainableError:
        raise
    except TracingError as error:
        if device != "auto" or subject.meta_only:
            raise
        failure = error
    values = "random inputs" if subject.user_owned else "random weights and inputs"
    note = (
        f"traced on the CPU with {values}, because meta cannot run it ({reason_of(failure)}); "
        f"what depends on values may cost more or less with others"
    )
    try:
        check_memory()
        return trace_explained(subject, "cpu", mode, notes=(note,))
    except (tracing.ForwardError, UntrainableError):
        raise
    except (DeviceError, TracingError) as error:
        # It did not come to run there, so what meta failed with is the cause.
        raise type(error)(f"{failure}; {error}") from failure


def check_parameters_read(recorded: Trace, subject: "TraceRequest", what: str) -> None:
    """Checks that the pass read any of the model's parameters; one that read none was not asked anything.

    Raises:
        InputError: it has parameters and read none of them.
    """
    from netscope import analysis, tracing

    elements = {
        item.tensor: item.elements
        for module in recorded.modules
        for item in module.parameters
        if item.tensor is not None and item.elements
    }
    if not elements or not elements.keys() <= analysis.unread_tensors(recorded):
        return
    taken = tracing.parameters_text(subject.build("meta"))
    given = ", ".join(item.name for item in recorded.inputs)
    raise InputError(
        f"{what} read none of its {sum(elements.values()):,} parameters when it was run with {given or 'no input'}: "
        f"its forward takes {taken}; give it what it computes with, like --input NAME=1x3x224x224"
    )


def trace_explained(subject: "TraceRequest", device: str, mode: str, notes: tuple[str, ...] = ()) -> Trace:
    """The trace on ``device``, or the arithmetic of why the inputs do not fit."""
    from netscope import analysis, tracing

    try:
        recorded = tracing.trace(subject, device=device, mode=mode, notes=notes)
    except tracing.ForwardError as error:
        explanation = analysis.diagnose(error.failure)
        if explanation:
            raise InputError(explanation) from error
        raise
    mixture = analysis.mixed_dtypes(recorded)
    if mixture:
        raise InputError(mixture)
    return recorded


def reason_of(error: NetscopeError) -> str:
    """Why something could not be traced, up to the first full stop; of torch's own excuses, the name of the op."""
    from netscope import tracing

    text = error.failure.message if isinstance(error, tracing.ForwardError) else str(error)
    op = re.search(r"register_meta function for (\S+)", text)
    return f"{op[1]} needs values" if op else re.split(r"\.\s|\n", text, maxsplit=1)[0].rstrip(".")
