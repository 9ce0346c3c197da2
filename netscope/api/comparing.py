"""``compare``: many architectures, a row each, of which one that fails leaves the others alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from netscope import analysis, sources
from netscope.api.diffing import summary_of
from netscope.api.isolation import Worker, WorkerError
from netscope.api.subjects import is_saved, sizes_of
from netscope.api.summarizing import summarize_resolved
from netscope.errors import NetscopeError, UnknownNameError, UsageError
from netscope.schema import ComparedArchitecture, ComparisonTable, Summary
from netscope.schema.inputs import parse_inputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import Origin, ResolvedArchitecture

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
    remarks: list[str] = []
    for model in given:
        names, told = names_of(model) if isinstance(model, str) else ((model,), ())
        found += names
        remarks += told
    return _table([_row_or_reason(model, inputs, options) for model in _once(found)], remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """What ``netscope compare`` is to do.

    Attributes:
        specs: architectures and patterns, as typed.
        inputs: what all are run on, as ``--input`` takes it; empty for each one's own.
        options: the others of ``summarize``, for all.
        timeout_s: after which an architecture is given up; None for never.
    """

    specs: Sequence[str]
    inputs: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None


def run_comparison(
    plan: ComparisonPlan, progress: Callable[[int, int, str], None] = lambda *_: None
) -> ComparisonTable:
    """The table of a plan, whose architectures are run in a process of their own: one that crashes is one row.

    Args:
        plan: what to do.
        progress: is told the number of the architecture that is being worked on, how many there are, and its name.

    Raises:
        UsageError: the inputs or sizes are malformed, or a pattern fits no name.
    """
    parse_inputs(plan.inputs)
    sizes_of(None, plan.options.get("batch_size"), plan.options.get("seq_len"))
    with closing(Worker(Path.cwd())) as worker:
        found: list[str] = []
        remarks: list[str] = []
        for spec in plan.specs:
            names, told = worker.answer("names", (spec,)) if is_pattern(spec) else ((spec,), ())
            found += names
            remarks += told
        names = list(_once(found))
        rows = []
        for number, name in enumerate(names, start=1):
            progress(number, len(names), name)
            rows.append(_row_from(worker, name, plan))
        return _table(rows, remarks)


def is_pattern(spec: str) -> bool:
    """Whether it stands for all names that fit it, as no object and no saved summary does, nor anything in options."""
    target = spec.partition("@")[0]
    return not PATTERN_SIGNS.isdisjoint(target) and ":" not in target and not is_saved(target)


def names_of(spec: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that fit a pattern, each with its options, and remarks; what is no pattern is itself.

    Raises:
        UnknownNameError: nothing fits.
    """
    if not is_pattern(spec):
        return (spec,), ()
    pattern, at, options = spec.partition("@")
    listed, remarks = sources.list_names(pattern)
    if not listed:
        reasons = "; ".join(("", *remarks)) or "; netscope list shows what there is"
        raise UnknownNameError(f"no architecture fits {pattern!r}{reasons}")
    return tuple(f"{entry.name}{at}{options}" for entry in listed), remarks


def compared_row(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    """The row of one architecture.

    Raises:
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    if isinstance(model, Summary) or is_saved(model):
        summary = summary_of(model, inputs, dict(options))
        row = _with_origin(analysis.compared(summary), sources.origin_of(summary.architecture))
        return replace(row, spec=model) if isinstance(model, str) else row
    resolved, summary = summarize_resolved(model, inputs, **options)
    row = _with_origin(analysis.compared(summary), resolved.origin)
    return row if inputs is not None else _with_accuracy(row, resolved)


def _is_one(models: Any) -> bool:
    return isinstance(models, str | Summary) or hasattr(models, "named_modules")


def _with_origin(row: ComparedArchitecture, origin: "Origin | None") -> ComparedArchitecture:
    return row if origin is None else replace(row, year=origin.year, paper=origin.paper, idea=origin.idea)


def _with_accuracy(row: ComparedArchitecture, resolved: "ResolvedArchitecture") -> ComparedArchitecture:
    """With the published accuracy, unless the weights that have it are of another size."""
    for entry in resolved.published:
        if entry.top1 is not None and entry.params == row.params:
            return replace(row, top1=entry.top1, top1_of=entry.label)
    return row


def _row_or_reason(model: "Model", inputs: Any, options: Mapping[str, Any]) -> ComparedArchitecture:
    try:
        return compared_row(model, inputs, options)
    except NetscopeError as error:
        return _failed(model if isinstance(model, str) else type(model).__name__, error)


def _row_from(worker: Worker, name: str, plan: ComparisonPlan) -> ComparedArchitecture:
    """The row as the worker makes it. What was saved is read here, which needs no torch."""
    if is_saved(name):
        return _row_or_reason(name, plan.inputs or None, plan.options)
    try:
        answer = worker.answer("compared", (name, plan.inputs, plan.options), timeout_s=plan.timeout_s)
    except WorkerError as error:
        return _failed(name, error)
    return msgspec.convert(answer, ComparedArchitecture)


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


def _table(rows: Sequence[ComparedArchitecture], remarks: Iterable[str]) -> ComparisonTable:
    """The table, with an architecture that has two names under the first."""
    if not rows:
        raise UsageError("there is nothing to compare: name an architecture")
    kept: list[ComparedArchitecture] = []
    seen: list[ComparedArchitecture] = []
    for row in rows:
        nameless = _nameless(row)
        if nameless is None or nameless not in seen:
            kept.append(row)
        if nameless is not None:
            seen.append(nameless)
    return ComparisonTable(rows=tuple(kept), remarks=tuple(dict.fromkeys(remarks)))


def _nameless(row: ComparedArchitecture) -> ComparedArchitecture | None:
    """The row without what was typed; None if it has no other name, as files and Python objects have none."""
    architecture = row.architecture
    if architecture is None or architecture.source in ("python", "file") or is_saved(row.spec):
        return None
    return replace(row, spec="", architecture=replace(architecture, spec=""))
