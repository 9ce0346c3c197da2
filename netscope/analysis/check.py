"""Rules and a summary → how each rule came out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from shlex import quote

from netscope.analysis.diff import diff_summaries
from netscope.analysis.lock import as_summary, comparable, lock_model
from netscope.analysis.metrics import counts_ops, noun_of, value_of_row, value_of_summary
from netscope.errors import did_you_mean
from netscope.schema import (
    COUNTING_VERSION,
    METRICS,
    NAMED_BY_TEST,
    PYTEST_SEPARATOR,
    CheckRequest,
    Contribution,
    Figure,
    LayerRow,
    LockedModel,
    ModelCheck,
    ModelDiff,
    Rule,
    RuleResult,
    RuleStatus,
    Summary,
)

HEAVIEST = 3
_HUNDREDTHS = 10_000
"""Of a per cent in the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """What the lock file says about one check.

    Attributes:
        model: the architecture; None if the file has none of that name.
        counting: the version of the counting convention of its figures.
    """

    model: LockedModel | None
    counting: int = COUNTING_VERSION


def evaluate_rules(request: CheckRequest, summary: Summary, entry: LockEntry) -> ModelCheck:
    """How the rules of one check came out."""
    results: list[RuleResult] = []
    accepts_unread = any(rule.metric == "unread_params" for rule in request.rules)
    for rule in request.rules:
        found = _results(rule, request, summary, entry)
        results += found if accepts_unread else (_with_left_out(result, summary) for result in found)
    against_lock = None
    if request.lock:
        result, against_lock = _against_lock(request, summary, entry)
        results.append(result)
    return ModelCheck(
        name=request.name,
        model=request.model,
        location=request.location,
        results=tuple(results),
        against_lock=against_lock,
        notes=(*summary.notes, *_remarks(request, summary, entry)),
    )


def _remarks(request: CheckRequest, summary: Summary, entry: LockEntry) -> Iterator[str]:
    then = entry.model
    if request.lock and then is not None and then.torch != summary.versions.get("torch", ""):
        now = summary.versions.get("torch", "none")
        yield f"the lock is of torch {then.torch or 'unknown'}, this is {now}: what the ops compute is not compared"


def _results(rule: Rule, request: CheckRequest, summary: Summary, entry: LockEntry) -> Iterator[RuleResult]:
    metric = rule.metric
    then = entry.model if rule.bound == "max_increase" else None
    unfit = _unfit(summary, request, entry) if then else ""
    if rule.pattern is None:
        reason = _unknown(metric, is_lower_bound=summary.is_lower_bound, ops=summary)
        previous = then.metrics.get(metric) if then else None
        yield _judge(rule, request, "", value_of_summary(metric, summary), previous, summary.rows, reason, unfit)
        return
    rows = [row for row in summary.rows if row.path and fnmatchcase(row.path, rule.pattern)]
    if not rows:
        paths = [row.path for row in summary.rows if row.path]
        message = f"no module is called {rule.pattern!r}{did_you_mean(rule.pattern, paths)}"
        yield _error(rule, "", message, "a pattern has to fit a path, such as features.* or layer?.0.conv1")
        return
    if metric == "layer_count":
        yield _error(rule, "", f"modules have no {metric}", "give this rule for the whole")
        return
    before = {row.path: row for row in as_summary(then, summary).rows} if then else {}
    for row in rows:
        reason = _unknown(metric, is_lower_bound=row.is_lower_bound, ops=summary)
        known = before.get(row.path)
        previous = value_of_row(metric, known) if known is not None else None
        yield _judge(rule, request, row.path, value_of_row(metric, row), previous, summary.rows, reason, unfit)


def _with_left_out(result: RuleResult, summary: Summary) -> RuleResult:
    """A result about FLOPs with what they are not of, which makes a warning of a pass."""
    if not counts_ops(result.rule.metric) or result.actual is None:
        return result
    row = next(row for row in summary.rows if row.path == result.path)
    if not row.total.unread_params:
        return result
    left_out = (
        f"of what ran: {row.total.unread_params:,} of its parameters were not read" if row.path else summary.left_out
    )
    if result.status != "passed":
        return replace(result, message=f"{result.message}; {left_out}")
    return replace(
        result,
        status="warned",
        message=f"{_exact(result.actual)} {noun_of(result.rule.metric)}, {left_out}",
        remedy=f"to accept it: a rule unread_params.max = {row.total.unread_params:_}",
    )


