"""``check``: rules for one architecture in hand, or all of a project's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netscope import analysis, config, sources
from netscope.api.check.revisions import checked_out
from netscope.api.diff import summary_of
from netscope.api.resolve_and_trace import is_saved
from netscope.api.summary import known_answer
from netscope.api.workers.client import WorkerError
from netscope.api.workers.pool import Job, JobProgress, WorkerPool, choose_job_count
from netscope.errors import NetscopeError, UnknownNameError, UsageError, did_you_mean
from netscope.schema import (
    FLOP_CONVENTION,
    NAMED_BY_TEST,
    PYTEST_SEPARATOR,
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
    """Whether an architecture keeps within its rules.

    Args:
        model: as for ``diff``.
        rules: metric → limit, as in the project's file: ``{"params": 62_378_344, "flops": {"max": "2.3G"}}``. The
            metrics are those of ``METRIC_UNITS``, the bounds ``equal``, ``max``, ``min`` and ``warn``.
        inputs: as for ``summarize``.
        layers: module pattern → such rules: ``{"features.*": {"params": {"max": "4M"}}}``.
        options: the others of ``summarize``.

    Returns:
        The report; ``report.passed`` tells whether all holds, ``print`` shows it.

    Raises:
        ConfigError: a rule is not understood; or there is none, so that nothing could fail.
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    if not isinstance(rules or {}, Mapping):
        raise UsageError(f"rules are a dict like {{'params': {{'max': '26M'}}}}, not {rules!r}")
    found = config.rules_from_table(rules or {}, layers)
    if not found:
        raise UsageError("there is no rule, so this check could not fail: give one, like {'params': {'max': '26M'}}")
    if any(rule.bound == "max_increase" for rule in found):
        raise UsageError("max_increase compares with the lock file, which belongs to a check in the project's file")
    summary = summary_of(model, inputs, options)
    name = model if isinstance(model, str) else summary.architecture.name
    request = CheckRequest(
        name=name, model=name, options={}, rules=found, location=Location(file="", line=None, key=name)
    )
    return report([analysis.evaluate_rules(request, summary, analysis.LockEntry(model=None))])


def check_for_test(
    model: "Summary | nn.Module | str", given: Mapping[str, Any], *, name: str, folder: Path, update: bool
) -> tuple[CheckReport, dict[str, LockedModel]]:
    """The report on an architecture in a test, and what the lock file shall say about it.

    Args:
        model: as for ``diff``.
        given: rules, ``layers``, ``lock``, ``input``, ``name``, and options of ``summarize``.
        name: of the test, which the lock file's entry has unless ``given`` names another.
        folder: where the lock file is.
        update: whether the lock file is to be written instead of compared with.

    Raises:
        NetscopeError: as ``check``; and if the lock file is damaged.
    """
    rest = dict(given)
    inputs, layers, lock = rest.pop("input", None), rest.pop("layers", None), rest.pop("lock", False)
    if not isinstance(lock, bool):
        raise UsageError(f"lock has to be True or False, not {lock!r}")
    name = f"{NAMED_BY_TEST}{rest.pop('name')}" if "name" in rest else name
    options = {key: rest.pop(key) for key in config.OPTIONS if key in rest}
    location = Location(file="", line=None, key=name)
    rules = config.rules_from_table(rest, layers)
    spec = model if isinstance(model, str) else type(model).__name__
    request = CheckRequest(name=name, model=spec, options={}, rules=rules, lock=lock, location=location)
    if not rules and not lock:
        raise UsageError("there is no rule and no lock=True, so this check could not fail")
    summary = summary_of(model, inputs, options)
    updates = {name: analysis.lock_model(summary, spec)} if update and needs_lock(request) else {}
    found = config.read_lock(folder / config.LOCK_NAME)
    return report([judged_with(found, request, summary, updates.get(name))]), updates


def update_lock(folder: Path, updates: Mapping[str, LockedModel]) -> None:
    """Writes entries into the lock file in ``folder``, and keeps the others.

    Raises:
        ConfigError: the lock file is damaged.
        OutputError: it cannot be written.
    """
    path = folder / config.LOCK_NAME
    config.write_lock(path, config.merged(config.read_lock(path), updates))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """What ``netscope check`` is to do.

    Attributes:
        folder: where the checks' architectures and the lock file are.
        requests: the checks.
        is_whole: whether these are all that the project has.
        update: whether the lock file is written instead of compared with.
        against: the revision that the architectures are compared with; empty for none.
        timeout_s: after which an architecture is given up; None for never.
        jobs: how many architectures are run at once; None for as many as there are cores and memory for.
    """

    folder: Path
    requests: tuple[CheckRequest, ...]
    is_whole: bool = True
    update: bool = False
    against: str = ""
    timeout_s: float | None = None
    jobs: int | None = None


def plan_checks(names: Sequence[str], file: Path | None = None, **how: Any) -> CheckPlan:
    """The plan for the project's checks of these names; of all for no name.

    Args:
        names: of checks.
        file: the project's file; by default the closest one from here upwards that has checks.
        how: ``update``, ``against``, ``timeout_s`` and ``jobs`` of the plan.

    Raises:
        ConfigError: there is no file with checks, or it says something that is not understood.
        UnknownNameError: there is no check of such a name.
    """
    path, requests = config.find_checks(Path.cwd(), file)
    by_name = {request.name: request for request in requests}
    for name in names:
        if name not in by_name:
            raise UnknownNameError(
                f"there is no check {name!r} in {path}{did_you_mean(name, by_name)}; there are {', '.join(by_name)}; "
                f"an architecture by itself needs a rule, like --max-params 26M"
            )
    chosen = tuple(by_name[name] for name in dict.fromkeys(names)) or requests
    return CheckPlan(folder=path.resolve().parent, requests=chosen, is_whole=not names, **how)


