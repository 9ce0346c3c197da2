"""``CheckReport`` → ``Document``: every rule with its exact figure, and what does not hold in words."""

from collections.abc import Iterator
from itertools import groupby

from netscope.render.diff import DiffView, diff_document
from netscope.render.document import Column, Document, NameCell, Row, Style
from netscope.schema import CheckReport, ModelCheck, ModelDiff, Rule, RuleResult

WORDS = {"passed": "ok", "warned": "warning", "failed": "FAILED", "error": "ERROR"}
_STYLES: dict[str, Style] = {"passed": "plain", "warned": "changed", "failed": "removed", "error": "removed"}
_SIGNS = {"equal": "=", "max": "≤", "min": "≥", "warn": "≤", "max_increase": "≤"}


def check_document(report: CheckReport, *, exact: bool = False, folding: bool = False) -> Document:
    """The document of ``report``.

    Args:
        report: what is shown.
        exact: whether the format is read by programs.
        folding: whether the format folds: what is the same in a diff goes into its folded part.
    """
    return Document(
        result=report,
        heading=() if exact else (verdict(report),),
        columns=(
            Column(key="status", title="", kind="text"),
            Column(key="check", title="Check", kind="name"),
            Column(key="module", title="Module", kind="text"),
            Column(key="rule", title="Rule", kind="text"),
            Column(key="actual", title="Actual", kind="figure"),
            Column(key="limit", title="Limit", kind="figure"),
            Column(key="where", title="Where", kind="text", rank=1),
        ),
        rows=tuple(_rows(report, exact=exact)),
        facts=tuple(_facts(report)),
        attached=() if exact else tuple(_diffs(report, folding=folding)),
    )


def verdict(report: CheckReport) -> str:
    """The answer in one sentence."""
    bad = [model.name for model in report.models if not model.passed]
    count = f"{len(report.models)} check{'' if len(report.models) == 1 else 's'}"
    warned = sum(1 for result in report.results if result.status == "warned")
    warnings = f", with {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    if not bad:
        return f"{count} passed{warnings}"
    return f"{len(bad)} of {count} did not pass: {', '.join(bad)}{warnings}"


def rule_text(rule: Rule) -> str:
    """``flops ≤ 2.3G``."""
    if rule.bound == "lock":
        return f"as in {rule.text}"
    more = {"max_increase": "lock + ", "warn": "(warn) "}.get(rule.bound, "")
    return f"{rule.metric} {_SIGNS[rule.bound]} {more}{rule.text}"


def told(result: RuleResult) -> str:
    """What does not hold, and the layers that have most of it."""
    where = f"{result.path}: " if result.path else ""
    largest = ", ".join(f"{item.path or 'the root'} {item.value:,}" for item in result.largest)
    return f"{where}{result.message}" + (f"; largest: {largest}" if largest else "")


def _rows(report: CheckReport, *, exact: bool) -> Iterator[Row]:
    for model in report.models:
        name = NameCell(path=model.name, label=model.name)
        if model.error:
            yield Row(cells=(WORDS["error"], name, "", "", None, None, str(model.location)), style="removed")
        for (rule, status), group in groupby(model.results, lambda result: (result.rule, result.status)):
            results = list(group)
            if exact or status != "passed" or len(results) == 1:
                yield from (_row(name, result, result.path) for result in results)
            else:
                tightest = max(results, key=lambda result: result.actual if isinstance(result.actual, int) else 0)
                yield _row(name, tightest, f"{rule.pattern} ({len(results)} modules)")


def _row(name: NameCell, result: RuleResult, module: str) -> Row:
    rule, where = result.rule, result.rule.location
    cells = (
        WORDS[result.status], name, module, rule_text(rule), result.actual, result.limit,
        str(where) if where.file else where.key,
    )  # fmt: skip
    return Row(cells=cells, style=_STYLES[result.status])


def _facts(report: CheckReport) -> Iterator[tuple[str, str]]:
    for model in report.models:
        if model.error:
            where = f"{model.location}: " if model.location.file else ""
            yield model.name, f"{where}{model.error}"
        for result in model.results:
            if result.status != "passed":
                where = f"{result.rule.location}: " if result.rule.location.file else ""
                yield model.name, f"{where}{told(result)}"
                yield "", result.remedy
        for note in model.notes:
            yield model.name, note
        if model.updated:
            yield model.name, "written to netscope.lock"


def _diffs(report: CheckReport, *, folding: bool) -> Iterator[Document]:
    for model in report.models:
        if model.lock_diff is not None:
            yield _titled(model, model.lock_diff, "the lock file", folding=folding)
        if model.base_diff is not None:
            yield _titled(model, model.base_diff, report.base, folding=folding)


def _titled(model: ModelCheck, diff: ModelDiff, since: str, *, folding: bool) -> Document:
    """A diff under the name of its check, without what is the same."""
    document = diff_document(diff, DiffView(only_changed=not folding), folding=folding)
    heading = f"{model.name}, since {since}: {document.heading[0].partition(': ')[2]}"
    return Document(
        result=diff,
        heading=(heading,),
        columns=document.columns if document.rows else (),
        rows=document.rows,
        facts=document.facts,
        folded=document.folded,
    )
