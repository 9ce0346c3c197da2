"""Evaluation of the rules of a check."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from shlex import quote

from netscope.analysis.lock import describe_origins, format_inputs, get_architecture, lock_model, restore_summary
from netscope.analysis.lock_diff import describe_difference, diff_with_lock
from netscope.analysis.metrics import (
    counts_ops,
    format_value,
    get_metrics,
    get_noun,
    get_row_value,
    get_summary_value,
    join_texts,
)
from netscope.errors import did_you_mean
from netscope.schema import (
    COUNTING_VERSION,
    METRICS,
    PYTEST_SEPARATOR,
    TEST_NAME_PREFIX,
    CheckRequest,
    Contribution,
    LayerRow,
    LockedModel,
    MetricValue,
    ModelCheck,
    ModelDiff,
    Rule,
    RuleResult,
    RuleStatus,
    Summary,
)

MAX_CONTRIBUTIONS = 3
_HUNDREDTHS = 10_000
"""The number of hundredths of a percent in 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """The lock file's entry for a check.

    Attributes:
        model: the architecture; None if the file has no entry for the check.
        counting: version of the counting rules that its values follow.
    """

    model: LockedModel | None
    counting: int = COUNTING_VERSION

    @property
    def revision(self) -> str:
        """Name of the entry's origin, for messages."""
        return "the lock file"

    @property
    def problem(self) -> str:
        """Why its values cannot be compared with those of now; empty if they can, or if there are none."""
        if self.model is None or self.counting == COUNTING_VERSION:
            return ""
        return f"the lock file was written with counting rules version {self.counting}, current is {COUNTING_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseEntry:
    """A check's architecture in the base revision.

    Attributes:
        revision: name of the revision.
        model: the architecture; None if there is none.
        problem: why there is none.
    """

    revision: str
    model: LockedModel | None = None
    problem: str = ""


def evaluate_rules(
    request: CheckRequest,
    summary: Summary,
    entry: LockEntry,
    locked: Sequence[tuple[Summary, LockEntry]] | None = None,
    base: BaseEntry | None = None,
) -> ModelCheck:
    """Returns the result of a check: the results of its rules for the summary.

    Args:
        request: the check.
        summary: summary of its architecture.
        entry: its entry in the lock file.
        locked: summary and lock file entry in each mode that must be as in the lock file, if the check has ``lock``; by
            default those of the check itself.
        base: its architecture in the base revision, which rules with ``from_base`` need.
    """
    results: list[RuleResult] = []
    accepts_unread = any(rule.metric == "unread_params" for rule in request.rules)
    for rule in request.rules:
        origin = base if base and rule.from_base else entry
        found = [_add_origins(result, summary, origin) for result in _evaluate_rule(rule, request, summary, origin)]
        results += found if accepts_unread else (_add_unread_warning(result, summary) for result in found)
    differences: list[ModelDiff | None] = []
    if request.lock:
        for now, then in [(summary, entry)] if locked is None else locked:
            result, difference = _compare_with_lock(request, now, then)
            results.append(result)
            differences.append(difference)
    return ModelCheck(
        name=request.name,
        model=request.model,
        location=request.location,
        results=tuple(results),
        metrics=get_metrics(summary),
        is_lower_bound=summary.is_lower_bound,
        lock_diff=next(filter(None, differences), None),
        notes=(*summary.notes, *_list_base_notes(request, base)),
    )


def _list_base_notes(request: CheckRequest, base: BaseEntry | None) -> Iterator[str]:
    if base is not None and any(rule.from_base for rule in request.rules):
        yield f"max_increase is measured from {base.revision}"


def _evaluate_rule(
    rule: Rule, request: CheckRequest, summary: Summary, entry: LockEntry | BaseEntry
) -> Iterator[RuleResult]:
    """Yields the result of a rule for the architecture, or for each module that its pattern matches."""
    metric = rule.metric
    then = entry.model if rule.bound == "max_increase" else None
    mismatch = _find_mismatch(summary, entry) if rule.bound == "max_increase" else ""
    if rule.pattern is None:
        reason = _explain_unknown(metric, summary, is_lower_bound=summary.is_lower_bound)
        previous = then.metrics.get(metric) if then else None
        actual = get_summary_value(metric, summary)
        yield _evaluate(rule, request, "", actual, previous, summary.rows, reason, mismatch)
        return
    rows = [row for row in summary.rows if row.path and fnmatchcase(row.path, rule.pattern)]
    if not rows:
        paths = [row.path for row in summary.rows if row.path]
        message = f"no module matches {rule.pattern!r}{did_you_mean(rule.pattern, paths)}"
        yield _error(rule, "", message, "use a pattern of paths, e.g. features.* or layer?.0.conv1")
        return
    if metric == "layer_count":
        yield _error(rule, "", f"modules have no {metric}", "use this rule without a pattern")
        return
    before = {row.path: row for row in restore_summary(then, summary).rows} if then else {}
    for row in rows:
        reason = _explain_unknown(metric, summary, is_lower_bound=row.is_lower_bound)
        known = before.get(row.path)
        previous = get_row_value(metric, known) if known is not None else None
        actual = get_row_value(metric, row)
        yield _evaluate(rule, request, row.path, actual, previous, summary.rows, reason, mismatch)