def plan_by_itself(
    names: Sequence[str],
    inputs: Sequence[str],
    options: Mapping[str, Any],
    rules: Sequence[tuple[str, str, Any, str]],
    file: Path | None = None,
    **how: Any,
) -> CheckPlan:
    """The plan for one architecture with rules of its own, and none of the project's.

    Args:
        names: the architecture alone.
        inputs: what it is run on, as ``--input`` takes it.
        options: the others of ``summarize``.
        rules: option, metric, bound and limit of each.
        file: the project's file, which does not go with this.
        how: as for ``plan_checks``.

    Raises:
        UsageError: there is not exactly one architecture, or something was asked that only a project's checks have.
        ConfigError: a limit is none.
    """
    if len(names) != 1:
        raise UsageError(f"rules given as options are for one architecture, not for {len(names)}")
    if how.get("update") or file is not None:
        raise UsageError("the lock file and --config belong to the project's checks: leave the rules out")
    parse_inputs(inputs)
    request = config.request_from_options(names[0], inputs, options, rules)
    return CheckPlan(folder=Path.cwd(), requests=(request,), **how)


def run_checks(plan: CheckPlan, progress: Callable[[JobProgress], None] = lambda _: None) -> CheckReport:
    """How the checks of a plan came out. What fails in one, even a crash, leaves the others alone.

    Args:
        plan: what to do.
        progress: is told how far it has come.

    Raises:
        ConfigError: the lock file is damaged.
        OutputError: it cannot be written.
        UsageError: there is no such revision, or the jobs are malformed.
    """
    at_once = choose_job_count(plan.jobs, [request.options.get("device") for request in plan.requests])
    path = plan.folder / config.LOCK_NAME
    lock = config.read_lock(path)
    checked: list[ModelCheck] = []
    updates: dict[str, LockedModel] = {}
    with ExitStack() as cleanup:
        asked = [(plan.folder, request) for request in plan.requests]
        if plan.against:
            there = cleanup.enter_context(checked_out(plan.against, plan.folder))
            asked += [(there, request) for request in plan.requests]
        found = _summaries(asked, plan.timeout_s, at_once, progress)
    now, then = found[: len(plan.requests)], found[len(plan.requests) :]
    for request, summary, before in zip_longest(plan.requests, now, then):
        if isinstance(summary, WorkerError):
            checked.append(_failed(request, summary))
            continue
        if plan.update and needs_lock(request):
            updates[request.name] = analysis.lock_model(summary, request.model)
        status = judged_with(lock, request, summary, updates.get(request.name))
        checked.append(status if before is None else _compared(status, summary, before))
    if plan.update:
        _update(path, lock, updates, plan)
    return report(checked, plan.against)


def _summaries(
    asked: Sequence[tuple[Path, CheckRequest]],
    timeout_s: float | None,
    at_once: int,
    progress: Callable[[JobProgress], None],
) -> "list[Summary | WorkerError]":
    """What was asked for, each in its folder, in order: as it was answered before, or else by workers."""
    found: dict[int, Summary | WorkerError] = {}
    jobs: dict[int, Job] = {}
    for index, (folder, request) in enumerate(asked):
        known = known_answer(request.model, request.inputs, request.options, folder)
        if known is not None:
            found[index] = known.summary
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
    return [found[index] for index in range(len(asked))]


def report(models: Iterable[ModelCheck], base: str = "") -> CheckReport:
    """The report of these models' checks."""
    return CheckReport(models=tuple(models), base=base, flop_convention=FLOP_CONVENTION)


def needs_lock(request: CheckRequest) -> bool:
    """Whether the check compares with the lock file."""
    return request.lock or any(rule.bound == "max_increase" for rule in request.rules)


def judged_with(
    lock: config.Lock, request: CheckRequest, summary: Summary, update: LockedModel | None = None
) -> ModelCheck:
    """How one check came out, by the lock file, or by the entry that takes the place of the one there."""
    entry = analysis.LockEntry(model=lock.models.get(request.name), counting=lock.counting)
    if update is not None:
        entry = analysis.LockEntry(model=update)
    return replace(analysis.evaluate_rules(request, summary, entry), updated=update is not None)


def _failed(request: CheckRequest, error: NetscopeError) -> ModelCheck:
    return ModelCheck(
        name=request.name,
        model=request.model,
        location=request.location,
        results=(),
        error=str(error),
        exit_code=error.exit_code,
    )


def _compared(status: ModelCheck, summary: Summary, before: Summary | WorkerError) -> ModelCheck:
    """With what differs from the other revision; that it cannot be made there, as when it is new, is no failure."""
    if isinstance(before, WorkerError):
        return replace(status, notes=(*status.notes, f"not compared with the other revision: {before}"))
    return replace(status, against_base=analysis.diff_summaries(before, summary))


def _update(path: Path, lock: config.Lock, updates: dict[str, LockedModel], plan: CheckPlan) -> None:
    """Writes the new entries; of a whole project also leaves out those that no check and no test has any more."""
    checks = {request.name for request in plan.requests}
    gone = {name for name in lock.models if plan.is_whole and name not in checks and PYTEST_SEPARATOR not in name}
    if updates or gone:
        config.write_lock(path, config.merged(lock, updates, gone))
