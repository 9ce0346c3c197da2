"""The function ``check`` for one architecture, and the checks of a project."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netscope import analysis, config, sources
from netscope.api.check.base import BaseChecks, compare_with_base, read_base_checks
from netscope.api.check.revisions import check_out, resolve_commit
from netscope.api.resolve_and_trace import is_saved
from netscope.api.summary import get_summary, lookup_summary
from netscope.api.workers.client import WorkerError
from netscope.api.workers.pool import Job, JobProgress, WorkerPool, choose_job_count
from netscope.errors import NetscopeError, UnknownNameError, UsageError, did_you_mean
from netscope.schema import (
    PYTEST_SEPARATOR,
    TEST_NAME_PREFIX,
    CheckReport,
    CheckRequest,
    Location,
    LockedModel,
    ModelCheck,
    Summary,
)
from netscope.schema.inputs import parse_inputs

if TYPE_CHECKING:
    from torch import nn


def check(
    model: "Summary | nn.Module | str",
    rules: Mapping[str, Any] | None = None,
    inputs: Any = None,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
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
    if not isinstance(rules or {}, Mapping):
        raise UsageError(f"rules must be a dict, e.g. {{'params': {{'max': '26M'}}}}, got {rules!r}")
    parsed = config.parse_rules(rules or {}, layers)
    if not parsed:
        raise UsageError("no rules, so the check could not fail: give at least one, e.g. {'params': {'max': '26M'}}")
    if any(rule.bound == "max_increase" for rule in parsed):
        raise UsageError("max_increase requires a lock file: use it for a check in the configuration file")
    summary = get_summary(model, inputs, options)
    name = model if isinstance(model, str) else summary.architecture.name
    request = CheckRequest(
        name=name, model=name, options={}, rules=parsed, location=Location(file="", line=None, key=name)
    )
    return CheckReport(models=(analysis.evaluate_rules(request, summary, analysis.LockEntry(model=None)),))


def check_for_test(
    model: "Summary | nn.Module | str", given: Mapping[str, Any], *, name: str, folder: Path, update: bool
) -> tuple[CheckReport, dict[str, LockedModel]]:
    """Returns the report of a check in a test, and the new lock file entry by name if ``update`` is set.

    Args:
        model: module, name or summary, as for ``diff``.
        given: rules, ``layers``, ``lock``, ``input``, ``name``, and options of ``summarize``.
        name: name of the test, and of the lock file entry unless ``given`` has a ``name``.
        folder: folder of the lock file.
        update: whether to update the lock file instead of comparing with it.

    Raises:
        NetscopeError: the errors of ``check``; and if the lock file is damaged.
    """
    rest = dict(given)
    inputs, layers, lock = rest.pop("input", None), rest.pop("layers", None), rest.pop("lock", False)
    if not isinstance(lock, bool):
        raise UsageError(f"lock must be True or False, got {lock!r}")
    name = f"{TEST_NAME_PREFIX}{rest.pop('name')}" if "name" in rest else name
    options = {key: rest.pop(key) for key in config.OPTIONS if key in rest}
    location = Location(file="", line=None, key=name)
    rules = config.parse_rules(rest, layers)
    spec = model if isinstance(model, str) else type(model).__name__
    request = CheckRequest(name=name, model=spec, options={}, rules=rules, lock=lock, location=location)
    if not rules and not lock:
        raise UsageError("no rules, so the check could not fail: give at least one, or lock=True")
    summary = get_summary(model, inputs, options)
    updates = {name: analysis.lock_model(summary, spec)} if update and needs_lock(request) else {}
    lock_file = config.read_lock(folder / config.LOCK_NAME)
    status = evaluate_with_lock(lock_file, request, summary, updates.get(name))
    return CheckReport(models=(status,)), updates


def update_lock(folder: Path, updates: Mapping[str, LockedModel]) -> None:
    """Updates entries of the lock file in ``folder``, without changing the others.

    Raises:
        ConfigError: the lock file is damaged.
        OutputError: the lock file cannot be written.
    """
    path = folder / config.LOCK_NAME
    config.write_lock(path, config.update_lock(config.read_lock(path), updates))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """The arguments of ``netscope check``.

    Attributes:
        folder: folder of the lock file and of the architectures' files.
        requests: checks to run.
        is_complete: whether these are all checks of the project.
        update: whether to update the lock file instead of comparing with it.
        against: git revision to compare the architectures with; empty for none.
        timeout_s: time after which a trace is aborted, in seconds; None for no limit.
        jobs: number of architectures to trace in parallel; None for the number that cores and memory allow.
    """

    folder: Path
    requests: tuple[CheckRequest, ...]
    is_complete: bool = True
    update: bool = False
    against: str = ""
    timeout_s: float | None = None
    jobs: int | None = None


def plan_checks(names: Sequence[str], file: Path | None = None, **how: Any) -> CheckPlan:
    """Returns the plan for the named checks of the project, or for all checks without a name.

    Args:
        names: names of checks.
        file: configuration file; by default the closest one with checks, from the current directory upwards.
        how: ``update``, ``against``, ``timeout_s`` and ``jobs`` of the plan.

    Raises:
        ConfigError: no configuration file with checks was found, or it is invalid.
        UnknownNameError: a check is unknown.
    """
    path, requests = config.find_checks(Path.cwd(), file)
    by_name = {request.name: request for request in requests}
    for name in names:
        if name not in by_name:
            raise UnknownNameError(
                f"unknown check {name!r} in {path}{did_you_mean(name, by_name)}; checks: {', '.join(by_name)}; "
                f"to check an architecture without a configuration, add a rule, e.g. --max-params 26M"
            )
    chosen = tuple(by_name[name] for name in dict.fromkeys(names)) or requests
    return CheckPlan(folder=path.resolve().parent, requests=chosen, is_complete=not names, **how)


def plan_single_check(
    names: Sequence[str],
    inputs: Sequence[str],
    options: Mapping[str, Any],
    rules: Sequence[tuple[str, str, Any, str]],
    file: Path | None = None,
    **how: Any,
) -> CheckPlan:
    """Returns the plan for one architecture with the rules of the command line, without a configuration file.

    Args:
        names: name of the architecture, as the only item.
        inputs: inputs, as for ``--input``.
        options: other options of ``summarize``.
        rules: option, metric, bound and limit of each rule.
        file: configuration file, which must be None.
        how: options of the plan, as for ``plan_checks``.

    Raises:
        UsageError: not exactly one architecture is given, or an option requires a configuration file.
        ConfigError: a limit is invalid.
    """
    if len(names) != 1:
        raise UsageError(f"rule options require exactly one architecture, got {len(names)}")
    if how.get("update") or file is not None:
        raise UsageError(
            "rule options cannot be used with --config or --update, which are for the checks of the configuration file"
        )
    parse_inputs(inputs)
    request = config.make_check_request(names[0], inputs, options, rules)
    return CheckPlan(folder=Path.cwd(), requests=(request,), **how)


def run_checks(plan: CheckPlan, progress: Callable[[JobProgress], None] = lambda _: None) -> CheckReport:
    """Runs the checks of a plan, and returns the report. An error or crash in one check does not affect the others.

    Args:
        plan: arguments of the run.
        progress: callback for the progress.

    Raises:
        ConfigError: the lock file is damaged.
        OutputError: the lock file cannot be written.
        UsageError: the revision is unknown, or the jobs are malformed.
    """
    at_once = choose_job_count(plan.jobs, [request.options.get("device") for request in plan.requests])
    path = plan.folder / config.LOCK_NAME
    lock = config.read_lock(path)
    checked: list[ModelCheck] = []
    updates: dict[str, LockedModel] = {}
    base, commit = BaseChecks(), ""
    with ExitStack() as cleanup:
        pending = [(plan.folder, request) for request in plan.requests]
        if plan.against:
            commit = resolve_commit(plan.against, plan.folder)
            folder = cleanup.enter_context(check_out(commit, plan.folder))
            base = read_base_checks(plan.requests, folder)
            pending += [(folder, base.find_request(request)) for request in plan.requests]
        summaries = _summarize_all(pending, plan.timeout_s, at_once, progress)
    now, earlier = summaries[: len(plan.requests)], summaries[len(plan.requests) :]
    for request, summary, before in zip_longest(plan.requests, now, earlier):
        if isinstance(summary, WorkerError):
            checked.append(_make_failed_check(request, summary))
            continue
        if plan.update and needs_lock(request):
            updates[request.name] = analysis.lock_model(summary, request.model)
        status = evaluate_with_lock(lock, request, summary, updates.get(request.name))
        checked.append(status if before is None else compare_with_base(status, summary, before, base))
    if plan.update:
        _write_lock(path, lock, updates, plan)
    return CheckReport(
        models=tuple(checked),
        base=plan.against,
        base_commit=commit,
        removed=base.list_removed(plan.requests) if plan.is_complete else (),
        notes=(base.note,) if base.note else (),
    )


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


def needs_lock(request: CheckRequest) -> bool:
    """Whether the check compares with the lock file."""
    return request.lock or any(rule.bound == "max_increase" for rule in request.rules)


def evaluate_with_lock(
    lock: config.Lock, request: CheckRequest, summary: Summary, update: LockedModel | None = None
) -> ModelCheck:
    """Returns the result of a check with its lock file entry, or with the ``update`` of that entry."""
    entry = analysis.LockEntry(model=lock.models.get(request.name), counting=lock.counting)
    if update is not None:
        entry = analysis.LockEntry(model=update)
    return replace(analysis.evaluate_rules(request, summary, entry), updated=update is not None)


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
    checks = {request.name for request in plan.requests}
    stale = {name for name in lock.models if plan.is_complete and name not in checks and PYTEST_SEPARATOR not in name}
    if updates or stale:
        config.write_lock(path, config.update_lock(lock, updates, stale))
