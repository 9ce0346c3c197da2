"""The functions ``summarize``, which is also called ``summary``, and ``trace``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from netscope.api.arguments import check_arguments
from netscope.api.resolve_and_trace import Sizes, check_has_forward, is_saved, parse_sizes, resolve_and_trace
from netscope.api.result_cache import Query, compute_key, get_or_compute, lookup
from netscope.api.saved_results import read_saved
from netscope.api.summary_torchinfo import translate_torchinfo
from netscope.errors import UsageError, did_you_mean
from netscope.runtime.wording import show_argument
from netscope.schema import Summary, Trace
from netscope.schema.inputs import FLOATING_DTYPES, ForwardInputs, parse_dtype, parse_inputs
from netscope.schema.memory import STATES_PER_PARAMETER
from netscope.sources import Origin, PublishedFigures

if TYPE_CHECKING:
    import torch
    from torch import nn

    from netscope.sources import ResolvedArchitecture


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedSummary:
    """A summary, and the publication data that the source of the architecture provides.

    Attributes:
        summary: the summary.
        origin: year, paper and idea of the architecture; None if unknown.
        published: published counts and accuracies.
    """

    summary: Summary
    origin: Origin | None = None
    published: tuple[PublishedFigures, ...] = ()


@check_arguments(translate=translate_torchinfo)
def summarize(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    device: "str | torch.device" = "auto",
    dtype: "str | torch.dtype | None" = None,
    mode: str = "eval",
    optimizer: str | None = None,
) -> Summary:
    """Returns the output shape, parameters and FLOPs of every layer, from one forward pass or training step.

    Args:
        model: a module, which is left unchanged, or the name of an architecture: ``"resnet50"``,
            ``"alexnet@dropout=0.1"``, ``"./my.py:Net"``.
        inputs: a shape ``(1, 3, 224, 224)``; a string ``"1x128:int64"``; a tensor; a list or tuple of these, one for
            each positional parameter of ``forward``; or a dict of these by parameter name. Default: the inputs that
            the architecture's source defines.
        batch_size: batch dimension (dim 0) of every input.
        seq_len: sequence length in tokens of the default inputs.
        device: ``"meta"``, where nothing is computed and weights use no memory; ``"cpu"``; ``"cuda"``; or ``"auto"``
            for meta, and the CPU if the model needs values. A ``torch.device`` works too.
        dtype: dtype to cast parameters, buffers and inputs of floating dtypes to, as text or a ``torch.dtype``; None to
            keep their dtypes.
        mode: ``"eval"``, or ``"train"`` for a full training step: a forward pass in train mode, and the backward pass
            from the ``loss`` in the outputs; without a ``loss``, from all outputs.
        optimizer: optimizer of the training step, whose state is counted as memory: ``"sgd"`` (the default, without
            state), ``"momentum"``, ``"adam"``, ``"adamw"``, …

    Returns:
        The summary; ``print`` shows it as a table.

    Raises:
        NetscopeError: a subclass for each kind of error.
    """
    return summarize_with_source(
        model,
        inputs,
        batch_size=batch_size,
        seq_len=seq_len,
        device=device,
        dtype=dtype,
        mode=mode,
        optimizer=optimizer,
    ).summary


summary = summarize


def is_model(value: Any) -> bool:
    """Whether a value is a module, the name of an architecture or file, or a summary."""
    return isinstance(value, str | Summary) or hasattr(value, "named_modules")


def check_is_model(argument: str, value: Any) -> None:
    """Checks that the value of an argument is a model rather than, for example, an input.

    Raises:
        UsageError: it is none; the message names the argument.
    """
    if not is_model(value):
        kind = type(value).__name__
        raise UsageError(f"{argument} must be a module, a name or a summary, not a {kind}; write inputs=… for inputs")


def get_summary(
    model: "Summary | nn.Module | str", inputs: Any = None, options: Mapping[str, Any] | None = None
) -> Summary:
    """Returns the summary of a model: a given summary itself, a saved one from its file, or a new one.

    Raises:
        NetscopeError: the errors of ``summarize``.
        SavedResultError: the file does not contain a summary.
        UsageError: inputs or options were given for a saved summary.
    """
    if isinstance(model, Summary):
        return model
    if not is_saved(model):
        return summarize(model, inputs, **(options or {}))
    given = [name for name, value in (options or {}).items() if value not in (None, "auto", "eval")]
    if inputs is not None or given:
        raise UsageError(f"{model} is a saved summary: inputs and options do not apply; pass the architecture instead")
    return read_saved(Summary, Path(cast("str", model)))


def summarize_with_source(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    **options: Any,
) -> SourcedSummary:
    """Returns the summary with its publication data, from the cache if possible.

    Arguments and errors are those of ``summarize``.
    """
    sizes = parse_sizes(inputs, batch_size, seq_len)
    if options.get("dtype") is not None:
        options["dtype"] = parse_dtype(options["dtype"], FLOATING_DTYPES)

    def compute() -> SourcedSummary:
        traced = trace_and_count(model, sizes, **options)
        resolved = traced.resolved
        return SourcedSummary(summary=traced.summary, origin=resolved.origin, published=resolved.published)

    if not isinstance(model, str):
        return compute()
    options_of_query = {"batch_size": batch_size, "seq_len": seq_len, **options}
    return get_or_compute(_make_query(model, sizes.inputs, options_of_query), SourcedSummary, compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTrace:
    """An architecture's trace, the FLOPs of each of its ops, and the summary of both."""

    resolved: "ResolvedArchitecture"
    trace: Trace
    flops: "Sequence[int | None]"
    summary: Summary