def _add_unread_warning(result: RuleResult, summary: Summary) -> RuleResult:
    """Returns a result about FLOPs with a warning if parameters were not read, so that a part may not have run."""
    if not counts_ops(result.rule.metric) or result.actual is None:
        return result
    row = next(row for row in summary.rows if row.path == result.path)
    if not row.total.unread_params:
        return result
    unread_note = (
        f"partial: {row.total.unread_params:,} of its parameters were not read" if row.path else summary.unread_note
    )
    if result.status != "passed":
        return replace(result, message=f"{result.message}; {unread_note}")
    return replace(
        result,
        status="warned",
        message=f"{format_value(result.actual)} {get_noun(result.rule.metric)}, {unread_note}",
        remedy=f"to accept it, add a rule: unread_params.max = {row.total.unread_params:_}",
    )


def _explain_unknown(metric: str, summary: Summary, *, is_lower_bound: bool) -> str:
    """Returns why the exact value of a metric is unknown; empty if it is known."""
    if not (counts_ops(metric) and is_lower_bound):
        return ""
    named = ", ".join(op.op for op in summary.uncounted_ops)
    return f"the {get_noun(metric)} are only a lower bound (≥): no formula for {named}"


def _find_mismatch(summary: Summary, entry: LockEntry | BaseEntry) -> str:
    """Returns why the earlier architecture is not comparable with the summary; empty if it is, or does not exist."""
    then = entry.model
    if entry.problem or then is None:
        return entry.problem
    pairs = (("inputs", then.inputs, format_inputs(summary)), ("mode", then.mode, summary.mode))
    for what, before, after in pairs:
        if before != after:
            return f"{what} differ from {entry.revision}: {join_texts(before)} → {join_texts(after)}"
    return ""


