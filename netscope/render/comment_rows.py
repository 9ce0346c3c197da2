"""The rows of the comment on a pull request: the figures of a model before and after, its budget and its verdict."""

from collections.abc import Iterator
from typing import get_args

from netscope.render import numbers
from netscope.render.check import format_rule
from netscope.render.document import printable
from netscope.render.markdown import escape, format_code, format_line
from netscope.schema import METRICS, CheckReport, Metric, ModelCheck, Rule, RuleResult, RuleStatus

NBSP = "\N{NO-BREAK SPACE}"
MAX_TEXT = 500
"""The most characters of a name or a sentence in the comment."""

ICONS = {"passed": "✅", "warned": "⚠️", "failed": "❌", "error": "❌"}
_WORDS = {"passed": "", "warned": "warning", "failed": "failed", "error": "error"}
_METRICS = tuple(metric for metric in METRICS.values() if metric.in_diff)
_SEVERITY = get_args(RuleStatus)[::-1]


def clip(text: str, length: int = MAX_TEXT) -> str:
    """Returns text on one line, shortened to a number of characters."""
    text = printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def format_header(report: CheckReport) -> list[str]:
    """Returns the first two lines of the table."""
    titles = ((metric.heading, f"Δ {metric.lowercase_heading}") for metric in _METRICS)
    figures = [title for pair in titles for title in pair[: _count_columns(report)]]
    return [
        format_line(("Verdict", "Check", *figures, "Budget")),
        format_line(("---", "---", *("---:" for _ in figures), "---")),
    ]


def format_row(model: ModelCheck, report: CheckReport) -> str:
    """Returns the row of a model."""
    figures = (text for metric in _METRICS for text in _format_figure(model, metric)[: _count_columns(report)])
    name, budget = format_code(clip(model.name)), escape(clip(format_budget(model)))
    return format_line((format_state(model), name, *figures, budget))


def _count_columns(report: CheckReport) -> int:
    """Returns the columns of a metric: its value, and if there is a base, the difference."""
    return 2 if report.base else 1


def format_removed_row(name: str) -> str:
    """Returns the row of a check that only the base revision has."""
    nothing = ("", "") * len(_METRICS)
    return format_line((f"{ICONS['warned']}{NBSP}removed", format_code(clip(name)), *nothing, ""))


def format_state(model: ModelCheck) -> str:
    """Returns the verdict of a model and what the pull request did to it."""
    words = [_WORDS[model.status]] if model.status != "passed" else []
    if model.is_new:
        words.append("new")
    elif model.base_error:
        words.append("not compared")
    elif model.status == "passed" and model.has_changed:
        words.append("changed")
    elif model.status == "passed" and any(list_rule_changes(model)):
        words.append("rules changed")
    return f"{ICONS[model.status]}{NBSP}{', '.join(words) or 'passed'}"


def is_unchanged(model: ModelCheck) -> bool:
    """Whether a model passed without a warning, and neither it nor its rules differ from the base revision."""
    differs = model.is_new or model.base_error or model.diff is not None or any(list_rule_changes(model))
    return model.status == "passed" and not differs


def get_importance(model: ModelCheck) -> tuple[int, float]:
    """Returns the sort key of a model: failures first, then warnings, then the largest relative change."""
    diff, changes = model.diff, [0.0]
    if diff is not None:
        pairs = ((metric.value(diff.delta), metric.value(diff.before.totals)) for metric in _METRICS)
        changes += [abs(delta) / max(value, 1) for delta, value in pairs]
    return max(_SEVERITY.index(model.status), 1), -max(changes)


def _format_figure(model: ModelCheck, metric: Metric) -> tuple[str, str]:
    """Returns a value before and after, and the difference with its percentage. Lines break before an arrow only."""
    after = model.metrics.get(metric.name)
    if not isinstance(after, int):
        return numbers.NOTHING, ""
    text = _format_value(metric, after, is_bound=model.is_lower_bound)
    if model.base_diff is None:
        return text, ""
    side = model.base_diff.before
    before: int = metric.value(side.totals)
    if before == after:
        return text, numbers.NOTHING
    earlier = _format_value(metric, before, is_bound=bool(side.uncounted_ops))
    write = numbers.compact if metric.unit == "flops" else numbers.count
    percent = numbers.change(after - before, before)
    return f"{earlier} →{NBSP}{text}", numbers.signed(after - before, write) + (f" ({percent})" if percent else "")


def _format_value(metric: Metric, value: int, *, is_bound: bool) -> str:
    text = numbers.compact(value) if metric.unit == "flops" else numbers.count(value)
    return f"≥{NBSP}{text}" if is_bound and metric.counts_ops else text


def format_budget(model: ModelCheck) -> str:
    """Returns the rule that decides: the worst one, or the closest to its limit; and the number of others."""
    if not model.results:
        return numbers.NOTHING
    worst = min(model.results, key=lambda result: (_SEVERITY.index(result.status), -_get_usage(result)))
    others = len(model.results) - 1
    return _format_usage(worst) + (f", {others} more" if others else "")


def _get_usage(result: RuleResult) -> float:
    """Returns the used share of an upper limit; 0 for other rules."""
    has_limit = result.rule.bound in ("max", "max_increase", "warn")
    if not has_limit or not isinstance(result.actual, int) or not isinstance(result.limit, int):
        return 0
    return result.actual / result.limit if result.limit else float(result.actual > 0)


def _format_usage(result: RuleResult) -> str:
    rule = format_rule(result.rule).replace("≤ ", f"≤{NBSP}")
    rule = f"{result.path}: {rule}" if result.path else rule
    if result.status in ("failed", "warned") and isinstance(result.actual, int) and isinstance(result.limit, int):
        return f"{rule} ({numbers.signed(result.actual - result.limit)})" if result.actual != result.limit else rule
    usage = _get_usage(result)
    return f"{rule} ({numbers.fraction(usage)})" if usage else rule


def list_rule_changes(model: ModelCheck) -> Iterator[str]:
    """Yields the rules that differ from those of the base revision."""
    if model.base_rules is None or model.error:
        return
    then = {_identify(rule): rule for rule in model.base_rules}
    now = {_identify(result.rule): result.rule for result in model.results}
    for key in then | now:
        before, after = then.get(key), now.get(key)
        if before is None and after is not None:
            yield f"{_format_rule(after)} added"
        elif after is None and before is not None:
            yield f"{_format_rule(before)} removed"
        elif before and after and (before.limit, before.is_percent) != (after.limit, after.is_percent):
            yield f"{_format_rule(before)} → {after.text}"


def _identify(rule: Rule) -> tuple[str, str, str | None]:
    return rule.metric, rule.bound, rule.pattern


def _format_rule(rule: Rule) -> str:
    return f"{rule.pattern}: {format_rule(rule)}" if rule.pattern else format_rule(rule)
