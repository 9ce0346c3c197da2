"""The report of a check as a table and as the formats of CI services."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from netscope import analysis
from netscope.render import Canvas, render
from netscope.render.check import format_verdict
from netscope.schema import (
    FLOP_CONVENTION,
    CheckReport,
    Location,
    ModelCheck,
)

from .conftest import layer, linear, result, summary_of


def check(name, *results, **fields):
    location = Location(file="pyproject.toml", line=4, key=f"tool.netscope.check.{name}")
    return ModelCheck(name=name, model=f"models.py:{name}", location=location, results=results, **fields)


def make_report(*models):
    return CheckReport(models=models, base="main", flop_convention=FLOP_CONVENTION)


@pytest.fixture
def report():
    before = summary_of([layer("", "Net", 0, params=20, flops=32), linear("fc", 1)], name="net")
    wider = linear(
        "fc", 1, params=40, own_params=40, hyperparameters={"in_features": 4, "out_features": 8, "bias": True}
    )
    after = summary_of([layer("", "Net", 0, params=40, flops=32), wider], name="net")
    difference = analysis.diff_summaries(before, after)
    return make_report(
        check(
            "net",
            result(),
            result(path="a.0", pattern="a.*"),
            result(path="a.1", pattern="a.*", actual=0),
            result("failed", actual=26_000_001, limit=26_000_000, text="26M"),
            result("warned", metric="flops", bound="warn", text="1G", line=9),
            result("error", actual=None, limit=None, metric="architecture", bound="lock", text="netscope.lock", line=4),
            lock_diff=difference,
            base_diff=difference,
            notes=("traced by hand",),
        ),
        check("crashed<&>\x1b[31m", error="its process was killed by SIGSEGV", exit_code=3),
        check("fine", result(metric="output_shape", bound="equal", text="1x10", actual=(1, 10), limit=(1, 10))),
    )


@pytest.mark.parametrize(
    ("format_name", "suffix"),
    [("table", "txt"), ("json", "json"), ("csv", "csv"), ("junit", "xml"), ("github", "github"),
     ("gitlab", "gitlab.json")],
)  # fmt: skip
def test_golden(report, golden, format_name, suffix):
    canvas = Canvas(width=100) if format_name == "table" else None
    golden(f"check.{suffix}", render(report, format_name, canvas=canvas))


def test_no_rounding_hides_an_excess_of_one(report):
    for format_name in ("table", "csv", "json"):
        text = render(report, format_name).replace(",", "")
        assert "26000001" in text
        assert "26000000" in text


def test_the_exit_code_is_the_worst_of_all_results(report):
    net, crashed, fine = report.models
    failed = replace(net, results=net.results[:4])
    assert report.exit_code == 2
    assert make_report(failed, crashed).exit_code == 1
    assert make_report(crashed, fine).exit_code == 3
    assert make_report(fine).exit_code == 0
    assert make_report(fine).passed


def test_the_verdict_counts_failures_and_warnings(report):
    _, crashed, fine = report.models
    assert format_verdict(make_report(fine)) == "1 check passed"
    assert format_verdict(report) == f"2 of 3 checks did not pass: net, {crashed.name}, with 1 warning"
    assert format_verdict(make_report(check("net", result("warned")))) == "1 check passed, with 1 warning"


def test_junit_counts_its_test_cases(report):
    root = ET.fromstring(render(report, "junit"))  # noqa: S314 - our own
    cases = list(root.iter("testcase"))
    assert int(root.get("tests")) == len(cases) == 8
    assert int(root.get("failures")) == len(list(root.iter("failure"))) == 1
    assert int(root.get("errors")) == len(list(root.iter("error"))) == 2
    for suite in root:
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))


def test_github_shows_ten_annotations_and_counts_the_rest():
    many = make_report(check("net", *(result("failed", path=f"layer.{number}") for number in range(14))))
    lines = render(many, "github").splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert lines[10].startswith("::notice ")
    assert "and 4 more" in lines[10]
    assert sum("layer.13" in line for line in lines) == 1


def test_lines_after_the_annotations_are_not_workflow_commands():
    names = ["::error::x", " ::error::x", "a ##[error]x"]
    many = make_report(*(check(name, error=f"e{name}::{name}") for name in 5 * names))
    lines = render(many, "github").splitlines()
    assert sum(line.lstrip().startswith("::error ") for line in lines) == 10
    assert sum(line.lstrip().startswith("::") for line in lines) == 11
    assert not any("##[" in line for line in lines if not line.startswith("::"))
    assert "ea ## [error]x::a ## [error]x" in lines


def test_an_annotation_cannot_be_broken_out_of():
    evil = check("a,b:c%\n::error::x", error="50%\n::error::boo")
    text = render(make_report(evil), "github")
    assert [line for line in text.splitlines() if line.startswith("::error")] == [text.splitlines()[0]]
    assert "title=netscope a%2Cb%3Ac%25" in text
    assert "50%25" in text


@pytest.mark.parametrize("format_name", ["table", "csv", "markdown", "html", "junit", "github", "gitlab"])
def test_invisible_characters_are_escaped_in_every_format(format_name):
    invisible = "\udc80\u202e\u2066\ufeff\x1b"
    location = Location(file=f"f{invisible}", line=1, key="")
    failed = result("failed", path=f"p{invisible}")
    failed = replace(
        failed, message=f"m{invisible}", rule=replace(failed.rule, location=location, text=f"t{invisible}")
    )
    crashed = replace(check(f"n{invisible}", error=f"e{invisible}", exit_code=3), location=location)
    text = render(make_report(check(f"n{invisible}", failed), crashed), format_name)
    text.encode()
    assert not set(invisible) & set(text)
    assert re.search(r"n\\+udc80\\+u202e\\+u2066\\+ufeff\\+x1b", text)


def test_gitlab_fingerprints_do_not_depend_on_the_numbers(report):
    def fingerprints(subject):
        return [issue["fingerprint"] for issue in json.loads(render(subject, "gitlab"))]

    net = report.models[0]
    later = replace(net, results=tuple(replace(item, message="another number") for item in net.results))
    assert fingerprints(make_report(net)) == fingerprints(make_report(later))
    assert len(set(fingerprints(report))) == len(fingerprints(report)) == 4


def test_gitlab_gets_an_empty_list_if_all_rules_pass():
    assert json.loads(render(make_report(check("net", result())), "gitlab")) == []