def trace_and_count(
    model: "nn.Module | str", sizes: Sizes, *, mode: str = "eval", optimizer: str | None = None, **how: Any
) -> CountedTrace:
    """Returns the trace, FLOPs and summary of a model.

    Raises:
        NetscopeError: the errors of ``summarize``.
    """
    if optimizer is not None and mode != "train":
        raise UsageError(f"{show_argument('--optimizer', optimizer)} requires {show_argument('--train')}")
    if optimizer is not None and optimizer not in STATES_PER_PARAMETER:
        raise UsageError(
            f"unknown optimizer {optimizer!r}{did_you_mean(optimizer, STATES_PER_PARAMETER)}; available optimizers: "
            f"{', '.join(STATES_PER_PARAMETER)}"
        )

    from netscope import analysis
    from netscope.flops import count_flops

    resolved, recorded = resolve_and_trace(model, sizes, mode=mode, **how)
    flops = count_flops(recorded)
    trained_with = (optimizer or "sgd") if mode == "train" else None
    summary = analysis.summarize_trace(recorded, flops, resolved.architecture, trained_with)
    if not resolved.runs:
        summary = analysis.drop_forward_pass(summary)
    return CountedTrace(resolved=resolved, trace=recorded, flops=flops, summary=summary)


def lookup_summary(
    model: str, inputs: Sequence[str], options: Mapping[str, Any], folder: Path = Path()
) -> SourcedSummary | None:
    """Returns the summary from the cache; None if it is not cached or outdated.

    Args:
        model: name of the architecture, as for ``summarize``.
        inputs: inputs, as for ``--input``.
        options: other options of ``summarize``.
        folder: folder of the architecture's files.
    """
    query = _make_query(model, parse_inputs(inputs) if inputs else None, options)
    return lookup(compute_key(replace(query, folder=folder)), SourcedSummary)


def _make_query(model: str, inputs: ForwardInputs | None, options: Mapping[str, Any]) -> Query:
    return Query(kind="summary", spec=model, inputs=inputs, options=options)


@check_arguments()
def trace(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    device: "str | torch.device" = "auto",
    dtype: "str | torch.dtype | None" = None,
    mode: str = "eval",
) -> Trace:
    """Returns the trace that ``summarize`` counts: every module call, every op and their tensors.

    Arguments and errors are those of ``summarize``.
    """
    sizes = parse_sizes(inputs, batch_size, seq_len)
    resolved, recorded = resolve_and_trace(model, sizes, device=str(device), dtype=dtype, mode=mode)
    check_has_forward(resolved)
    return recorded
