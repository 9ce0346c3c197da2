"""The function ``check`` for one architecture, and the checks of a project."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from netscope import analysis, config, sources
from netscope.api.arguments import SummaryOptions, check_arguments
from netscope.api.check.base import Base, BaseFinder
from netscope.api.check.plans import CheckPlan
from netscope.api.list import find_name_error
from netscope.api.resolve_and_trace import is_saved
from netscope.api.summary import get_summary, lookup_summary, summarize
from netscope.api.workers.client import WorkerError
from netscope.api.workers.pool import Job, JobProgress, WorkerPool, choose_job_count
from netscope.errors import NetscopeError, UsageError
from netscope.schema import (
    PYTEST_SEPARATOR,
    TEST_NAME_PREFIX,
    CheckReport,
    CheckRequest,
    Location,
    LockedModel,
    ModelCheck,
    Rule,
    Summary,
)

if TYPE_CHECKING:
    from torch import nn


@check_arguments(summarize)
def check(
    model: "Summary | nn.Module | str",
    rules: Mapping[str, Any] | None = None,
    inputs: Any = None,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[SummaryOptions],
) -> CheckReport:
    """Checks an architecture against rules, and returns the report.

    Args:
        model: module, name or summary, as for ``diff``.
        rules: metric → limit, as in the configuration file: ``{"params": 62_378_344, "flops": {"max": "2.3G"}}``.
            Metrics are the keys of ``METRIC_UNITS``; bounds are ``equal``, ``max``, ``min`` and ``warn``.
        inputs: inputs, as for ``summarize``.
        layers: module pattern → rules for each matching module: ``{"features.*": {"params": {"max": "4M"}}}``.
        options: other options of ``summarize``.

    Returns:
        The report; ``report.passed`` is whether all rules passed, ``print`` shows it.

    Raises:
        ConfigError: a rule is invalid.
        UsageError: no rule is given.
        NetscopeError: the errors of ``summarize``.
    """
    rules = {} if rules is None else rules
    if not isinstance(rules, Mapping):
        raise UsageError(
            f"rules must be a dict, e.g. {{'params': {{'max': '26M'}}}}, not {type(rules).__name__}; write inputs=… "
            f"for inputs"
        )
    parsed = config.parse_rules(rules, layers)
    if reason := config.explain_no_failure(parsed, lock=False):
        raise UsageError(reason)
    if any(rule.bound == "max_increase" for rule in parsed):
        raise UsageError("max_increase requires a lock file: use it for a check in the configuration file")
    summary = get_summary(model, inputs, options)
    name = model if isinstance(model, str) else summary.architecture.name
    request = CheckRequest(
        name=name, model=name, options={}, rules=parsed, location=Location(file="", line=None, key=name)
    )
    return CheckReport(models=(analysis.evaluate_rules(request, summary, analysis.LockEntry(model=None)),))


def check_for_test(
    model: "Summary | nn.Module | str", given: Sequence[Mapping[str, Any]], *, name: str, folder: Path, update: bool
) -> tuple[CheckReport, dict[str, LockedModel]]:
    """Returns the report of a check in a test, and the new lock file entry by name if ``update`` is set.

    Args:
        model: module, name or summary, as for ``diff``.
        given: rules, ``layers``, ``lock``, ``input``, ``name`` and options of ``summarize``, from each marker and the
            call. All rules hold, and one ``lock`` suffices; what is not a rule must be the same wherever it is given.
        name: name of the test, and of the lock file entry unless ``given`` has a ``name``.
        folder: folder of the lock file.
        update: whether to update the lock file instead of comparing with it.

    Raises:
        NetscopeError: the errors of ``check``; and if the lock file is damaged.
    """
    rules: dict[Rule, None] = {}
    settings: dict[str, Any] = {}
    lock_modes: list[str | None] = []
    for table in given:
        rest = dict(table)
        layers = rest.pop("layers", None)
        asks_lock, modes = config.parse_lock(rest.pop("lock", False))
        lock_modes += modes or [None] * asks_lock
        for key in ("input", "name", *config.OPTIONS):
            if key in rest:
                _add_setting(settings, key, rest.pop(key))
        rules |= dict.fromkeys(config.parse_rules(rest, layers))
    inputs = settings.pop("input", None)
    name = f"{TEST_NAME_PREFIX}{settings.pop('name')}" if "name" in settings else name
    location = Location(file="", line=None, key=name)
    spec = model if isinstance(model, str) else type(model).__name__
    if reason := config.explain_no_failure(rules, lock=bool(lock_modes)):
        raise UsageError(reason)
    if any(rule.from_base for rule in rules):
        raise UsageError("base requires netscope check; max_increase of a test is measured from the lock file")
    summary = get_summary(model, inputs, settings)
    request = CheckRequest(
        name=name,
        model=spec,
        options={"mode": summary.mode},
        rules=tuple(rules),
        lock=bool(lock_modes),
        lock_modes=tuple(dict.fromkeys(mode or summary.mode for mode in lock_modes)),
        location=location,
    )
    summaries = {summary.mode: summary}
    for mode in request.entry_names.keys() - summaries.keys():
        if isinstance(model, Summary):
            raise UsageError(f"a summary has one mode, {summary.mode}: to lock it in {mode} mode, pass the model")
        summaries[mode] = get_summary(model, inputs, settings | {"mode": mode})
    updates = create_entries(request, summaries) if update else {}
    lock_file = config.read_lock(folder / config.LOCK_NAME)
    status = evaluate_with_lock(lock_file, request, summaries, updates)
    return CheckReport(models=(status,)), updates


def _add_setting(settings: dict[str, Any], key: str, value: Any) -> None:
    """Adds a setting that a test has only once.

    Raises:
        UsageError: it has another value already, so that one of the two would not hold.
    """
    known = settings.setdefault(key, value)
    is_plain = isinstance(value, (str, int, type(None))) or (
        isinstance(value, tuple) and set(map(type, value)) == {int}
    )
    if known is not value and not (is_plain and type(known) is type(value) and known == value):
        raise UsageError(
            f"{key} is given as {known!r} and as {value!r} by markers or calls that hold together; give it once, or "
            f"write two tests"
        )


def update_lock(folder: Path, updates: Mapping[str, LockedModel]) -> None:
    """Updates entries of the lock file in ``folder``, without changing the others.

    Raises:
        ConfigError: the lock file is damaged.
        OutputError: the lock file cannot be written.
    """
    path = folder / config.LOCK_NAME
    config.write_lock(path, config.update_lock(config.read_lock(path), updates))


def run_checks(plans: Sequence[CheckPlan], progress: Callable[[JobProgress], None] = lambda _: None) -> CheckReport:
    """Runs the checks of the plans, and returns one report. An error or crash in one check does not affect the others.

    Args:
        plans: arguments of the run, one per project, with equal options.
        progress: callback for the progress.

    Raises:
        ConfigError: a lock file is damaged.
        OutputError: a lock file cannot be written.
        UsageError: the revision is unknown, or the jobs are malformed.
    """
    how = plans[0]
    at_once = choose_job_count(how.jobs, [request.options.get("device") for plan in plans for request in plan.requests])
    locks = [config.read_lock(plan.folder / config.LOCK_NAME) for plan in plans]
    checked: list[ModelCheck] = []
    with ExitStack() as cleanup:
        finder = BaseFinder(cleanup=cleanup, against=how.against)
        compared = [_list_compared(plan) for plan in plans]
        bases = [
            finder.find(plan.folder, plan.file) if requests else None
            for plan, requests in zip(plans, compared, strict=True)
        ]
        pending = [
            (plan.folder, _in_mode(request, mode))
            for plan in plans
            for request in plan.requests
            for mode in _list_modes(request)
        ]
        pending += [
            (base.folder, base.make_request(request))
            for base, requests in zip(bases, compared, strict=True)
            if base is not None
            for request in requests
        ]
        summaries = iter(_summarize_all(pending, how.timeout_s, at_once, progress))
        now = [
            [{mode: next(summaries) for mode in _list_modes(request)} for request in plan.requests] for plan in plans
        ]
        removed: list[str] = []
        for plan, lock, base, requests, found in zip(plans, locks, bases, compared, now, strict=True):
            then = {request.name: (request, next(summaries)) for request in requests}
            checked += _evaluate_plan(plan, lock, found, base, then)
            if how.against and base is not None and plan.is_complete:
                removed += [plan.prefix(name) for name in base.list_removed(plan.requests)]
    known = [base for base in bases if base is not None] if how.against else []
    return CheckReport(
        models=tuple(checked),
        base=how.against,
        base_commit=known[0].commit if known else "",
        removed=tuple(removed),
        notes=tuple(f"{base.problem}; the current ones are compared" for base in known if base.problem),
    )


def _list_modes(request: CheckRequest) -> tuple[str, ...]:
    """Returns the modes in which a check needs the summary, its own first."""
    return tuple(dict.fromkeys((request.mode, *request.entry_names)))


def _in_mode(request: CheckRequest, mode: str) -> CheckRequest:
    return request if mode == request.mode else replace(request, options=request.options | {"mode": mode})


def _list_compared(plan: CheckPlan) -> list[CheckRequest]:
    """Returns the checks that need the architecture in the base revision, as they are compared with it."""
    requests = [_measure_from_base(request) if plan.against else request for request in plan.requests]
    return [request for request in requests if plan.against or any(rule.from_base for rule in request.rules)]


def _evaluate_plan(
    plan: CheckPlan,
    lock: config.Lock,
    summaries: "Sequence[Mapping[str, Summary | WorkerError]]",
    base: Base | None,
    then: "Mapping[str, tuple[CheckRequest, Summary | WorkerError]]",
) -> Iterator[ModelCheck]:
    """Yields the results of a plan's checks, and updates its lock file if the plan asks for it.

    Args:
        plan: arguments of the run.
        lock: lock file of the project.
        summaries: summary or error of each check, by mode.
        base: base revision of the project; None if no check needs it.
        then: check as it is compared with the base revision, and the summary or error there, by name of the check.
    """
    updates: dict[str, LockedModel] = {}
    for request, found in zip(plan.requests, summaries, strict=True):
        traced = {mode: summary for mode, summary in found.items() if isinstance(summary, Summary)}
        errors = [summary for summary in found.values() if isinstance(summary, WorkerError)]
        if errors:
            status = _make_failed_check(request, errors[0])
        else:
            added = create_entries(request, traced) if plan.update else {}
            updates |= added
            measured, before = then.get(request.name, (request, None))
            entry = base.make_entry(request, before) if base is not None and before is not None else None
            status = evaluate_with_lock(lock, measured, traced, added, entry)
            if plan.against and base is not None and before is not None:
                status = base.compare(status, measured, traced[request.mode], before)
        yield replace(status, name=plan.prefix(request.name))
    if plan.update:
        _write_lock(plan.folder / config.LOCK_NAME, lock, updates, plan)


def _measure_from_base(request: CheckRequest) -> CheckRequest:
    """Returns the check with every increase measured from the base revision instead of the lock file."""
    rules = (replace(rule, from_base=rule.bound == "max_increase") for rule in request.rules)
    return replace(request, rules=tuple(rules))


def _summarize_all(
    pending: Sequence[tuple[Path, CheckRequest]],
    timeout_s: float | None,
    at_once: int,
    progress: Callable[[JobProgress], None],
) -> "list[Summary | WorkerError]":
    """Returns the summary or error of each request, in order: from the cache, or from a worker process."""
    found: dict[int, Summary | WorkerError] = {}
    jobs: dict[int, Job] = {}
    for index, (folder, request) in enumerate(pending):
        cached = lookup_summary(request.model, request.inputs, request.options, folder)
        if cached is not None:
            found[index] = cached.summary
            continue
        error = None if is_saved(request.model) else find_name_error(request.model)
        if error is not None:
            found[index] = error
            continue
        jobs[index] = Job(
            label=request.name,
            folder=folder,
            task="summary",
            arguments=(request.model, request.inputs, request.options),
            timeout_s=timeout_s,
            needs_torch=not is_saved(request.model),
            is_foreign=not sources.is_registered(request.model),
        )
    with closing(WorkerPool(max(1, min(at_once, len(jobs))))) as workers:
        for index, answer in zip(jobs, workers.results(tuple(jobs.values()), progress), strict=True):
            found[index] = answer if isinstance(answer, WorkerError) else Summary.from_json(answer)
    return [found[index] for index in range(len(pending))]


def create_entries(request: CheckRequest, summaries: Mapping[str, Summary]) -> dict[str, LockedModel]:
    """Returns the lock file entries that the check compares with, by name, from its summaries by mode."""
    limited = [rule.metric for rule in request.rules if rule.bound == "max_increase"]
    return {
        name: analysis.lock_model(summaries[mode], request.model, limited if mode == request.mode else ())
        for mode, name in request.entry_names.items()
    }


def evaluate_with_lock(
    lock: config.Lock,
    request: CheckRequest,
    summaries: Mapping[str, Summary],
    updates: Mapping[str, LockedModel],
    base: analysis.BaseEntry | None = None,
) -> ModelCheck:
    """Returns the result of a check with its lock file entries, or with the ``updates`` of these.

    Args:
        lock: the lock file.
        request: the check.
        summaries: its summary in each mode.
        updates: its new entries, by name; empty unless the lock file is updated.
        base: its architecture in the base revision; None if no rule needs it.
    """

    def get_entry(name: str) -> analysis.LockEntry:
        if name in updates:
            return analysis.LockEntry(model=updates[name])
        return analysis.LockEntry(model=lock.models.get(name), counting=lock.counting)

    locked = [(summaries[mode], get_entry(request.entry_names[mode])) for mode in request.list_lock_modes()]
    status = analysis.evaluate_rules(request, summaries[request.mode], get_entry(request.name), locked, base)
    return replace(status, updated=bool(updates))


def _make_failed_check(request: CheckRequest, error: NetscopeError) -> ModelCheck:
    return ModelCheck(
        name=request.name,
        model=request.model,
        location=request.location,
        results=(),
        error=str(error),
        exit_code=error.exit_code,
    )


def _write_lock(path: Path, lock: config.Lock, updates: dict[str, LockedModel], plan: CheckPlan) -> None:
    """Writes the new entries; if the plan has all checks of the project, removes entries without a check or test."""
    kept = {name for request in plan.requests for name in request.entry_names.values()}
    stale = {name for name in lock.models if plan.is_complete and name not in kept and PYTEST_SEPARATOR not in name}
    if updates or stale:
        config.write_lock(path, config.update_lock(lock, updates, stale))
