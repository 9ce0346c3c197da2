"""The comment on a pull request: what a reviewer reads first, and that it is always Markdown that GitHub accepts."""

import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from netscope import analysis
from netscope.render import render
from netscope.render.comment import MAX_BYTES, MAX_FAILURES, MAX_MODELS, MAX_NAMES, MAX_ROWS
from netscope.schema import CheckReport, InputSpec, Location, ModelCheck, OpCount

from .conftest import layer, linear, rule, summary_of
from .conftest import result as any_result

COMMIT = "0123456789abcdef0123456789abcdef01234567"


result = partial(any_result, actual=3_900_000, message="it is too large")


def check(name, *results, **fields):
    location = Location(file="pyproject.toml", line=4, key=f"tool.netscope.check.{name}")
    usual = {"metrics": {"params": 20, "flops": 32}, "results": results or (result(),)}
    return ModelCheck(name=name, model=f"models.py:{name}", location=location, **(usual | fields))


def report_of(*models, **fields):
    return CheckReport(models=models, **({"base": "main", "base_commit": COMMIT} | fields))


def net(params=20, flops=32, *, fc="fc", **fields):
    root = layer("", "Net", 0, params=params, flops=flops)
    return summary_of([root, linear(fc, 1, params=params, own_params=params, flops=flops, own_flops=flops)], **fields)


def compared(name, before, after, *results, **fields):
    """Returns a check whose model was ``before`` in the base revision."""
    metrics = {"params": after.totals.params, "flops": after.totals.flops}
    diff = analysis.diff_summaries(before, after)
    return check(name, *results, metrics=metrics, base_diff=diff, **fields)


def wider(name, *results, **fields):
    grown = {"in_features": 4, "out_features": 8, "bias": True}
    root = layer("", "Net", 0, params=40, flops=64)
    fc = linear("fc", 1, params=40, own_params=40, flops=64, own_flops=64, hyperparameters=grown)
    return compared(name, net(), summary_of([root, fc]), *results, **fields)


class Page(HTMLParser):
    """What a browser would show: the tags, which must be closed, and the text inside and outside of code."""

    def __init__(self, markdown):
        super().__init__()
        self.tags, self.open, self.text, self.code, self.attributes = set(), [], "", "", []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs if name != "style"]
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "code" in self.open:
            self.code += data
        else:
            self.text += data


@pytest.fixture
def report():
    """Returns a report with a model of each kind."""
    error = "failed to build models.py:mended: RuntimeError: boom"
    return report_of(
        wider("changed", base_rules=(rule(text="3M", limit=3_000_000), rule("flops", text="1G", limit=10**9))),
        compared("fails", net(), net(40), result("failed", actual=4_000_001), result("warned", "a.b", bound="warn")),
        check("crashes", results=(), metrics={}, error="its process was killed by SIGSEGV", exit_code=3),
        compared("same", net(), net(), notes=("traced by hand",)),
        compared("warns", net(), net(), result("warned", actual=4_000_001)),
        check("new", is_new=True, base_error="models.py does not define 'New'"),
        check("mended", base_error=error),
        removed=("old",),
    )


def test_golden(report, golden):
    golden("comment.md", render(report, "markdown"))


def test_golden_without_a_base(report, golden):
    models = tuple(
        replace(model, base_diff=None, base_rules=None, base_error="", is_new=False) for model in report.models
    )
    golden("comment-without-base.md", render(report_of(*models, base="", base_commit=""), "markdown"))


def test_the_first_line_is_the_verdict_with_the_short_hash(report):
    first, second, *_ = render(report, "markdown").splitlines()
    assert first == (
        "❌ **netscope: 2 of 7 checks failed**: `fails`, `crashes`. "
        "2 warnings; 2 models changed, 1 new, 1 removed, 1 not compared since 01234567."
    )
    assert second == ""


def test_when_nothing_changed_it_is_one_line():
    models = [compared(name, net(), net(), notes=("traced by hand",)) for name in "ab"]
    assert render(report_of(*models), "markdown") == (
        "✅ **netscope: 2 checks passed**. No model changed since 01234567.\n"
    )


