"""``verify``: our counts beside others'."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.resolve_and_trace import (
    check_has_forward,
    check_parameters_read,
    make_trace_request,
    parse_sizes,
    resolve,
    trace_with_fallback,
)
from netscope.flops import flops_per_op
from netscope.schema import Cause, Summary, ToolCount, Verification

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import PublishedFigures


def verify(
    model: "nn.Module | str", inputs: Any = None, *, batch_size: int | None = None, seq_len: int | None = None
) -> Verification:
    """Our counts beside torchinfo's, fvcore's and ``FlopCounterMode``'s on the same model, and the published ones.

    Arguments and errors are those of ``summarize``. A peer that fails is told so; its failure is not ours.
    """
    from netscope import tracing

    sizes = parse_sizes(inputs, batch_size, seq_len)
    with tracing.process_state_restored():
        resolved = resolve(model)
        check_has_forward(resolved)
        subject = make_trace_request(resolved, sizes)
        recorded = trace_with_fallback(subject, "auto", "eval", resolved.architecture.spec)
        check_parameters_read(recorded, subject, resolved.architecture.spec)
        tallies = tracing.count_with_other_tools(subject, recorded.device)
    flops = flops_per_op(recorded)
    summary = analysis.summarize_trace(recorded, flops, resolved.architecture)
    tools = [analysis.compare_counts(tally, summary, recorded, flops) for tally in tallies]
    if sizes.is_default and resolved.published:
        tools.append(_closest_published(resolved.published, summary))
    return Verification(
        architecture=resolved.architecture,
        inputs=recorded.inputs,
        params=summary.totals.params,
        macs=summary.totals.macs,
        uncounted_ops=summary.uncounted_ops,
        tools=tuple(tools),
    )


def _closest_published(entries: "Sequence[PublishedFigures]", summary: Summary) -> ToolCount:
    """The published figures of the weights that the architecture fits best: a model may have several variants."""
    totals = summary.totals
    best = min(entries, key=lambda item: (abs(item.params - totals.params), abs((item.macs or 0) - totals.macs)))
    causes: tuple[Cause, ...] = ()
    if best.note and best.macs is not None:
        causes = (Cause(quantity="macs", difference=best.macs - totals.macs, reason=best.note),)
    return ToolCount(
        tool="published",
        version=best.label,
        params=best.params,
        macs=best.macs,
        rounded_to=best.macs_rounded_to,
        causes=causes,
        failure=None,
    )
