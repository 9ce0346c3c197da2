"""``summarize`` and ``trace``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netscope.api.resolve_and_trace import check_runs, resolve_and_trace, sizes_of
from netscope.api.result_cache import Query, get_or_compute, lookup
from netscope.errors import UsageError, did_you_mean
from netscope.schema import Summary, Trace
from netscope.schema.inputs import ForwardInputs, parse_inputs
from netscope.schema.memory import STATES_PER_PARAMETER
from netscope.sources import Origin, PublishedFigures

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryAnswer:
    """A summary, and what else the source of the architecture knows of it.

    Attributes:
        summary: every layer.
        origin: where the architecture comes from; None if unknown.
        published: figures to hold ours against.
    """

    summary: Summary
    origin: Origin | None = None
    published: tuple[PublishedFigures, ...] = ()


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
    return summary_answer(
        model,
        inputs,
        batch_size=batch_size,
        seq_len=seq_len,
        device=device,
        dtype=dtype,
        mode=mode,
        optimizer=optimizer,
    ).summary


def summary_answer(
    model: "nn.Module | str",
    inputs: Any = None,
    *,
    batch_size: int | None = None,
    seq_len: int | None = None,
    mode: str = "eval",
    optimizer: str | None = None,
    **how: Any,
) -> SummaryAnswer:
    """The summary with what else is known; given again where answers are, if it was given before.

    Arguments and errors are those of ``summarize``.
    """
    sizes = sizes_of(inputs, batch_size, seq_len)
    if optimizer is not None and mode != "train":
        raise UsageError(f"the optimizer {optimizer} goes with a step of training")
    if optimizer is not None and optimizer not in STATES_PER_PARAMETER:
        raise UsageError(
            f"there is no optimizer {optimizer!r}{did_you_mean(optimizer, STATES_PER_PARAMETER)}; the optimizers are "
            f"{', '.join(STATES_PER_PARAMETER)}"
        )

    def made() -> SummaryAnswer:
        from netscope import analysis
        from netscope.flops import count_flops

        resolved, recorded = resolve_and_trace(model, sizes, mode=mode, **how)
        trained_with = (optimizer or "sgd") if mode == "train" else None
        summary = analysis.summarize_trace(recorded, count_flops(recorded), resolved.architecture, trained_with)
        return SummaryAnswer(
            summary=summary if resolved.runs else analysis.without_forward(summary),
            origin=resolved.origin,
            published=resolved.published,
        )

    if not isinstance(model, str):
        return made()
    options = {"batch_size": batch_size, "seq_len": seq_len, "mode": mode, "optimizer": optimizer, **how}
    return get_or_compute(_query(model, sizes.inputs, options), SummaryAnswer, made)


def known_answer(
    model: str, inputs: Sequence[str], options: Mapping[str, Any], folder: Path = Path()
) -> SummaryAnswer | None:
    """What was answered before and is still right; None if nothing was.

    Args:
        model: as for ``summarize``.
        inputs: as ``--input`` takes them.
        options: of ``summarize``.
        folder: where files are looked for.
    """
    query = _query(model, parse_inputs(inputs) if inputs else None, options)
    return lookup(replace(query, folder=folder), SummaryAnswer)


def _query(model: str, inputs: ForwardInputs | None, options: Mapping[str, Any]) -> Query:
    return Query(kind="summary", spec=model, inputs=inputs, options=options)


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
    sizes = sizes_of(inputs, batch_size, seq_len)
    resolved, recorded = resolve_and_trace(model, sizes, device=device, dtype=dtype, mode=mode)
    check_runs(resolved)
    return recorded
