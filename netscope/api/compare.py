"""The function ``compare``: one row per architecture, with errors as rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import Unpack

from netscope import analysis, sources
from netscope.api.arguments import SummaryOptions, check_arguments
from netscope.api.list import find_name_error, load_catalog
from netscope.api.resolve_and_trace import is_saved, parse_sizes
from netscope.api.summary import (
    SourcedSummary,
    check_is_model,
    get_summary,
    is_model,
    lookup_summary,
    summarize,
    summarize_with_source,
)
from netscope.api.workers.pool import Job, JobProgress, WorkerPool, choose_job_count
from netscope.errors import NetscopeError, UnknownNameError, UsageError
from netscope.runtime.wording import show_all_names
from netscope.schema import ComparedArchitecture, ComparisonTable, Summary

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import Origin, PublishedFigures

    Model = Summary | nn.Module | str

WILDCARDS = frozenset("*?[")


@check_arguments(summarize)
def compare(
    models: "Iterable[Model] | Model", inputs: Any = None, **options: Unpack[SummaryOptions]
) -> ComparisonTable:
    """Returns a table of architectures: their ideas, layers, activations and costs.

    Args:
        models: names, with ``*`` and ``?`` as wildcards; modules, summaries, and files of saved summaries.
        inputs: inputs of all, as for ``summarize``; by default the inputs that the source of each defines.
        options: other options of ``summarize``, for all.

    Returns:
        The table; ``print`` shows it. A model that cannot be built or run is a row with its ``error``. Duplicates are
        removed.

    Raises:
        UsageError: no architecture is given, or a pattern matches no name.
    """
    if isinstance(inputs, str) and sources.is_registered(inputs) and find_name_error(inputs) is None:
        raise UsageError(f"compare takes the architectures as a list: compare([…, {inputs!r}])")
    parse_sizes(inputs, options.get("batch_size"), options.get("seq_len"))
    # A module may also be iterable, e.g. nn.Sequential.
    given: list[Any] = list(models) if isinstance(models, Iterable) and not is_model(models) else [models]
    expanded: list[Model] = []
    notes: list[str] = []
    for model in given:
        check_is_model("models", model)
        names, more = expand_pattern(model) if isinstance(model, str) else ((model,), ())
        expanded += names
        notes += more
    rows = (_try_compare(model, inputs, options) for model in _drop_repeated(expanded))
    return _make_table(tuple(_drop_duplicates(rows)), notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """The arguments of ``netscope compare``.

    Attributes:
        specs: names and patterns, as typed.
        inputs: inputs of all, as for ``--input``; empty for the default inputs of each.
        options: other options of ``summarize``, for all.
        timeout_s: time after which a trace is aborted, in seconds; None for no limit.
        jobs: number of architectures to trace in parallel; None for the number that cores and memory allow.
    """

    specs: Sequence[str]
    inputs: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    jobs: int | None = None


def run_comparison(
    plan: ComparisonPlan,
    progress: Callable[[JobProgress], None] = lambda _: None,
    on_row: Callable[[ComparedArchitecture], None] = lambda _: None,
) -> ComparisonTable:
    """Returns the table of a plan, tracing each architecture in a separate process, so a crash is only a row.

    Args:
        plan: arguments of the comparison.
        progress: callback for the progress.
        on_row: callback for each row of the table, called in order, as soon as the row is complete.

    Raises:
        UsageError: the inputs, sizes or jobs are malformed, or a pattern matches no name.
    """
    parse_sizes(plan.inputs or None, plan.options.get("batch_size"), plan.options.get("seq_len"))
    at_once = choose_job_count(plan.jobs, (plan.options.get("device"),))
    if not any(map(is_pattern, plan.specs)):
        at_once = max(1, min(at_once, len(set(plan.specs))))
    with closing(WorkerPool(at_once)) as workers:
        names, notes = _expand_patterns(plan.specs)
        rows = []
        for row in _drop_duplicates(_compare_all(names, plan, workers, progress)):
            rows.append(row)
            on_row(row)
        return _make_table(rows, notes)


def _expand_patterns(specs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the names that the specs match, without repetitions, and notes."""
    expanded = [expand_pattern(spec) for spec in specs]
    names = _drop_repeated(name for found, _ in expanded for name in found)
    return list(names), [note for _, notes in expanded for note in notes]


