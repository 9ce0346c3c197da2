"""``CheckReport`` in the formats of CI services: JUnit XML, GitHub annotations, GitLab code quality."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from xml.etree import ElementTree as ET

from netscope.render.check import describe_failure, format_rule, format_verdict
from netscope.render.document import printable
from netscope.schema import CheckReport, Location, ModelCheck, RuleResult

MOST_ANNOTATIONS = 10
"""The most annotations of one level that GitHub shows per step."""

_COMMAND = re.compile(r"(?:^|[\r\n])\s*:(?=:)|##(?=\[)")


def render_junit(report: CheckReport) -> str:
    """Returns a suite for each check and a case for each rule and module; a warning is a pass with output."""
    root = ET.Element("testsuites", name="netscope")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for model in report.models:
        suite = ET.SubElement(root, "testsuite", name=printable(model.name))
        counts = {"tests": len(model.results), "failures": 0, "errors": 0}
        if model.error:
            counts["tests"] += 1
            counts["errors"] += 1
            case = ET.SubElement(suite, "testcase", classname=printable(model.name), name="model")
            ET.SubElement(case, "error", message=printable(model.error))
        for result in model.results:
            _junit_case(suite, model, result, counts)
        for key, count in counts.items():
            suite.set(key, str(count))
            totals[key] += count
    for key, count in totals.items():
        root.set(key, str(count))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _junit_case(suite: ET.Element, model: ModelCheck, result: RuleResult, counts: dict[str, int]) -> None:
    name = " ".join(filter(None, (result.path, format_rule(result.rule))))
    case = ET.SubElement(suite, "testcase", classname=printable(model.name), name=printable(name))
    location = result.rule.location
    if location.file:
        case.set("file", printable(location.file))
        case.set("line", str(location.line or 1))
    text = printable(f"{describe_failure(result)}; {result.remedy}")
    if result.status == "failed":
        counts["failures"] += 1
        ET.SubElement(case, "failure", message=printable(describe_failure(result)), type=result.rule.bound).text = text
    elif result.status == "error":
        counts["errors"] += 1
        ET.SubElement(case, "error", message=printable(describe_failure(result))).text = text
    elif result.status == "warned":
        ET.SubElement(case, "system-out").text = text


def render_github(report: CheckReport) -> str:
    """Returns workflow commands that annotate up to ten failed rules, a count of the others, and the verdict."""
    found = list(_annotations(report))
    lines = [command + _escaped(message) for command, message in found[:MOST_ANNOTATIONS]]
    more = [message for _, message in found[MOST_ANNOTATIONS:]]
    if more:
        lines.append(f"::notice title=netscope::and {len(more)} more, which the log below names")
    lines += [without_commands(printable(line)) for line in (*more, format_verdict(report))]
    return "\n".join(lines) + "\n"


def without_commands(text: str) -> str:
    """Returns text in which GitHub finds no command: ``::`` at the start of a line and ``##[`` anywhere are split.

    The runner's rules: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs.
    """
    return _COMMAND.sub(r"\g<0> ", text)


def _annotations(report: CheckReport) -> Iterator[tuple[str, str]]:
    """Yields the command and the message of each error, failed rule and warning."""
    for model in report.models:
        if model.error:
            yield _annotation("error", model.location, model.name), model.error
        for result in model.results:
            if result.status != "passed":
                level = "warning" if result.status == "warned" else "error"
                title = f"{model.name}: {format_rule(result.rule)}"
                yield _annotation(level, result.rule.location, title), f"{describe_failure(result)}; {result.remedy}"


def _annotation(level: str, location: Location, title: str) -> str:
    where = f"file={_property(location.file)},line={location.line or 1}," if location.file else ""
    return f"::{level} {where}title={_property(f'netscope {title}')}::"


def _escaped(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def render_gitlab(report: CheckReport) -> str:
    """Returns the failed rules and warnings as a code quality report."""
    issues = []
    for model in report.models:
        if model.error:
            issues.append(_issue(model.location, model.name, "model", model.error, "blocker"))
        for result in model.results:
            if result.status != "passed":
                severity = "minor" if result.status == "warned" else "major"
                name = f"{model.name} {result.path} {format_rule(result.rule)}"
                text = f"{model.name}: {describe_failure(result)}; {result.remedy}"
                issues.append(_issue(result.rule.location, name, result.rule.metric, text, severity))
    return json.dumps(issues, indent=1, ensure_ascii=False) + "\n"


def _issue(location: Location, name: str, metric: str, text: str, severity: str) -> dict[str, object]:
    """Returns an issue, with a fingerprint that depends on the rule alone, not on the actual values."""
    return {
        "description": printable(text),
        "check_name": f"netscope/{metric}",
        "fingerprint": sha256(f"{location.file} {name}".encode(errors="surrogatepass")).hexdigest(),
        "severity": severity,
        "location": {"path": printable(location.file) or "pyproject.toml", "lines": {"begin": location.line or 1}},
    }
