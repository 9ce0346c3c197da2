"""``report``: what is drawn of an architecture, or of two beside each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.diff import summary_of
from netscope.api.resolve_and_trace import is_saved, resolve_and_trace, sizes_of
from netscope.api.result_cache import Query, get_or_compute
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
    """What ``netscope report`` shows: of one architecture, or with ``other`` of both, aligned.

    Args:
        model: a module, an architecture's name, a summary, or the file of a saved one.
        other: likewise.
        inputs: as for ``summarize``.
        bench: what was measured; of it the results of these architectures are shown.
        options: the others of ``summarize``.

    Raises:
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    results = bench.results if bench is not None else ()
    before = _report_of(model, inputs, results, options)
    if other is None:
        return before
    after = _report_of(other, inputs, results, options)
    return DiffReport(diff=analysis.diff_summaries(before.summary, after.summary), before=before, after=after)


def report_of(summary: Summary, results: Sequence[BenchResult] = ()) -> ArchitectureReport:
    """That of a summary by itself, which has no dataflow."""
    return ArchitectureReport(
        summary=summary, chain=analysis.build_chain(summary), dataflow=(), bench=_results_of(summary, results)
    )


def _report_of(
    subject: "Summary | nn.Module | str", inputs: Any, results: Sequence[BenchResult], options: dict[str, Any]
) -> ArchitectureReport:
    if isinstance(subject, Summary) or is_saved(subject):
        return report_of(summary_of(subject, inputs, options), results)
    rest = dict(options)
    sizes = sizes_of(inputs, rest.pop("batch_size", None), rest.pop("seq_len", None))

    def made() -> ArchitectureReport:
        from netscope.flops import count_flops

        resolved, recorded = resolve_and_trace(subject, sizes, **rest)
        flops = count_flops(recorded)
        summary = analysis.summarize_trace(recorded, flops, resolved.architecture)
        if not resolved.runs:
            return report_of(analysis.without_forward(summary))
        return replace(report_of(summary), dataflow=analysis.build_dataflow(recorded, flops))

    if isinstance(subject, str):
        query = Query(kind="report", spec=subject, inputs=sizes.inputs, options=options)
        found = get_or_compute(query, ArchitectureReport, made)
    else:
        found = made()
    return replace(found, bench=_results_of(found.summary, results))


def _results_of(summary: Summary, results: Sequence[BenchResult]) -> tuple[BenchResult, ...]:
    """Those of this architecture: on inputs of the same sizes, or all of them where there are none on these."""
    of = (summary.architecture.source, summary.architecture.title)
    found = tuple(item for item in results if (item.architecture.source, item.architecture.title) == of)
    return tuple(item for item in found if item.is_on(summary.inputs)) or found
