"""Rules and a summary → how each rule came out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from netscope.analysis.diff import diff
from netscope.analysis.figures import METRICS, Metric
from netscope.analysis.locking import locked, unlocked
from netscope.errors import did_you_mean
from netscope.schema import (
    COUNTING_VERSION,
    CheckRequest,
    Contribution,
    Figure,
    LayerRow,
    LockedModel,
    ModelCheck,
    ModelDiff,
    Rule,
    RuleResult,
    Status,
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


def judged(request: CheckRequest, summary: Summary, entry: LockEntry) -> ModelCheck:
    """How the rules of one check came out."""
    results: list[RuleResult] = []
    for rule in request.rules:
        results += _results(rule, request, summary, entry)
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
        remarks=summary.remarks,
    )


def _results(rule: Rule, request: CheckRequest, summary: Summary, entry: LockEntry) -> Iterator[RuleResult]:
    metric = METRICS[rule.metric]
    if rule.pattern is None:
        reason = _unknown(metric, is_lower_bound=summary.is_lower_bound, ops=summary)
        previous = _locked_figure(rule, entry)
        yield _judge(rule, request, "", metric.of_summary(summary), previous, summary.rows, reason)
        return
    rows = [row for row in summary.rows if row.path and fnmatchcase(row.path, rule.pattern)]
    if not rows:
        paths = [row.path for row in summary.rows if row.path]
        message = f"no module is called {rule.pattern!r}{did_you_mean(rule.pattern, paths)}"
        yield _error(rule, "", message, "a pattern has to fit a path, such as features.* or layer?.0.conv1")
        return
    if metric.of_row is None:
        yield _error(rule, "", f"modules have no {rule.metric}", "give this rule for the whole")
        return
    before = {row.path: row for row in unlocked(entry.model, summary).rows} if entry.model else {}
    for row in rows:
        reason = _unknown(metric, is_lower_bound=row.is_lower_bound, ops=summary)
        known = before.get(row.path)
        previous = metric.of_row(known) if known is not None and rule.metric != "memory" else None
        inside = [other for other in summary.rows if other is row or other.path.startswith(f"{row.path}.")]
        yield _judge(rule, request, row.path, metric.of_row(row), previous, inside, reason)


def _unknown(metric: Metric, *, is_lower_bound: bool, ops: Summary) -> str:
    """Why a figure is not known exactly; empty if it is."""
    if not (metric.counts_ops and is_lower_bound):
        return ""
    named = ", ".join(op.op for op in ops.uncounted_ops)
    return f"the {metric.title} are a lower bound, because there is no formula for {named}"


def _locked_figure(rule: Rule, entry: LockEntry) -> Figure | None:
    return entry.model.metrics.get(rule.metric) if entry.model else None


def _judge(
    rule: Rule,
    request: CheckRequest,
    path: str,
    actual: Figure | None,
    previous: Figure | None,
    rows: "list[LayerRow] | tuple[LayerRow, ...]",
    reason: str,
) -> RuleResult:
    title = METRICS[rule.metric].title
    if reason or actual is None:
        message = reason or f"there is no {title}"
        return replace(_error(rule, path, message, "it cannot be checked, which is no pass"), status="failed")
    limit = rule.limit
    if rule.bound == "max_increase":
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
        heaviest=_heaviest(rule, rows),
        remedy=_remedy(rule, request, actual),
    )


def _status(rule: Rule, actual: Figure, limit: Figure | None) -> Status:
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
    return "×".join(map(str, figure)) if isinstance(figure, tuple) else f"{figure:,}"


def _heaviest(rule: Rule, rows: "list[LayerRow] | tuple[LayerRow, ...]") -> tuple[Contribution, ...]:
    own = METRICS[rule.metric].own
    if own is None:
        return ()
    found = sorted(((own(row), row.path) for row in rows), key=lambda pair: (-pair[0], pair[1]))
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
    """What writes the lock file's entry of this check."""
    return f"netscope check {request.name} --update"


def _against_lock(request: CheckRequest, summary: Summary, entry: LockEntry) -> tuple[RuleResult, ModelDiff | None]:
    """Whether the architecture is exactly as the lock file says; if it is not, also what differs."""
    rule = Rule(metric="architecture", bound="lock", limit=None, text="netscope.lock", location=request.location)
    remedy = f"to accept it: {update_command(request)}"
    if entry.model is None:
        message = "it is to be as the lock file says, and that says nothing about it"
        return _error(rule, "", message, f"write the lock: {update_command(request)}"), None
    if entry.counting != COUNTING_VERSION:
        message = (
            f"the lock file's figures follow version {entry.counting} of the counting convention, and these follow "
            f"{COUNTING_VERSION}"
        )
        return _error(rule, "", message, remedy), None
    now = locked(summary, request.model)
    if now == entry.model:
        return RuleResult(rule=rule, path="", actual=None, limit=None, status="passed"), None
    difference = diff(unlocked(entry.model, summary), unlocked(now, summary))
    message = _difference(entry.model, now, difference)
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
    for field in ("model", "inputs", "mode", "metrics"):
        if getattr(before, field) != getattr(after, field):
            return f"the {field} is not as in the lock file: {getattr(before, field)} → {getattr(after, field)}"
    return "the layers' own fields are not as in the lock file"


def _error(rule: Rule, path: str, message: str, remedy: str) -> RuleResult:
    return RuleResult(rule=rule, path=path, actual=None, limit=None, status="error", message=message, remedy=remedy)