def test_without_a_base_all_that_passed_is_the_table():
    lines = render(report_of(check("a"), check("b"), base="", base_commit=""), "markdown").splitlines()
    assert lines[0] == "✅ **netscope: 2 checks passed**."
    assert lines[2] == "| Verdict | Check | Params | FLOPs | Budget |"
    assert len(lines) == 6


def test_failures_come_first_then_warnings_then_the_largest_change(report):
    small = compared("small", net(1000), net(1001))
    rows = re.findall(
        r"^\| [✅❌⚠][^|]+ \| `(.+?)` \|",
        render(replace(report, models=(small, *report.models)), "markdown"),
        re.MULTILINE,
    )
    assert rows == ["fails", "crashes", "warns", "changed", "small", "new", "mended", "old", "same"]


def test_a_row_has_both_values_the_difference_and_its_percentage():
    text = render(report_of(wider("net")), "markdown")
    assert (
        "| ✅\xa0changed | `net` | 20 →\xa040 | +20 (+100.00%) | 32 →\xa064 | +32 (+100.00%) | params ≤\xa04M (97.5%) |"
        in text
    )


def test_a_lower_bound_is_marked_on_the_side_that_is_one():
    before = net(uncounted=(OpCount(op="aten.fft", calls=1, flops=None),))
    text = render(report_of(compared("net", before, net(flops=64))), "markdown")
    assert "≥\xa032 →\xa064" in text
    text = render(report_of(compared("net", net(), net(flops=64), is_lower_bound=True)), "markdown")
    assert "32 →\xa0≥\xa064" in text
    assert "| 20 |" in text


def test_each_diff_is_shown_once_and_folded(report):
    text = render(report, "markdown")
    (line,) = re.findall(r"<summary><code>changed</code>: (.+)</summary>", text)
    assert line.startswith("the same 1 weighted layer; 1 layer changed")
    model = wider("net")
    both = render(report_of(replace(model, lock_diff=model.base_diff)), "markdown")
    assert both.count("<summary>") == 1
    assert "since the lock file" not in both


def test_the_locks_diff_is_shown_if_the_base_has_the_same_difference_from_it():
    model = replace(compared("net", net(), net()), lock_diff=wider("x").base_diff)
    assert "<summary><code>net</code> since the lock file: the same 1 weighted layer" in render(
        report_of(model), "markdown"
    )


def test_a_rule_that_the_pull_request_changes_is_named():
    then = (rule(text="3M", limit=3_000_000), rule("flops", text="1G", limit=10**9), rule(pattern="a.*"))
    now = (result(), result(metric="memory", text="1MB", limit=10**6), result(path="a.b", pattern="a.*"))
    model = compared("net", net(), net(), *now, base_rules=then)
    text = render(report_of(model), "markdown")
    assert "- ⚠️ `net`: rules changed: params ≤ 3M → 4M; flops ≤ 1G removed; memory ≤ 1MB added\n" in text
    assert "| ✅\xa0rules changed | `net` |" in text
    assert render(report_of(replace(model, base_rules=tuple(r.rule for r in now))), "markdown").count("\n") == 1


def test_inputs_that_differ_are_named():
    small = replace(net(), inputs=(InputSpec(name="x", shape=(1, 8), dtype="float32"),))
    assert "input x 1×4 float32 → x 1×8 float32" in render(report_of(compared("net", net(), small)), "markdown")


def test_what_cannot_be_compared_is_said(report):
    text = render(report, "markdown")
    assert "| ✅\xa0new | `new` | 20 |  | 32 |  |" in text
    assert "| ✅\xa0not compared | `mended` |" in text
    assert "`mended`: not compared with the base: failed to build models.py:mended: RuntimeError: boom" in text
    assert "| ⚠️\xa0removed | `old` |" in text


def test_no_rounding_hides_an_excess_of_one(report):
    assert "params ≤\xa04M (+1)" in render(report, "markdown")


