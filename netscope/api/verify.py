"""``verify``: our counts compared with other tools and published values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.arguments import check_arguments
from netscope.api.resolve_and_trace import (
    check_has_forward,
    make_trace_request,
    parse_sizes,
    resolve_to_trace,
    trace_with_fallback,
)
from netscope.flops import count_flops
from netscope.schema import Cause, Summary, ToolCount, Verification

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import PublishedFigures


@check_arguments()
def verify(
    model: "nn.Module | str", inputs: Any = None, *, batch_size: int | None = None, seq_len: int | None = None
) -> Verification:
    """Returns our counts compared with torchinfo, fvcore, ``FlopCounterMode`` and published values.

    Arguments are as for ``summarize``; the tools count a pass in eval mode, on meta if possible. A tool that fails is
    reported as such and raises nothing.
    """
    sizes = parse_sizes(inputs, batch_size, seq_len)
    with resolve_to_trace(model) as resolved:
        from netscope import tracing

        check_has_forward(resolved)
        request = make_trace_request(resolved, sizes)
        recorded = trace_with_fallback(resolved, request, "auto")
        tallies = tracing.run_reference_counters(request, recorded.device)
    flops = count_flops(recorded)
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
    """Returns the published values of the weights that are closest to our counts, since a model may have variants."""
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
