"""``compare``: many architectures, a row each, of which one that fails leaves the others alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from netscope import analysis, sources
from netscope.api.diff import summary_of
from netscope.api.list import catalogue, known_catalogue
from netscope.api.resolve_and_trace import is_saved, sizes_of
from netscope.api.summary import SummaryAnswer, known_answer, summary_answer
from netscope.api.workers.client import WorkerError
from netscope.api.workers.pool import Job, JobProgress, WorkerPool, choose_job_count
from netscope.errors import NetscopeError, UnknownNameError, UsageError
from netscope.schema import ComparedArchitecture, ComparisonTable, Summary
from netscope.schema.inputs import parse_inputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import Origin, Published

    Model = Summary | nn.Module | str

PATTERN_SIGNS = frozenset("*?[")


def compare(models: "Iterable[Model] | Model", inputs: Any = None, **options: Any) -> ComparisonTable:
    """Many architectures beside each other: their ideas, what they are made of and what they cost.

    Args:
        models: names, also with ``*`` and ``?`` for all that fit; modules, summaries, and files of saved ones.
        inputs: what all are run on, as for ``summarize``; by default each one's own.
        options: the others of ``summarize``, for all.

    Returns:
        The table; ``print`` shows it. A model that netscope cannot build or run is a row with its ``error``. What is
        named twice is there once.

    Raises:
        UsageError: there is none, or a pattern fits no name.
    """
    # A module may be iterable as well, as nn.Sequential is.
    given: list[Any] = list(models) if isinstance(models, Iterable) and not _is_one(models) else [models]
    found: list[Model] = []
    notes: list[str] = []
    for model in given:
        names, told = names_of(model) if isinstance(model, str) else ((model,), ())
        found += names
        notes += told
    rows = (_row_or_reason(model, inputs, options) for model in _once(found))
    return _table(tuple(_distinct(rows)), notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """What ``netscope compare`` is to do.

    Attributes:
        specs: architectures and patterns, as typed.
        inputs: what all are run on, as ``--input`` takes it; empty for each one's own.
        options: the others of ``summarize``, for all.
        timeout_s: after which an architecture is given up; None for never.
        jobs: how many architectures are run at once; None for as many as there are cores and memory for.
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
    """The table of a plan, whose architectures are run in processes of their own: one that crashes is one row.

    Args:
        plan: what to do.
        progress: is told how far it has come.
        on_row: is given each of the table's rows as soon as it and those before it are known.

    Raises:
        UsageError: the inputs, sizes or jobs are malformed, or a pattern fits no name.
    """
    parse_inputs(plan.inputs)
    sizes_of(None, plan.options.get("batch_size"), plan.options.get("seq_len"))
    at_once = choose_job_count(plan.jobs, (plan.options.get("device"),))
    if not any(map(is_pattern, plan.specs)):
        at_once = max(1, min(at_once, len(set(plan.specs))))
    with closing(WorkerPool(at_once)) as workers:
        names, notes = _names(plan.specs, workers)
        rows = []
        for row in _distinct(_rows(names, plan, workers, progress)):
            rows.append(row)
            on_row(row)
        return _table(rows, notes)


def _names(specs: Sequence[str], workers: WorkerPool) -> tuple[list[str], list[str]]:
    """All names that are meant, each once, and remarks."""
    listed: dict[str, Sequence[str]] = {}
    notes: list[str] = []
    asked: list[str] = []
    for spec in filter(is_pattern, specs):
        try:
            listed[spec], told = names_of(spec, _known_catalogue)
            notes += told
        except _NotKnownError:
            asked.append(spec)
    if asked:
        workers.prepare(Path.cwd())
    jobs = [Job(label=spec, folder=Path.cwd(), task="names", arguments=(spec,)) for spec in asked]
    for spec, answer in zip(asked, workers.results(jobs), strict=True):
        if isinstance(answer, WorkerError):
            raise answer
        listed[spec], told = answer
        notes += told
    return list(_once(name for spec in specs for name in listed.get(spec, (spec,)))), notes


def _rows(
    names: Sequence[str], plan: ComparisonPlan, workers: WorkerPool, progress: Callable[[JobProgress], None]
) -> Iterator[ComparedArchitecture]:
    """The rows of these names. What was saved or answered before is read here, which needs no torch."""
    known = {name: known_answer(name, plan.inputs, plan.options) for name in names if not is_saved(name)}
    jobs = [
        Job(
            label=name,
            folder=Path.cwd(),
            task="compared",
            arguments=(name, plan.inputs, plan.options),
            timeout_s=plan.timeout_s,
            is_foreign=not sources.is_registered(name),
        )
        for name, answer in known.items()
        if answer is None
    ]
    results = workers.results(jobs, progress)
    for name in names:
        if is_saved(name):
            yield _row_or_reason(name, plan.inputs or None, plan.options)
            continue
        before = known[name]
        if before is not None:
            yield _row_of(before, has_own_inputs=not plan.inputs)
            continue
        answer = next(results)
        is_error = isinstance(answer, WorkerError)
        yield _failed(name, answer) if is_error else msgspec.convert(answer, ComparedArchitecture)


