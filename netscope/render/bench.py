"""Renders ``BenchReport`` and ``SelfTest`` as documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from netscope.render import numbers
from netscope.render.bench_footer import format_footer, format_processes, get_batch_size, list_flags
from netscope.render.document import Column, Document, DocumentRequest, Kind, NameCell, Row, Style, document_of
from netscope.render.summary import View, summary_document
from netscope.schema import BenchEnvironment, BenchReport, BenchResult, SelfTest

LAYER_COLUMNS = ("type", "output", "params", "flops", "flops-share", "time", "time-share", "time-bar", "flop-rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class _BenchColumn:
    """A column of the table.

    Attributes:
        title: the heading.
        kind: the format of the value.
        value: returns the value of a result in a report.
        any_status: whether results that were not measured have the value too.
        rank: columns of a higher rank are left out first if there is no room.
        in_heading: whether a value that all results share is shown in the heading instead.
    """

    title: str
    kind: Kind
    value: Callable[[BenchResult, BenchReport], Any]
    any_status: bool = False
    rank: int = 0
    in_heading: bool = False


COLUMNS: dict[str, _BenchColumn] = {
    "batch": _BenchColumn(
        title="Batch", kind="count", value=lambda r, _: get_batch_size(r), any_status=True, in_heading=True
    ),
    "dtype": _BenchColumn(
        title="Dtype", kind="text", value=lambda r, _: r.config.dtype, any_status=True, in_heading=True
    ),
    "mode": _BenchColumn(title="Mode", kind="text", value=lambda r, _: r.config.mode, any_status=True, in_heading=True),
    "processes": _BenchColumn(
        title="Processes", kind="count", value=lambda r, _: r.config.nproc, any_status=True, in_heading=True
    ),
    "samples-per-second": _BenchColumn(title="Samples/s", kind="rate", value=lambda r, _: r.throughput),
    "half-width": _BenchColumn(title="±", kind="margin", value=lambda r, _: r.step_s.relative),
    "median": _BenchColumn(title="Median", kind="rate", value=lambda r, _: r.median_throughput, rank=4),
    "step": _BenchColumn(title="Step", kind="seconds", value=lambda r, _: r.step_s.mean, rank=1),
    "flop-rate": _BenchColumn(title="FLOP/s", kind="flops", value=lambda r, _: r.achieved_flops, rank=2),
    "share-of-peak": _BenchColumn(title="% of peak", kind="fraction", value=lambda r, _: r.peak_utilization, rank=2),
    "share-of-matmul": _BenchColumn(
        title="% of matmul", kind="fraction", value=lambda r, _: r.matmul_utilization, rank=3
    ),
    "efficiency": _BenchColumn(
        title="Efficiency", kind="fraction", value=lambda r, report: report.scaling_efficiency(r)
    ),
    "memory": _BenchColumn(
        title="Memory", kind="bytes", value=lambda r, _: max(r.peak_memory_bytes, default=None), rank=1
    ),
    "bound": _BenchColumn(title="Bound", kind="text", value=lambda r, _: r.bound),
    "note": _BenchColumn(title="", kind="text", value=lambda r, _: ", ".join(list_flags(r)), any_status=True),
}

_OPTIONAL = ("share-of-peak", "efficiency", "note", "memory", "flop-rate", "share-of-matmul")
"""Columns that are left out if no result has a value."""

EXACT_COLUMNS: dict[str, Callable[[BenchResult, BenchReport], Any]] = {
    "status": lambda r, _: r.status,
    "device": lambda r, _: r.config.device,
    "batch_size": lambda r, _: get_batch_size(r),
    "dtype": lambda r, _: r.config.dtype,
    "mode": lambda r, _: r.config.mode,
    "cast": lambda r, _: r.config.cast,
    "channels_last": lambda r, _: r.config.channels_last,
    "compile": lambda r, _: r.config.compile or "",
    "cuda_graph": lambda r, _: r.config.cuda_graph,
    "data": lambda r, _: r.config.data,
    "optimizer": lambda r, _: r.config.optimizer or "",
    "parallel": lambda r, _: r.config.parallel or "",
    "nproc": lambda r, _: r.config.nproc,
    "samples_per_s": lambda r, _: r.throughput,
    "relative_half_width": lambda r, _: r.step_s.relative,
    "has_converged": lambda r, _: r.has_converged,
    "is_drifting": lambda r, _: r.is_drifting,
    "median_samples_per_s": lambda r, _: r.median_throughput,
    "step_s": lambda r, _: r.step_s.mean,
    "blocks": lambda r, _: len(r.blocks),
    "measuring_s": lambda r, _: r.measuring_s,
    "build_s": lambda r, _: r.build_s,
    "warm_up_s": lambda r, _: r.warm_up.seconds if r.warm_up else None,
    "outliers": lambda r, _: r.outliers,
    "first_step_s": lambda r, _: r.warm_up.first_step_s if r.warm_up else None,
    "compile_s": lambda r, _: r.warm_up.compile_s if r.warm_up else None,
    "flops": lambda r, _: r.flops,
    "flops_per_s": lambda r, _: r.achieved_flops,
    "peak_utilization": lambda r, _: r.peak_utilization,
    "matmul_utilization": lambda r, _: r.matmul_utilization,
    "arithmetic_intensity": lambda r, _: r.arithmetic_intensity,
    "roofline": lambda r, _: r.roofline or "",
    "peak_memory_bytes": lambda r, _: max(r.peak_memory_bytes, default=None),
    "bound": lambda r, _: r.bound,
    "scaling_efficiency": lambda r, report: report.scaling_efficiency(r),
    "exposed_communication_s": lambda r, _: r.exposed_communication_s,
}
"""Columns of formats for programs, with units in the names; each row is complete."""

_FOR_ANY_STATUS = (
    "status", "device", "batch_size", "dtype", "mode", "cast", "channels_last", "compile", "cuda_graph", "data",
    "optimizer", "parallel", "nproc",
)  # fmt: skip
"""Columns that results without a measurement have too."""


@document_of.register
def bench_document(report: BenchReport, request: DocumentRequest) -> Document:
    """Returns the document of a report; in exact formats with every value of every result, unrounded."""
    if request.exact:
        return _exact_document(report)
    results = report.results
    heading_keys = {
        key
        for key, column in COLUMNS.items()
        if column.in_heading and len({column.value(result, report) for result in results}) <= 1
    }
    cells = {
        key: [_value(column, result, report) for result in results]
        for key, column in COLUMNS.items()
        if key not in heading_keys
    }
    shown = [key for key in cells if key not in _OPTIONAL or any(cell not in (None, "") for cell in cells[key])]
    columns = [
        Column(key=key, title=COLUMNS[key].title, kind=COLUMNS[key].kind, rank=COLUMNS[key].rank) for key in shown
    ]
    rows = tuple(
        Row(cells=(_create_name_cell(result), *(cells[key][number] for key in shown)), style=_style(result))
        for number, result in enumerate(results)
    )
    return Document(
        result=report,
        heading=tuple(_heading(report, heading_keys)),
        columns=(Column(key="architecture", title="Architecture", kind="name"), *columns),
        rows=rows,
        facts=tuple(format_footer(report)),
        attached=tuple(_layers(result) for result in results if result.layers is not None),
    )


@document_of.register
def _(result: BenchResult, request: DocumentRequest) -> Document:
    return document_of(BenchReport(results=(result,)), request)


def _exact_document(report: BenchReport) -> Document:
    rows = [
        Row(
            cells=(
                _create_name_cell(result),
                *(
                    value(result, report) if result.is_measured or key in _FOR_ANY_STATUS else None
                    for key, value in EXACT_COLUMNS.items()
                ),
                result.message,
            )
        )
        for result in report.results
    ]
    return Document(
        result=report,
        heading=(),
        columns=(
            Column(key="architecture", title="Architecture", kind="name"),
            *(Column(key=key, title=key, kind="raw") for key in EXACT_COLUMNS),
            Column(key="message", title="message", kind="raw"),
        ),
        rows=tuple(rows),
        facts=(),
    )


def _create_name_cell(result: BenchResult) -> NameCell:
    return NameCell(path=result.architecture.title, label=result.architecture.title)


def _value(column: _BenchColumn, result: BenchResult, report: BenchReport) -> Any:
    return column.value(result, report) if result.is_measured or column.any_status else None


def _style(result: BenchResult) -> Style:
    if not result.is_measured:
        return "removed"
    return "plain" if result.has_converged and not result.is_drifting else "changed"


def _heading(report: BenchReport, heading_keys: set[str]) -> Iterator[str]:
    if not report.results:
        yield "nothing was measured"
        return
    first = report.results[0]
    environment = first.environment
    yield f"{'  ·  '.join(_circumstances(first, heading_keys))}  ·  on {environment.device}"
    works = dict.fromkeys(result.work for result in report.results if result.work)
    for work in works:
        yield f"a step: {work}"
    if first.config.is_cuda:
        yield f"CUDA {environment.versions.get('cuda')}, driver {environment.driver or 'unknown'}; {_host(environment)}"
    else:
        yield _host(environment)


def _circumstances(result: BenchResult, heading_keys: set[str]) -> Iterator[str]:
    if "mode" in heading_keys:
        yield "training" if result.config.mode == "train" else "inference"
    if "batch" in heading_keys and get_batch_size(result):
        yield f"batch {get_batch_size(result):,}"
    if "dtype" in heading_keys:
        yield result.config.dtype
    if "processes" in heading_keys and result.config.nproc > 1:
        yield format_processes(result)
    if result.config.sync_every_step:
        yield "synchronized every step"


def _host(environment: BenchEnvironment) -> str:
    versions = environment.versions
    threads = (
        f"{numbers.count_nouns(environment.threads, 'thread')} on {numbers.count_nouns(environment.cores, 'core')}"
    )
    git = (
        f", git {environment.revision[:10]}{' with changes' if environment.dirty else ''}"
        if environment.revision
        else ""
    )
    return f"torch {versions.get('torch')}, Python {versions.get('python')}, {threads}{git}, {environment.time}"


def _layers(result: BenchResult) -> Document:
    """Returns the tree of layers with each module's time."""
    if result.layers is None or result.layer_overhead is None:
        raise ValueError("the layers were not timed")
    found = summary_document(result.layers, DocumentRequest(view=View(columns=LAYER_COLUMNS)))
    overhead = result.layer_overhead
    share = overhead.timed_step_s / overhead.bare_step_s - 1
    cost = (
        f"{overhead.events:,} events in a step, {numbers.seconds(overhead.per_event_s)} each: a step takes "
        f"{numbers.seconds(overhead.timed_step_s)} with them, {numbers.seconds(overhead.bare_step_s)} without "
        f"({100 * share:+.1f}%)".replace("(-", "(−")
    )
    facts = (("Time", "module calls in the forward pass, medians over the steps"), ("Overhead", cost), *found.facts)
    return replace(found, heading=(f"{result.architecture.title}, layer by layer", *found.heading[1:]), facts=facts)


@document_of.register
def self_test_document(test: SelfTest, _request: DocumentRequest) -> Document:
    """Returns the document of a self-test, with one row per check."""
    failed = [check.name for check in test.checks if not check.passed]
    verdict = f"{len(failed)} of {len(test.checks)} checks failed" if failed else f"{len(test.checks)} checks passed"
    return Document(
        result=test,
        heading=(f"{verdict}  ·  on {test.environment.device}", _host(test.environment)),
        columns=(
            Column(key="status", title="", kind="text"),
            Column(key="check", title="Check", kind="text"),
            Column(key="expected", title="Expected", kind="text"),
            Column(key="measured", title="Measured", kind="text"),
        ),
        rows=tuple(
            Row(
                cells=("ok" if check.passed else "FAILED", check.name, check.expected, check.measured),
                style="plain" if check.passed else "removed",
            )
            for check in test.checks
        ),
        facts=(),
    )