def _evaluate(
    rule: Rule,
    request: CheckRequest,
    path: str,
    actual: MetricValue | None,
    previous: MetricValue | None,
    rows: Sequence[LayerRow],
    reason: str,
    mismatch: str,
) -> RuleResult:
    """Returns the result of a rule for a value; ``mismatch`` is why the earlier value is not comparable."""
    title = get_noun(rule.metric)
    if reason or actual is None:
        message = reason or f"no {title} to check"
        return replace(_error(rule, path, message, "a value that is not known exactly fails the rule"), status="failed")
    limit = rule.limit
    if rule.bound == "max_increase":
        if mismatch or not isinstance(previous, int):
            message = mismatch or f"{title} not in {_name_origin(rule)}"
            if rule.from_base:
                return _make_result_without_base(rule, request, path, actual, message)
            return _error(rule, path, message, f"run {_update_command(request)}")
        limit = previous + (previous * rule.limit // _HUNDREDTHS if rule.is_percent else rule.limit)  # type: ignore[operator]  # a count
    status = _compare(rule, actual, limit)
    if status == "passed":
        return RuleResult(rule=rule, path=path, actual=actual, limit=limit, status=status)
    return RuleResult(
        rule=rule,
        path=path,
        actual=actual,
        limit=limit,
        status=status,
        message=_describe_failure(rule, title, actual, limit, previous),
        largest=_find_largest(rule, path, rows),
        remedy=_remedy(rule, request, actual),
    )


def _name_origin(rule: Rule) -> str:
    return "the base revision" if rule.from_base else "the lock file"


def _make_result_without_base(
    rule: Rule, request: CheckRequest, path: str, actual: MetricValue, message: str
) -> RuleResult:
    """Returns the result of a rule for a value that the base revision lacks, e.g. that of a new model.

    It is a warning if the check also has an absolute limit for the value, which a reviewer can see; otherwise an error,
    because nothing would limit the value.
    """
    is_limited = any(
        other.bound in ("max", "equal") and (other.metric, other.pattern) == (rule.metric, rule.pattern)
        for other in request.rules
    )
    if not is_limited:
        remedy = f"add a limit that needs no base: {rule.metric}.max = {actual:_} in {rule.location}"
        return _error(rule, path, message, remedy)
    message = f"{message}; only its other limit holds"
    return RuleResult(rule=rule, path=path, actual=actual, limit=None, status="warned", message=message)


def _compare(rule: Rule, actual: MetricValue, limit: MetricValue | None) -> RuleStatus:
    if rule.bound == "equal":
        return "passed" if actual == limit else "failed"
    if not isinstance(actual, int) or not isinstance(limit, int):
        return "error"
    if rule.bound == "min":
        return "passed" if actual >= limit else "failed"
    if actual <= limit:
        return "passed"
    return "warned" if rule.bound == "warn" else "failed"


def _describe_failure(
    rule: Rule, title: str, actual: MetricValue, limit: MetricValue | None, previous: MetricValue | None
) -> str:
    """Returns the exact value, the limit and the excess as a sentence."""
    if not isinstance(actual, int) or not isinstance(limit, int):
        return f"{title} is {format_value(actual)}, expected {format_value(limit)}"
    off = f"{abs(actual - limit):,}"
    if rule.bound == "equal":
        return f"{actual:,} {title}, expected {limit:,}: {off} too {'many' if actual > limit else 'few'}"
    if rule.bound == "min":
        return f"{actual:,} {title} is below the minimum of {limit:,} by {off}"
    origin = f"{format_value(previous)} in {_name_origin(rule)}"
    base = f" ({origin} + {rule.text})" if rule.bound == "max_increase" else ""
    return f"{actual:,} {title} exceed the limit of {limit:,}{base} by {off}"


def _find_largest(rule: Rule, path: str, rows: Sequence[LayerRow]) -> tuple[Contribution, ...]:
    if rule.metric not in METRICS:
        return ()
    own = METRICS[rule.metric].value
    inside = (row for row in rows if not path or f"{row.path}.".startswith(f"{path}."))
    found = sorted(((own(row.own), row.path) for row in inside), key=lambda pair: (-pair[0], pair[1]))
    return tuple(Contribution(path=path, value=value) for value, path in found[:MAX_CONTRIBUTIONS] if value)


def _remedy(rule: Rule, request: CheckRequest, actual: MetricValue) -> str:
    if rule.bound == "max_increase" and not rule.from_base:
        return f"to accept it: {_update_command(request)}"
    if rule.bound == "max_increase":
        return f"to accept it, raise max_increase in {rule.location}"
    value = '"' + "x".join(map(str, actual)) + '"' if isinstance(actual, tuple) else f"{actual:_}"
    if rule.location.line is None:
        return f"to accept it: {rule.location.key} {value.strip(chr(34)).replace('_', '')}"
    setting = rule.metric if rule.bound == "equal" else f"{rule.metric}.{rule.bound}"
    return f"to accept it: {setting} = {value} in {rule.location}"


def _update_command(request: CheckRequest) -> str:
    """Returns the command that writes the lock file entry of the check or test."""
    if request.name.startswith(TEST_NAME_PREFIX):
        return "pytest --netscope-update"
    if PYTEST_SEPARATOR in request.name:
        return f"pytest --netscope-update {quote(request.name)}"
    file = Path(request.location.file)
    config = "" if file.parent == Path() else f" --config {quote(str(file))}"
    return f"netscope check {quote(request.name)} --update{config}"


def list_rules(request: CheckRequest) -> tuple[Rule, ...]:
    """Returns all rules of a check, also that it equals its lock file entries."""
    return (*request.rules, *(_make_lock_rule(request, mode) for mode in request.list_lock_modes()))


def _make_lock_rule(request: CheckRequest, mode: str) -> Rule:
    return Rule(
        metric="architecture",
        bound="lock",
        limit=None,
        text="netscope.lock" if mode == request.mode else f"netscope.lock in {mode} mode",
        location=request.lock_location or request.location,
    )


def _compare_with_lock(
    request: CheckRequest, summary: Summary, entry: LockEntry
) -> tuple[RuleResult, ModelDiff | None]:
    """Returns whether the architecture equals its lock file entry, and the difference if it does not."""
    rule = _make_lock_rule(request, summary.mode)
    mode = f"in {summary.mode} mode, " if summary.mode != request.mode else ""
    remedy = f"to accept it: {_update_command(request)}"
    if entry.model is None:
        return _error(rule, "", f"{mode}not in the lock file", f"run {_update_command(request)}"), None
    if entry.problem:
        return _error(rule, "", entry.problem, remedy), None
    before, now = get_architecture(entry.model), get_architecture(lock_model(summary, request.model))
    if now == before:
        return RuleResult(rule=rule, path="", actual=None, limit=None, status="passed"), None
    difference = diff_with_lock(before, now, summary)
    message = f"{mode}{describe_difference(before, now, difference)}"
    message = "; ".join(filter(None, (message, _explain_origins(entry, summary))))
    failed = RuleResult(rule=rule, path="", actual=None, limit=None, status="failed", message=message, remedy=remedy)
    return failed, None if difference.is_same else difference


def _add_origins(result: RuleResult, summary: Summary, entry: LockEntry | BaseEntry) -> RuleResult:
    """Returns a failed result with what may explain it if its metric depends on the device and the version of torch."""
    metric, is_increase = METRICS.get(result.rule.metric), result.rule.bound == "max_increase"
    if result.status != "failed" or not is_increase or metric is None or not metric.depends_on_device:
        return result
    return replace(result, message="; ".join(filter(None, (result.message, _explain_origins(entry, summary)))))


def _explain_origins(entry: LockEntry | BaseEntry, summary: Summary) -> str:
    """Returns with which torch and on which device a lock file entry was written, if these may explain a difference."""
    origins = describe_origins(entry.model, summary) if isinstance(entry, LockEntry) and entry.model else ""
    return f"{origins}: if the code did not change, that is why, and you can accept it" if origins else ""


def _error(rule: Rule, path: str, message: str, remedy: str) -> RuleResult:
    return RuleResult(rule=rule, path=path, actual=None, limit=None, status="error", message=message, remedy=remedy)
