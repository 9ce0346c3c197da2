"""Badges as SVG."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from netscope.errors import UsageError
from netscope.render import check_badge, render_badge
from netscope.schema import CheckReport, Location, ModelCheck, Rule, RuleResult

SVG = "{http://www.w3.org/2000/svg}"


def check(name="net", status="passed", **fields):
    location = Location(file="pyproject.toml", line=4, key="")
    rule = Rule(metric="params", bound="max", limit=1, text="1", location=location)
    result = RuleResult(rule=rule, path="", actual=1, limit=1, status=status)
    metrics = {
        "params": 62_378_344, "flops": 2_271_000_000, "weight_bytes": 249_513_376, "output_shape": (1, 1000),
        "layer_count": 24,
    }  # fmt: skip
    usual = {"metrics": metrics, "results": (result,)}
    return ModelCheck(name=name, model=name, location=location, **(usual | fields))


def draw(stem, *models):
    """Returns the texts of a badge, its description and the color behind its value."""
    root = ET.fromstring(render_badge(CheckReport(models=models), stem))  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.find(f"{SVG}title").text
    return [text.text for text in root.iter(f"{SVG}text")], root.get("aria-label"), list(root.iter(f"{SVG}rect"))[2]


@pytest.mark.parametrize(
    ("stem", "texts", "title"),
    [
        ("params", ["params", "62.4M"], "params: 62,378,344"),
        ("FLOPs", ["FLOPs", "2.27G"], "FLOPs: 2,271,000,000"),
        ("weight-bytes", ["weights", "237.95 MiB"], "weights: 249,513,376"),
        ("output_shape", ["output shape", "1×1000"], "output shape: 1×1000"),
        ("layer_count", ["layer count", "24"], "layer count: 24"),
        ("memory", ["memory", "unknown"], "memory: unknown"),
        ("status", ["netscope", "1 check passed"], "netscope: 1 check passed"),
    ],
)
def test_the_name_of_the_file_chooses_what_it_shows(stem, texts, title):
    assert draw(stem, check())[:2] == (texts, title)


def test_several_checks_are_counted():
    texts, _, _ = draw("netscope", check("a"), check("b", "failed"), check("c"))
    assert texts == ["netscope", "1 of 3 checks failed"]
    texts, _, _ = draw("netscope", check("a"), check("b"))
    assert texts == ["netscope", "2 checks passed"]


def test_a_lower_bound_and_an_error_are_shown_as_such():
    assert draw("flops", check(is_lower_bound=True))[0] == ["FLOPs", "≥ 2.27G"]
    assert draw("params", check(is_lower_bound=True))[0] == ["params", "62.4M"]
    crashed = check(metrics={}, results=(), error="it crashed")
    assert draw("params", crashed)[:2] == (["params", "error"], "params: it crashed")


def luminance(color):
    """Relative luminance: https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("status", ["passed", "warned", "failed", "error"])
def test_white_text_is_readable_on_the_color_of_each_verdict(status):
    fill = draw("params", check(status=status))[2].get("fill")
    assert 1.05 / (luminance(fill) + 0.05) >= 4.5


def test_the_colors_of_verdicts_differ():
    fills = {draw("netscope", check(status=status))[2].get("fill") for status in ("passed", "warned", "failed")}
    assert len(fills) == 3


def test_the_text_has_room():
    (text, value), _, box = draw("netscope", check("a"), check("b", "failed"))
    assert float(box.get("width")) > 5 * len(value)
    assert text == "netscope"


def test_a_metric_of_several_checks_is_refused():
    for call in (
        lambda: check_badge("params", 2),
        lambda: render_badge(CheckReport(models=(check(), check())), "params"),
    ):
        with pytest.raises(UsageError, match="a badge of params shows one check, but 2 run; name one"):
            call()
    check_badge("netscope", 2)
    check_badge("params", 1)


def test_an_error_is_text_in_the_svg():
    crashed = check(metrics={}, results=(), error="</title><script>\x1b")
    title = draw("params", crashed)[1]
    assert title == "params: </title><script>\\x1b"
    assert draw("netscope", replace(crashed, name="<b>"))[0] == ["netscope", "1 of 1 check failed"]