@pytest.mark.parametrize("base", ["main", ""])
def test_a_report_of_any_size_is_a_comment_that_github_accepts(base):
    many = [
        wider(f"net{number}", *(result("failed", f"layer.{part}" * 9, message="m" * 999) for part in range(40)))
        for number in range(150)
    ]
    quiet = [compared(f"quiet{number}", net(), net(), notes=("n" * 999,)) for number in range(150)]
    text = render(report_of(*many, *quiet, base=base, base_commit=COMMIT if base else ""), "markdown")
    assert MAX_BYTES // 2 < len(text.encode()) <= MAX_BYTES < 65_536
    assert Page(text).tags >= {"table", "li", "code"}
    assert text.startswith("❌ **netscope: 150 of 300 checks failed**: `net0`, ")
    assert f"and {150 - MAX_NAMES} more" in text
    assert text.splitlines()[-1].startswith("Left out for length: ")
    command = "netscope check --against 01234567" if base else "netscope check"
    assert text.endswith(f" `{command}` shows everything.\n")


def test_the_least_important_diffs_are_left_out_first():
    diffs = [wider(f"net{number}", notes=()) for number in range(400)]
    text = render(report_of(*diffs), "markdown")
    shown = re.findall(r"<summary><code>net(\d+)</code>", text)
    assert 0 < len(shown) < 400
    assert shown == [str(number) for number in range(len(shown))]
    assert f"Left out for length: {400 - MAX_MODELS} models, {400 - len(shown)} diffs." in text
    assert len(re.findall(r"^\| ✅", text, re.MULTILINE)) == MAX_MODELS


def test_a_diff_of_many_layers_and_a_model_of_many_failures_are_shortened():
    def deep(width):
        kept = {"in_features": 4, "out_features": width, "bias": True}
        # Alternating types, because equal neighbors are folded into one row.
        rows = [replace(linear(f"l{n}", 1, hyperparameters=kept), type_name=f"T{n % 2}") for n in range(200)]
        return summary_of([layer("", "Net", 0, params=4000, flops=6400), *rows])

    failures = [result("failed", f"l{number}") for number in range(50)]
    text = render(report_of(compared("net", deep(4), deep(5), *failures)), "markdown")
    assert len(re.findall(r"^\| ~ \|", text, re.MULTILINE)) == MAX_ROWS
    assert f"- {200 - MAX_ROWS} more rows" in text
    assert text.count("it is too large") == MAX_FAILURES
    assert f"{50 - MAX_FAILURES} more of its rules did not pass" in text


def test_the_folder_of_a_project_is_in_the_verdict():
    report = report_of(compared("net", net(), net())).prefix_files("packages/a_b")
    assert render(report, "markdown").startswith("✅ **netscope in packages/a\\_b: 1 check passed**.")


LIVE = (
    "@someone", "(@someone)", "#12", "someone/project#12", "GH-12", "https://evil.example", "www.evil.example",
    "a@evil.example", "<img src=x>", "[text](https://evil.example)", "![](//evil.example)", "&commat;someone", "&#64;x",
    "**bold**", "`code`", "`@x", "a|b", "@a|b", "</summary></details><script>", "<!--", "</code>@x", "\n\n# a\n\n@x",
    "~~~", "\n</details>\n",
)  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_what_users_name_is_text_wherever_it_is(name):
    failed = replace(result("failed", path=f"x {name}"), message=f"m {name}", remedy=f"r {name}")
    named = summary_of([layer("", f"Net {name}", 0), linear(f"fc {name}", 1, params=21, own_params=21)])
    before = summary_of([layer("", "Net", 0), linear(f"fc {name}", 1)])
    model = compared(f"n {name}", before, named, failed, base_error=f"b {name}", notes=(f"o {name}",))
    crashed = check(f"e {name}", results=(), error=f"e {name}: it is", exit_code=3)
    then = (rule(text=f"t {name}", limit=1),)
    quiet = compared(f"q {name}", net(), net())
    mine = report_of(
        model, crashed, quiet, check(f"c {name}", base_rules=then), removed=(f"d {name}",), notes=(f"y {name}",)
    )
    mine = replace(mine, base=f"v {name}", base_commit="", folder=f"f {name}")
    page = Page(render(mine, "markdown"))
    allowed = {
        "p",
        "strong",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "br",
        "details",
        "summary",
    }
    assert page.tags <= allowed
    assert page.attributes == []
    assert not re.search(r"[@#]|://|www\.|GH-\d", page.text)
