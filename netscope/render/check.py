"""The document of a ``CheckReport``: every rule with its exact value, and every failure in words."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from netscope.render import numbers
from netscope.render.diff import DiffView, diff_document
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, Style, document_of
from netscope.schema import CheckReport, Rule, RuleResult

STATUS_WORDS = {"passed": "ok", "warned": "warning", "failed": "FAILED", "error": "ERROR"}
_STYLES: dict[str, Style] = {"passed": "plain", "warned": "changed", "failed": "removed", "error": "removed"}
_SIGNS = {"equal": "=", "max": "≤", "min": "≥", "warn": "≤", "max_increase": "≤"}


def check_document(report: CheckReport, *, exact: bool = False, folding: bool = False) -> Document:
    """Returns the document of a report.

    Args:
        report: the report.
        exact: whether the format is read by programs.
        folding: whether the format can fold: the full table of each diff goes into its folded part.
    """
    return Document(
        result=report,
        heading=() if exact else (format_verdict(report),),
        columns=(
            Column(key="status", title="", kind="text"),
            Column(key="check", title="Check", kind="name"),
            Column(key="module", title="Module", kind="text"),
            Column(key="rule", title="Rule", kind="text"),
            Column(key="actual", title="Actual", kind="figure"),
            Column(key="limit", title="Limit", kind="figure"),
            Column(key="where", title="Where", kind="text", rank=1),
        ),
        rows=tuple(_make_rows(report, exact=exact)),
        facts=tuple(_format_footer(report)),
        attached=() if exact else tuple(_make_diffs(report, folding=folding)),
    )


@document_of.register
def _(report: CheckReport, request: DocumentRequest) -> Document:
    return check_document(report, exact=request.exact, folding=request.folding)


def format_verdict(report: CheckReport) -> str:
    """Returns the outcome of a report in one sentence."""
    bad = [model.name for model in report.models if not model.passed]
    count = numbers.count_nouns(len(report.models), "check")
    warned = sum(1 for result in report.results if result.status == "warned")
    warnings = f", with {numbers.count_nouns(warned, 'warning')}" if warned else ""
    if not bad:
        return f"{count} passed{warnings}"
    return f"{len(bad)} of {count} did not pass: {', '.join(bad)}{warnings}"


def format_outcome(report: CheckReport) -> str:
    """Returns how many checks of a report passed or failed: ``"1 of 3 checks failed"``."""
    bad = sum(not model.passed for model in report.models)
    count = numbers.count_nouns(len(report.models), "check")
    return f"{bad} of {count} failed" if bad else f"{count} passed"


def format_rule(rule: Rule) -> str:
    """Returns a rule as ``"flops ≤ 2.3G"``, or ``"as in netscope.lock"``."""
    if rule.bound == "lock":
        return f"as in {rule.text}"
    more = {"max_increase": "base + " if rule.from_base else "lock + ", "warn": "(warn) "}.get(rule.bound, "")
    return f"{rule.metric} {_SIGNS[rule.bound]} {more}{rule.text}"


def describe_failure(result: RuleResult) -> str:
    """Returns the message of a failed rule and the layers with the largest values."""
    where = f"{result.path}: " if result.path else ""
    largest = ", ".join(f"{item.path or 'the root'} {item.value:,}" for item in result.largest)
    return f"{where}{result.message}" + (f"; largest: {largest}" if largest else "")


def _make_rows(report: CheckReport, *, exact: bool) -> Iterator[Row]:
    """Yields one row per result; for people, the results of a rule that passed for several modules are one row."""
    for model in report.models:
        name = NameCell(path=model.name, label=model.name)
        if model.error:
            yield Row(cells=(STATUS_WORDS["error"], name, "", "", None, None, str(model.location)), style="removed")
        for (rule, status), group in groupby(model.results, lambda result: (result.rule, result.status)):
            results = list(group)
            if exact or status != "passed" or len(results) == 1:
                yield from (_make_row(name, result, result.path) for result in results)
            else:
                tightest = max(results, key=lambda result: result.actual if isinstance(result.actual, int) else 0)
                yield _make_row(name, tightest, f"{rule.pattern} ({len(results)} modules)")


def _make_row(name: NameCell, result: RuleResult, module: str) -> Row:
    rule, where = result.rule, result.rule.location
    cells = (
        STATUS_WORDS[result.status], name, module, format_rule(rule), result.actual, result.limit,
        str(where) if where.file else where.key,
    )  # fmt: skip
    return Row(cells=cells, style=_STYLES[result.status])


def _format_footer(report: CheckReport) -> Iterator[tuple[str, str]]:
    for model in report.models:
        if model.error:
            where = f"{model.location}: " if model.location.file else ""
            yield model.name, f"{where}{model.error}"
        for result in model.results:
            if result.status != "passed":
                where = f"{result.rule.location}: " if result.rule.location.file else ""
                yield model.name, f"{where}{describe_failure(result)}"
                yield "", result.remedy
        if model.base_error:
            yield model.name, f"not compared with the base revision: {model.base_error}"
        for note in model.notes:
            yield model.name, note
        if model.updated:
            yield model.name, "written to netscope.lock"
    for name in report.removed:
        yield name, f"no longer checked: only the configuration of {report.short_base} has this check"
    for note in report.notes:
        yield "note", note


def _make_diffs(report: CheckReport, *, folding: bool) -> Iterator[Document]:
    """Yields the document of each model's diff, titled with the name of its check, without unchanged layers."""
    for model in report.models:
        diff = model.diff or model.base_diff
        if diff is not None:
            since = report.short_base if diff is model.base_diff else "the lock file"
            document = diff_document(diff, DiffView(only_changed=not folding), folding=folding)
            heading = f"{model.name}, since {since}: {document.heading[0].partition(': ')[2]}"
            yield replace(document, heading=(heading,))