def is_pattern(spec: str) -> bool:
    """Whether it stands for all names that fit it, as no object and no saved summary does, nor anything in options."""
    target = spec.partition("@")[0]
    return not PATTERN_SIGNS.isdisjoint(target) and ":" not in target and not is_saved(target)


class _NotKnownError(Exception):
    """The names of a source are not known before it is imported."""


def _known_catalogue(source: str) -> sources.Catalogue:
    found = known_catalogue(source)
    if found is None:
        raise _NotKnownError
    return found


def names_of(
    spec: str, look_up: Callable[[str], sources.Catalogue] = catalogue
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that fit a pattern, each with its options, and remarks; what is no pattern is itself.

    Args:
        spec: the pattern.
        look_up: gives what there is in a source.

    Raises:
        UnknownNameError: nothing fits.
    """
    if not is_pattern(spec):
        return (spec,), ()
    pattern, at, options = spec.partition("@")
    listed, notes = sources.list_names(pattern, look_up)
    if not listed:
        reasons = "; ".join(("", *notes)) or "; netscope list shows what there is"
        raise UnknownNameError(f"no architecture fits {pattern!r}{reasons}")
    return tuple(f"{entry.name}{at}{options}" for entry in listed), notes


def compared_row(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    """The row of one architecture.

    Raises:
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    if isinstance(model, Summary) or is_saved(model):
        summary = summary_of(model, inputs, dict(options))
        row = _with_origin(analysis.comparison_row(summary), sources.origin_of(summary.architecture))
        return replace(row, spec=model) if isinstance(model, str) else row
    return _row_of(summary_answer(model, inputs, **options), has_own_inputs=inputs is None)


def _row_of(answer: SummaryAnswer, *, has_own_inputs: bool) -> ComparedArchitecture:
    row = _with_origin(analysis.comparison_row(answer.summary), answer.origin)
    return _with_accuracy(row, answer.published) if has_own_inputs else row


def _is_one(models: Any) -> bool:
    return isinstance(models, str | Summary) or hasattr(models, "named_modules")


def _with_origin(row: ComparedArchitecture, origin: "Origin | None") -> ComparedArchitecture:
    return row if origin is None else replace(row, year=origin.year, paper=origin.paper, idea=origin.idea)


def _with_accuracy(row: ComparedArchitecture, published: "Sequence[Published]") -> ComparedArchitecture:
    """With the published accuracy, unless the weights that have it are of another size."""
    for entry in published:
        if entry.top1 is not None and entry.params == row.params:
            return replace(row, top1=entry.top1, top1_of=entry.label)
    return row


def _row_or_reason(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    try:
        return compared_row(model, inputs, options)
    except NetscopeError as error:
        return _failed(model if isinstance(model, str) else type(model).__name__, error)


def _failed(spec: str, error: NetscopeError) -> ComparedArchitecture:
    return ComparedArchitecture(spec=spec, error=str(error), exit_code=error.exit_code)


def _once(models: "Iterable[Any]") -> Iterator[Any]:
    """Each name once, and each object."""
    seen: set[Any] = set()
    for model in models:
        key = model if isinstance(model, str) else id(model)
        if key not in seen:
            seen.add(key)
            yield model


def _table(rows: Sequence[ComparedArchitecture], notes: Iterable[str]) -> ComparisonTable:
    if not rows:
        raise UsageError("there is nothing to compare: name an architecture")
    return ComparisonTable(rows=tuple(rows), notes=tuple(dict.fromkeys(notes)))


def _distinct(rows: Iterable[ComparedArchitecture]) -> Iterator[ComparedArchitecture]:
    """Without those of an architecture that has another name among those before."""
    seen: list[ComparedArchitecture] = []
    for row in rows:
        nameless = _nameless(row)
        if nameless is None or nameless not in seen:
            yield row
        if nameless is not None:
            seen.append(nameless)


def _nameless(row: ComparedArchitecture) -> ComparedArchitecture | None:
    """The row without what was typed; None if it has no other name, as files and Python objects have none."""
    architecture = row.architecture
    if architecture is None or architecture.source in ("python", "file") or is_saved(row.spec):
        return None
    return replace(row, spec="", architecture=replace(architecture, spec=""))
