"""The function ``report``: the data of an HTML report of one architecture, or of two."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from netscope import analysis
from netscope.api.arguments import SummaryOptions, check_arguments
from netscope.api.resolve_and_trace import is_saved, parse_sizes
from netscope.api.result_cache import Query, get_or_compute
from netscope.api.summary import check_is_model, get_summary, summarize, trace_and_count
from netscope.errors import UsageError
from netscope.schema import ArchitectureReport, BenchReport, BenchResult, DiffReport, Summary

if TYPE_CHECKING:
    from torch import nn


@check_arguments(summarize)
def report(
    model: "Summary | nn.Module | str",
    other: "Summary | nn.Module | str | None" = None,
    inputs: Any = None,
    *,
    bench: BenchReport | None = None,
    **options: Unpack[SummaryOptions],
) -> ArchitectureReport | DiffReport:
    """Returns the data of a report of one architecture, or with ``other`` of the diff of two.

    Args:
        model: a module, the name of an architecture, a summary, or the file of a saved summary.
        other: the second architecture, in the same form; None for a report of one.
        inputs: inputs, as for ``summarize``.
        bench: benchmark report, from which the results of these architectures are shown.
        options: other options of ``summarize``.

    Raises:
        NetscopeError: the errors of ``summarize``.
    """
    if other is not None:
        check_is_model("other", other)
    if not isinstance(bench, BenchReport | None):
        raise UsageError(f"bench must be a report of netscope.bench, not {type(bench).__name__}")
    results = bench.results if bench is not None else ()
    before = _trace_report(model, inputs, results, options)
    if other is None:
        return before
    after = _trace_report(other, inputs, results, options)
    return DiffReport(diff=analysis.diff_summaries(before.summary, after.summary), before=before, after=after)


def make_report(summary: Summary, results: Sequence[BenchResult] = ()) -> ArchitectureReport:
    """Returns the report of a summary, which has no dataflow."""
    return ArchitectureReport(
        summary=summary, chain=analysis.build_chain(summary), dataflow=(), bench=_select_results(summary, results)
    )


def _trace_report(
    model: "Summary | nn.Module | str", inputs: Any, results: Sequence[BenchResult], options: SummaryOptions
) -> ArchitectureReport:
    if isinstance(model, Summary) or is_saved(model):
        return make_report(get_summary(model, inputs, options), results)
    how: dict[str, Any] = dict(options)
    sizes = parse_sizes(inputs, how.pop("batch_size", None), how.pop("seq_len", None))

    def compute() -> ArchitectureReport:
        traced = trace_and_count(model, sizes, **how)
        found = make_report(traced.summary)
        has_dataflow = traced.resolved.runs
        return replace(found, dataflow=analysis.build_dataflow(traced.trace, traced.flops)) if has_dataflow else found

    if isinstance(model, str):
        query = Query(kind="report", spec=model, inputs=sizes.inputs, options=options)
        found = get_or_compute(query, ArchitectureReport, compute)
    else:
        found = compute()
    return replace(found, bench=_select_results(found.summary, results))


def _select_results(summary: Summary, results: Sequence[BenchResult]) -> tuple[BenchResult, ...]:
    """Returns the results of the architecture with the same input sizes, or with any sizes if there are none."""
    key = (summary.architecture.source, summary.architecture.title)
    found = tuple(item for item in results if (item.architecture.source, item.architecture.title) == key)
    return tuple(item for item in found if item.is_on(summary.inputs)) or found