def _compare_all(
    names: Sequence[str], plan: ComparisonPlan, workers: WorkerPool, progress: Callable[[JobProgress], None]
) -> Iterator[ComparedArchitecture]:
    """Yields the row of each name. Saved and cached summaries are read in this process, which needs no torch.

    An unknown name needs no torch either.
    """
    cached: dict[str, SourcedSummary | NetscopeError | None] = {
        name: lookup_summary(name, plan.inputs, plan.options) or find_name_error(name)
        for name in names
        if not is_saved(name)
    }
    jobs = [
        Job(
            label=name,
            folder=Path.cwd(),
            task="compared",
            arguments=(name, plan.inputs, plan.options),
            timeout_s=plan.timeout_s,
            is_foreign=not sources.is_registered(name),
        )
        for name, answer in cached.items()
        if answer is None
    ]
    results = workers.results(jobs, progress)
    for name in names:
        if is_saved(name):
            yield _try_compare(name, plan.inputs or None, plan.options)
            continue
        answer = cached[name] or next(results)
        if isinstance(answer, SourcedSummary):
            yield _make_row(answer, has_default_inputs=not plan.inputs)
        elif isinstance(answer, NetscopeError):
            yield _make_error_row(name, answer)
        else:
            yield msgspec.convert(answer, ComparedArchitecture)


def is_pattern(spec: str) -> bool:
    """Whether a spec has wildcards in its name; Python objects, saved summaries and options have none."""
    target = spec.partition("@")[0]
    return not WILDCARDS.isdisjoint(target) and ":" not in target and not is_saved(target)


def expand_pattern(spec: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names that match a pattern, each with the pattern's options, and notes.

    Args:
        spec: pattern; any other spec is returned unchanged.

    Raises:
        UnknownNameError: no name matches.
    """
    if not is_pattern(spec):
        return (spec,), ()
    pattern, at, options = spec.partition("@")
    entries, notes = sources.list_names(pattern, load_catalog)
    if not entries:
        reasons = "; ".join(("", *notes)) or f"; {show_all_names()}"
        raise UnknownNameError(f"no architecture matches {pattern!r}{reasons}")
    return tuple(f"{entry.name}{at}{options}" for entry in entries), notes


def compare_one(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    """Returns the row of one architecture.

    Raises:
        NetscopeError: the errors of ``summarize``.
    """
    if isinstance(model, Summary) or is_saved(model):
        summary = get_summary(model, inputs, dict(options))
        row = _add_origin(analysis.make_comparison_row(summary), sources.find_origin(summary.architecture))
        return replace(row, spec=model) if isinstance(model, str) else row
    return _make_row(summarize_with_source(model, inputs, **options), has_default_inputs=inputs is None)


def _make_row(sourced: SourcedSummary, *, has_default_inputs: bool) -> ComparedArchitecture:
    row = _add_origin(analysis.make_comparison_row(sourced.summary), sourced.origin)
    return _add_accuracy(row, sourced.published) if has_default_inputs else row


def _add_origin(row: ComparedArchitecture, origin: "Origin | None") -> ComparedArchitecture:
    return row if origin is None else replace(row, year=origin.year, paper=origin.paper, idea=origin.idea)


def _add_accuracy(row: ComparedArchitecture, published: "Sequence[PublishedFigures]") -> ComparedArchitecture:
    """Returns the row with the published accuracy, if the published weights have as many parameters."""
    for entry in published:
        if entry.top1 is not None and row.totals is not None and entry.params == row.totals.params:
            return replace(row, top1=entry.top1, top1_weights=entry.label)
    return row


def _try_compare(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    try:
        return compare_one(model, inputs, options)
    except NetscopeError as error:
        return _make_error_row(model if isinstance(model, str) else type(model).__name__, error)


def _make_error_row(spec: str, error: NetscopeError) -> ComparedArchitecture:
    return ComparedArchitecture(spec=spec, error=str(error), exit_code=error.exit_code)


def _drop_repeated(models: "Iterable[Any]") -> Iterator[Any]:
    """Yields each name and each object once."""
    seen: set[Any] = set()
    for model in models:
        key = model if isinstance(model, str) else id(model)
        if key not in seen:
            seen.add(key)
            yield model


def _make_table(rows: Sequence[ComparedArchitecture], notes: Iterable[str]) -> ComparisonTable:
    if not rows:
        raise UsageError("nothing to compare: give at least one architecture")
    return ComparisonTable(rows=tuple(rows), notes=tuple(dict.fromkeys(notes)))


def _drop_duplicates(rows: Iterable[ComparedArchitecture]) -> Iterator[ComparedArchitecture]:
    """Yields the rows without architectures that an earlier row lists under another name."""
    seen: list[ComparedArchitecture] = []
    for row in rows:
        nameless = _remove_name(row)
        if nameless is None or nameless not in seen:
            yield row
        if nameless is not None:
            seen.append(nameless)


def _remove_name(row: ComparedArchitecture) -> ComparedArchitecture | None:
    """Returns the row without the name as typed; None for files and Python objects, which have only one name."""
    architecture = row.architecture
    if architecture is None or architecture.source in ("python", "file") or is_saved(row.spec):
        return None
    return replace(row, spec="", architecture=replace(architecture, spec="", also=()))
