"""The use cases: what the command line does, for Python."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netscope import analysis, sources
from netscope.errors import InputError, TracingError, UntrainableError, UsageError, did_you_mean
from netscope.flops import flops_per_op
from netscope.schema import Cause, Listing, PeerCount, Summary, Trace, Verification
from netscope.schema.inputs import ForwardInputs, as_forward_inputs
from netscope.schema.memory import STATES_PER_PARAMETER

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import Published, ResolvedArchitecture
    from netscope.tracing import Subject

DEVICES = ("auto", "meta", "cpu", "cuda")
MODES = ("eval", "train")
FLOATING_DTYPES = ("float32", "float16", "bfloat16", "float64")


def summarize(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    device: str = "auto",
    dtype: str | None = None,
    mode: str = "eval",
    optimizer: str | None = None,
) -> Summary:
    """Every layer's output shape, parameters and FLOPs, from one forward pass or one step of training.

    Args:
        model: a module, which comes back as it was, or an architecture's name: ``"resnet50"``,
            ``"alexnet@dropout=0.1"``, ``"./my.py:Net"``.
        inputs: a shape ``(1, 3, 224, 224)``; a string ``"1x128:int64"``; a tensor; a list or tuple of these, one for
            each positional parameter of ``forward``; or a dict of these by parameter name. By default the
            architecture's own.
        batch_size: replaces the first size of every input.
        seq_len: tokens of each sequence in the architecture's own inputs.
        device: ``"auto"`` takes meta, where nothing is computed and no weight has memory, and the CPU where the model
            needs values; ``"meta"``, ``"cpu"`` and ``"cuda"`` force one.
        dtype: of the parameters, buffers and inputs that are floating; by default as they are.
        mode: ``"eval"``, or ``"train"`` for a whole step: a forward pass in train mode and the backward pass from the
            ``loss`` among the outputs, or else from all of them.
        optimizer: whose state a step of training keeps: ``"sgd"``, which has none, by default; ``"momentum"``,
            ``"adam"``, ``"adamw"``, …

    Returns:
        The summary; ``print`` shows it as the table.

    Raises:
        NetscopeError: one of its kinds, which say what to do.
    """
    sizes = _sizes(inputs, batch_size, seq_len)
    if optimizer is not None and mode != "train":
        raise UsageError(f"the optimizer {optimizer} goes with a step of training")
    if optimizer is not None and optimizer not in STATES_PER_PARAMETER:
        raise UsageError(
            f"there is no optimizer {optimizer!r}{did_you_mean(optimizer, STATES_PER_PARAMETER)}; the optimizers are "
            f"{', '.join(STATES_PER_PARAMETER)}"
        )
    resolved, recorded = _resolve_and_trace(model, sizes, device=device, dtype=dtype, mode=mode)
    trained_with = (optimizer or "sgd") if mode == "train" else None
    summary = analysis.summarise(recorded, flops_per_op(recorded), resolved.architecture, trained_with)
    return summary if resolved.runs else analysis.without_forward(summary)


def trace(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    device: str = "auto",
    dtype: str | None = None,
    mode: str = "eval",
) -> Trace:
    """The trace that ``summarize`` counts: every module call, every op and the tensors between them.

    Arguments and errors are those of ``summarize``.
    """
    sizes = _sizes(inputs, batch_size, seq_len)
    resolved, recorded = _resolve_and_trace(model, sizes, device=device, dtype=dtype, mode=mode)
    _check_runs(resolved)
    return recorded


def verify(
    model: "nn.Module | str", inputs: Any = None, *, batch_size: int | None = None, seq_len: int | None = None
) -> Verification:
    """Our counts beside torchinfo's, fvcore's and ``FlopCounterMode``'s on the same model, and the published ones.

    Arguments and errors are those of ``summarize``. A peer that fails is told so; its failure is not ours.
    """
    from netscope import tracing

    sizes = _sizes(inputs, batch_size, seq_len)
    with tracing.undisturbed():
        resolved = _resolve(model)
        _check_runs(resolved)
        subject = _subject(resolved, sizes)
        recorded = _trace_where_possible(subject, "auto", "eval", resolved.architecture.spec)
        tallies = tracing.peer_tallies(subject, recorded.device)
    flops = flops_per_op(recorded)
    summary = analysis.summarise(recorded, flops, resolved.architecture)
    peers = [analysis.compare(tally, summary, recorded, flops) for tally in tallies]
    if sizes.are_usual and resolved.published:
        peers.append(_closest_published(resolved.published, summary))
    return Verification(
        architecture=resolved.architecture,
        inputs=recorded.inputs,
        params=summary.totals.params,
        macs=summary.totals.macs,
        uncounted_ops=summary.uncounted_ops,
        peers=tuple(peers),
    )


def list_architectures(pattern: str = "*") -> Listing:
    """The names that can be loaded.

    Args:
        pattern: with ``*`` and ``?``, on the name or on ``source/name``; without either, any name that holds it.
    """
    architectures, remarks = sources.list_names(pattern)
    return Listing(pattern=pattern, architectures=architectures, remarks=remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """What the user says about the inputs."""

    inputs: ForwardInputs | None
    batch_size: int | None
    seq_len: int | None

    @property
    def are_usual(self) -> bool:
        """Whether the architecture's own inputs are taken as they are."""
        return self.inputs is None and self.batch_size is None and self.seq_len is None


