"""The function ``report``: the data of an HTML report of one architecture, or of two."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.resolve_and_trace import is_saved, parse_sizes, resolve_and_trace
from netscope.api.result_cache import Query, get_or_compute
from netscope.api.summary import get_summary
from netscope.schema import ArchitectureReport, BenchReport, BenchResult, DiffReport, Summary

if TYPE_CHECKING:
    from torch import nn


def report(
    model: "Summary | nn.Module | str",
    other: "Summary | nn.Module | str | None" = None,
    inputs: Any = None,
    *,
    bench: BenchReport | None = None,
    **options: Any,
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
    model: "Summary | nn.Module | str", inputs: Any, results: Sequence[BenchResult], options: dict[str, Any]
) -> ArchitectureReport:
    if isinstance(model, Summary) or is_saved(model):
        return make_report(get_summary(model, inputs, options), results)
    rest = dict(options)
    sizes = parse_sizes(inputs, rest.pop("batch_size", None), rest.pop("seq_len", None))

    def compute() -> ArchitectureReport:
        from netscope.flops import count_flops

        resolved, recorded = resolve_and_trace(model, sizes, **rest)
        flops = count_flops(recorded)
        summary = analysis.summarize_trace(recorded, flops, resolved.architecture)
        if not resolved.runs:
            return make_report(analysis.drop_forward_pass(summary))
        return replace(make_report(summary), dataflow=analysis.build_dataflow(recorded, flops))

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