def _unknown(metric: str, *, is_lower_bound: bool, ops: Summary) -> str:
    """Why a figure is not known exactly; empty if it is."""
    if not (counts_ops(metric) and is_lower_bound):
        return ""
    named = ", ".join(op.op for op in ops.uncounted_ops)
    return f"the {noun_of(metric)} are a lower bound, because there is no formula for {named}"


def _unfit(summary: Summary, request: CheckRequest, entry: LockEntry) -> str:
    """Why the lock's figures say nothing about these; empty if they do."""
    if entry.model is None:
        return ""
    if entry.counting != COUNTING_VERSION:
        return _other_convention(entry)
    now = lock_model(summary, request.model)
    for what, then, this in (("inputs", entry.model.inputs, now.inputs), ("mode", entry.model.mode, now.mode)):
        if then != this:
            return f"the lock was written for the {what} {_words(then)}, and this is for {_words(this)}"
    return ""


def _words(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _other_convention(entry: LockEntry) -> str:
    return (
        f"the lock file's figures follow version {entry.counting} of the counting convention, and these follow "
        f"{COUNTING_VERSION}"
    )


def _judge(
    rule: Rule,
    request: CheckRequest,
    path: str,
    actual: Figure | None,
    previous: Figure | None,
    rows: Sequence[LayerRow],
    reason: str,
    unfit: str,
) -> RuleResult:
    title = noun_of(rule.metric)
    if reason or actual is None:
        message = reason or f"there is no {title}"
        return replace(_error(rule, path, message, "it cannot be checked, which is no pass"), status="failed")
    limit = rule.limit
    if rule.bound == "max_increase":
        if unfit:
            return _error(rule, path, unfit, f"write the lock: {update_command(request)}")
        if not isinstance(previous, int):
            remedy = f"write the lock: {update_command(request)}"
            return _error(rule, path, f"the lock file has no {title} of this to compare with", remedy)
        limit = previous + (previous * rule.limit // _HUNDREDTHS if rule.is_percent else rule.limit)  # type: ignore[operator]  # a count
    status = _status(rule, actual, limit)
    if status == "passed":
        return RuleResult(rule=rule, path=path, actual=actual, limit=limit, status=status)
    return RuleResult(
        rule=rule,
        path=path,
        actual=actual,
        limit=limit,
        status=status,
        message=_verdict(rule, title, actual, limit, previous),
        heaviest=_heaviest(rule, path, rows),
        remedy=_remedy(rule, request, actual),
    )


def _status(rule: Rule, actual: Figure, limit: Figure | None) -> RuleStatus:
    if rule.bound == "equal":
        return "passed" if actual == limit else "failed"
    if not isinstance(actual, int) or not isinstance(limit, int):
        return "error"
    if rule.bound == "min":
        return "passed" if actual >= limit else "failed"
    if actual <= limit:
        return "passed"
    return "warned" if rule.bound == "warn" else "failed"


def _verdict(rule: Rule, title: str, actual: Figure, limit: Figure | None, previous: Figure | None) -> str:
    """The exact figure, the limit and the excess."""
    if not isinstance(actual, int) or not isinstance(limit, int):
        return f"the {title} is {_exact(actual)}, not {_exact(limit)}"
    off = f"{abs(actual - limit):,}"
    if rule.bound == "equal":
        return f"{actual:,} {title}, which is {off} {'more' if actual > limit else 'less'} than {limit:,}"
    if rule.bound == "min":
        return f"{actual:,} {title}, which is {off} less than the least, {limit:,}"
    if rule.bound == "max_increase":
        locked_figure = f"{rule.text} above the {_exact(previous)} of the lock"
        return f"{actual:,} {title}, which is {off} more than {limit:,}: {locked_figure}"
    return f"{actual:,} {title}, which is {off} more than {limit:,}"


def _exact(figure: Figure | None) -> str:
    if figure is None:
        return "none"
    return "×".join(map(str, figure)) if isinstance(figure, tuple) else f"{figure:,}"


def _heaviest(rule: Rule, path: str, rows: Sequence[LayerRow]) -> tuple[Contribution, ...]:
    if rule.metric not in METRICS:
        return ()
    own = METRICS[rule.metric].value
    inside = (row for row in rows if not path or f"{row.path}.".startswith(f"{path}."))
    found = sorted(((own(row.own), row.path) for row in inside), key=lambda pair: (-pair[0], pair[1]))
    return tuple(Contribution(path=path, figure=figure) for figure, path in found[:HEAVIEST] if figure)


def _remedy(rule: Rule, request: CheckRequest, actual: Figure) -> str:
    if rule.bound == "max_increase":
        return f"to accept it: {update_command(request)}"
    figure = '"' + "x".join(map(str, actual)) + '"' if isinstance(actual, tuple) else f"{actual:_}"
    if rule.location.line is None:
        return f"to accept it: {rule.location.key} {figure.strip(chr(34)).replace('_', '')}"
    setting = rule.metric if rule.bound == "equal" else f"{rule.metric}.{rule.bound}"
    return f"to accept it: {setting} = {figure} in {rule.location}"


def update_command(request: CheckRequest) -> str:
    """What writes the lock file's entry of this check, or of this test."""
    if request.name.startswith(NAMED_BY_TEST):
        return "pytest --netscope-update"
    if PYTEST_SEPARATOR in request.name:
        return f"pytest --netscope-update {quote(request.name)}"
    return f"netscope check {quote(request.name)} --update"


def _against_lock(request: CheckRequest, summary: Summary, entry: LockEntry) -> tuple[RuleResult, ModelDiff | None]:
    """Whether the architecture is exactly as the lock file says; if it is not, also what differs."""
    rule = Rule(
        metric="architecture",
        bound="lock",
        limit=None,
        text="netscope.lock",
        location=request.lock_location or request.location,
    )
    remedy = f"to accept it: {update_command(request)}"
    if entry.model is None:
        message = "it is to be as the lock file says, and that says nothing about it"
        return _error(rule, "", message, f"write the lock: {update_command(request)}"), None
    if entry.counting != COUNTING_VERSION:
        return _error(rule, "", _other_convention(entry), remedy), None
    before, now = comparable(entry.model, lock_model(summary, request.model))
    if now == before:
        return RuleResult(rule=rule, path="", actual=None, limit=None, status="passed"), None
    difference = diff_summaries(as_summary(before, summary), as_summary(now, summary))
    message = _difference(before, now, difference)
    failed = RuleResult(rule=rule, path="", actual=None, limit=None, status="failed", message=message, remedy=remedy)
    return failed, None if difference.is_same else difference


def _difference(before: LockedModel, after: LockedModel, difference: ModelDiff) -> str:
    """What is not as the lock file says, in one sentence."""
    if not difference.is_same:
        delta = difference.delta
        figures = [f"{delta.params:+,} params"] * bool(delta.params) + [f"{delta.flops:+,} FLOPs"] * bool(delta.flops)
        changed = sum(1 for change in difference.changes if change.kind != "same")
        rows = f"{changed} module{'' if changed == 1 else 's'} changed" if changed else "names or shapes changed"
        return f"the architecture is not as in the lock file: {', '.join((rows, *figures))}".replace("-", "−")
    if before.model != after.model:
        return f"the model is not the lock file's: {before.model} → {after.model}"
    if before.inputs != after.inputs:
        return f"the inputs are not the lock file's: {_words(before.inputs)} → {_words(after.inputs)}"
    for name in before.metrics.keys() | after.metrics.keys():
        then, now = before.metrics.get(name), after.metrics.get(name)
        if then != now:
            return f"{name} is not as in the lock file: {_exact(then)} → {_exact(now)}"
    return "the layers' own fields are not as in the lock file"


def _error(rule: Rule, path: str, message: str, remedy: str) -> RuleResult:
    return RuleResult(rule=rule, path=path, actual=None, limit=None, status="error", message=message, remedy=remedy)