def _sizes(inputs: Any, batch_size: int | None, seq_len: int | None) -> _Sizes:
    for what, value in (("batch size", batch_size), ("sequence length", seq_len)):
        if value is not None and (type(value) is not int or value < 1):
            raise UsageError(f"the {what} must be a whole number of at least 1, not {value!r}")
    if inputs is not None and seq_len is not None:
        raise UsageError(
            "a sequence length is that of the architecture's own inputs: give either inputs or a sequence length"
        )
    return _Sizes(inputs=None if inputs is None else as_forward_inputs(inputs), batch_size=batch_size, seq_len=seq_len)


def _resolve_and_trace(
    model: "nn.Module | str", sizes: _Sizes, *, device: str, dtype: str | None, mode: str
) -> "tuple[ResolvedArchitecture, Trace]":
    if device not in DEVICES:
        raise UsageError(f"there is no device {device!r}; the devices are {', '.join(DEVICES)}")
    if mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
    if dtype is not None and dtype not in FLOATING_DTYPES:
        raise UsageError(
            f"there is no floating dtype {dtype!r}{did_you_mean(dtype, FLOATING_DTYPES)}; they are "
            f"{', '.join(FLOATING_DTYPES)}"
        )

    from netscope import __version__, tracing

    with tracing.undisturbed():
        resolved = _resolve(model)
        if not sizes.are_usual or mode == "train":
            _check_runs(resolved)
        subject = _subject(resolved, sizes, dtype)
        recorded = _trace_where_possible(subject, device, mode, resolved.architecture.spec)
    versions = {"netscope": __version__, **recorded.versions, **resolved.versions}
    return resolved, replace(recorded, versions=versions)


def _check_runs(resolved: "ResolvedArchitecture") -> None:
    if not resolved.runs:
        raise UsageError(f"{resolved.architecture.spec} holds weights alone, which take no input and run nothing")


def _resolve(model: "nn.Module | str") -> "ResolvedArchitecture":
    return sources.resolve(model) if isinstance(model, str) else sources.lent_module(model)


def _subject(resolved: "ResolvedArchitecture", sizes: _Sizes, dtype: str | None = None) -> "Subject":
    from netscope import tracing

    spec = resolved.architecture.spec
    if sizes.seq_len is not None and resolved.sequence_inputs is None:
        raise UsageError(f"{spec} has no token sequences of its own whose length could be set: give its inputs")

    def inputs_for(module: "nn.Module") -> ForwardInputs:
        """What was asked for, or else what the source says, or else nothing if ``forward`` needs nothing."""
        inputs = sizes.inputs
        if sizes.seq_len is not None and resolved.sequence_inputs is not None:
            inputs = resolved.sequence_inputs(module, sizes.seq_len)
        inputs = inputs or resolved.default_inputs(module)
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

    return tracing.Subject(
        build=lambda device: sources.build(resolved.factory, spec, device),
        inputs=inputs_for,
        lent=resolved.lent,
        dtype=dtype,
    )


def _trace_where_possible(subject: "Subject", device: str, mode: str, what: str) -> Trace:
    """The trace on ``device``; for ``"auto"`` on meta, or on the CPU if meta fails for another reason than the shapes.

    Raises:
        InputError: the inputs do not fit a layer; the message has the arithmetic.
        DeviceError: the weights would not fit into memory.
    """
    from netscope import tracing

    def check_memory() -> None:
        tracing.check_memory(tracing.weight_bytes(subject.build("meta")), what)

    if device == "cpu":
        check_memory()
    try:
        return _trace_explained(subject, "meta" if device == "auto" else device, mode)
    except UntrainableError:
        raise
    except TracingError as error:
        if device != "auto":
            raise
        reason = error.failure.message if isinstance(error, tracing.ForwardError) else str(error)
    check_memory()
    values = "random inputs" if subject.lent else "random weights and inputs"
    remark = (
        f"traced on the CPU with {values}, because meta cannot run it ({_first_sentence(reason)}); "
        f"what depends on values may cost more or less with others"
    )
    return _trace_explained(subject, "cpu", mode, remarks=(remark,))


def _trace_explained(subject: "Subject", device: str, mode: str, remarks: tuple[str, ...] = ()) -> Trace:
    """The trace on ``device``, or the arithmetic of why the inputs do not fit."""
    from netscope import tracing

    try:
        recorded = tracing.trace(subject, device=device, mode=mode, remarks=remarks)
    except tracing.ForwardError as error:
        explanation = analysis.diagnose(error.failure)
        if explanation:
            raise InputError(explanation) from error
        raise
    mixture = analysis.mixed_dtypes(recorded)
    if mixture:
        raise InputError(mixture)
    return recorded


def _first_sentence(text: str) -> str:
    """Up to the first full stop or line break, without the period; of torch's own excuses, the name of the op."""
    op = re.search(r"register_meta function for (\S+)", text)
    return f"{op[1]} needs values" if op else re.split(r"\.\s|\n", text, maxsplit=1)[0].rstrip(".")


def _closest_published(entries: "Sequence[Published]", summary: Summary) -> PeerCount:
    """The published figures of the weights that the architecture fits best: a model may have several variants."""
    totals = summary.totals
    best = min(entries, key=lambda item: (abs(item.params - totals.params), abs((item.macs or 0) - totals.macs)))
    causes: tuple[Cause, ...] = ()
    if best.remark and best.macs is not None:
        causes = (Cause(quantity="macs", difference=best.macs - totals.macs, reason=best.remark),)
    return PeerCount(
        peer="published",
        version=best.label,
        params=best.params,
        macs=best.macs,
        rounded_to=best.macs_rounded_to,
        causes=causes,
        failure=None,
    )
