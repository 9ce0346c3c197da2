"""The page: what its scripts are given, that names stay text, and that nothing in it is fetched or edited."""

import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from netscope import analysis
from netscope.api.report import make_report
from netscope.render import numbers
from netscope.render.families import Family, family_of_op
from netscope.render.page import comparison, comparison_page, report, report_page
from netscope.render.page.payload import KINDS, report_payload
from netscope.render.templating import asset
from netscope.schema import (
    BenchReport,
    ComparedArchitecture,
    ComparisonTable,
    DataflowNode,
    DiffReport,
    Figures,
    OpCount,
    Totals,
)
from tests.benchmarks import result
from tests.render.conftest import layer, linear, summary_of, with_figures

EVIL = "<script>alert(1)</script>"
VENDORED = {
    "libraries.min.js": "7b89f7b69fdf020d30caa9e75797d1dd6d055655ae2e5c19e1e1307a21f5aa02",
    "LICENSES.txt": "77b088755a98d904d56b97b592449241b640c703230d1e85c8b0140242a59798",
}


class Parts(HTMLParser):
    """The tags of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open = (tag, dict(attrs))
            self.texts.append("")

    def handle_endtag(self, tag):
        if self._open and tag == self._open[0]:
            self._open = None

    def handle_data(self, data):
        if self._open:
            self.texts[-1] += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def evil_summary():
    names = (EVIL, "</script><!--", "& \u2028 \x1b[31m \ud800", '"onclick="x')
    return summary_of([layer("", EVIL, 0), *(linear(name, 1) for name in names)], name=EVIL, notes=(EVIL,))


def data_of(page):
    parts = Parts(page)
    return json.loads(parts.texts[1])


def test_a_name_is_text_whatever_it_holds():
    shown = make_report(evil_summary(), [])
    page = report_page(shown)
    parts = Parts(page)
    assert len(parts.of("script")) == 3
    assert not [attributes for _, attributes in parts.tags if any(name.startswith("on") for name in attributes)]
    assert EVIL not in page
    assert EVIL in data_of(page)["texts"]
    assert not re.search(r"[<>&\u2028\u2029]", parts.texts[1])


def test_the_payload_that_the_page_holds_is_the_payload(toy):
    shown = make_report(toy, [])
    found = data_of(report_page(shown))
    assert found.pop("bench") is None
    assert found.pop("numbers")["nothing"] == numbers.NOTHING
    assert found == json.loads(json.dumps(report_payload(shown)))


def test_rows_have_their_figures_and_what_is_their_own(toy):
    payload = report_payload(make_report(toy, []))
    side, texts = payload["sides"][0], payload["texts"]
    rows = side["rows"]
    assert [figure["key"] for figure in side["figures"]] == ["params", "flops", "memory"]
    assert sum(rows["own_params"]) == rows["params"][0] == toy.totals.params
    assert sum(rows["own_flops"]) == rows["flops"][0] == toy.totals.flops
    assert [texts[label] for label in rows["label"]][:3] == ["Toy", "block_0", "fc"]
    assert texts[rows["detail"][2]] == "4→4"
    assert rows["bound"][0] == 1


def test_a_run_of_identical_siblings_is_known_by_its_first(toy):
    assert list(report_payload(make_report(toy, []))["sides"][0]["runs"]) == [(1, 4, "block_0 … 3")]


def test_an_integer_that_a_browser_would_round_travels_as_text():
    summary = summary_of([layer("", "Vast", 0, flops=2**60 + 1, own_flops=2**60 + 1)])
    assert report_payload(make_report(summary, []))["sides"][0]["rows"]["flops"] == [str(2**60 + 1)]


def test_ops_name_their_module_and_whom_they_read(toy):
    dataflow = (
        DataflowNode(op="", path="x", shape=(1, 4), flops=0, reads=()),
        DataflowNode(op="aten.addmm", path="block_1.fc", shape=(1, 4), flops=32, reads=(0,)),
        DataflowNode(op="aten.mystery", path="", shape=(), flops=None, reads=(0, 1)),
    )
    payload = report_payload(replace(make_report(toy, []), dataflow=dataflow))
    texts = payload["texts"]
    found = [
        [texts[op], row, texts[shape], flops, reads]
        for op, row, shape, flops, _, reads in payload["sides"][0]["dataflow"]
    ]
    assert found == [["x", -1, "1×4", 0, []], ["addmm", 4, "1×4", 32, [0]], ["mystery", 0, "scalar", None, [0, 1]]]


def test_a_diff_has_both_sides_and_how_they_are_aligned(toy):
    changed = summary_of([layer("", "Toy", 0), linear("act", 1), linear("new", 1)], name="other")
    shown = DiffReport(
        diff=analysis.diff_summaries(toy, changed), before=make_report(toy, []), after=make_report(changed, [])
    )
    payload = report_payload(shown)
    rows = payload["diff"]["rows"]
    assert len(payload["sides"]) == 2
    assert len(rows["kind"]) == len(shown.diff.changes)
    assert {KINDS[kind] for kind in rows["kind"]} >= {"removed", "changed"}
    assert sum(rows["own_params_after"]) - sum(rows["own_params_before"]) == shown.diff.delta.params
    page = report_page(shown)
    assert "toy" in page
    assert "params" in page


def test_what_was_measured_is_in_it_once(toy):
    measured = result("toy", architecture=toy.architecture)
    shown = make_report(toy, [measured])
    found = data_of(report_page(shown))["bench"]
    assert len(found["rows"]) == 1
    assert any(column["title"] == "Samples/s" for column in found["columns"])
    both = DiffReport(diff=analysis.diff_summaries(toy, toy), before=shown, after=shown)
    assert len(data_of(report_page(both))["bench"]["rows"]) == 1
    assert BenchReport(results=shown.bench).results == (measured,)


def add_layer_times(summary):
    return replace(summary, rows=tuple(with_figures(row, time_s=0.5, own_time_s=0.25) for row in summary.rows))


def test_measured_times_are_a_figure_of_the_rows(toy):
    timed = result("toy", architecture=toy.architecture, inputs=toy.inputs, layers=add_layer_times(toy))
    side = report_payload(make_report(toy, [timed]))["sides"][0]
    assert side["figures"][-1] == {"key": "time", "title": "Time", "kind": "seconds", "bounded": False}
    assert side["rows"]["own_time"] == [0.25] * len(toy.rows)
    assert side["timed"] == "x 1×4 float32, computed in bf16, mode infer, on cuda"


def test_times_on_other_inputs_do_not_stand_beside_the_figures(toy):
    other = result("toy", architecture=toy.architecture, layers=add_layer_times(toy))
    shown = make_report(toy, [other])
    assert shown.bench == (other,)
    side = report_payload(shown)["sides"][0]
    assert "time" not in [figure["key"] for figure in side["figures"]]
    assert side["timed"] == ""


def test_of_measurements_those_on_the_same_inputs_are_shown(toy):
    same = result("toy", architecture=toy.architecture, inputs=toy.inputs)
    assert make_report(toy, [result("toy", architecture=toy.architecture), same]).bench == (same,)


def test_what_a_row_keeps_is_called_what_it_is(toy):
    titles = [figure["title"] for figure in report_payload(make_report(toy, []))["sides"][0]["figures"]]
    assert titles == ["Params", "FLOPs", "Weights + buffers"]
    trained = report_payload(make_report(replace(toy, mode="train"), []))["sides"][0]["figures"]
    assert trained[-1]["title"] == "Memory"


def test_a_lower_bound_says_so_and_names_the_ops(toy):
    page = report_page(make_report(toy, []))
    assert "≥ 192" in page
    assert "no formula for aten._fft_r2c (3×)" in page
    assert "traced by hand" in page


def test_totals_have_all_their_digits():
    summary = summary_of([linear("", 0, params=12_345_678, own_params=12_345_678)], active_params=2_000_001)
    page = report_page(make_report(summary, []))
    assert "12.346 M" in page
    assert "12,345,678" in page
    assert "2,000,001" in page


def test_without_scripts_the_table_is_there(toy):
    page = report_page(make_report(toy, []))
    noscript = page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert "Linear 4→4" in noscript
    assert next(attributes for attributes in Parts(page).of("button") if attributes["id"] == "theme")["hidden"] is None
    assert "[bold red]na|me`[/]" in noscript


def test_the_page_fetches_nothing_and_runs_nothing_but_its_own(toy):
    page = report_page(make_report(toy, []))
    parts = Parts(page)
    assert not [attributes for _, attributes in parts.tags if {"src", "srcset", "action"} & attributes.keys()]
    assert [attributes["href"] for attributes in parts.of("link")] == ["data:,"]
    assert all(attributes["href"].startswith("#") for attributes in parts.of("a"))
    assert not [attributes for _, attributes in parts.tags if "style" in attributes]
    allowed = {"http://www.w3.org"}
    assert set(re.findall(r"https?://[\w.-]+", page)) <= allowed
    assert "@import" not in page
    assert "url(" not in asset("page/page.css")


def test_its_policy_admits_exactly_its_scripts_and_its_style(toy):
    page = report_page(make_report(toy, []))
    parts = Parts(page)
    policy = next(attributes["content"] for attributes in parts.of("meta") if attributes.get("http-equiv"))
    rules = {name: values.split() for name, _, values in (rule.strip().partition(" ") for rule in policy.split(";"))}
    hashes = [f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in parts.texts]
    assert rules["default-src"] == ["'none'"]
    assert rules["style-src"] == hashes[:1]
    assert rules["script-src"] == hashes[2:]
    assert "unsafe" not in policy


def test_scripts_make_no_markup_from_text():
    for name in {*report.SCRIPTS, *comparison.SCRIPTS}:
        source = asset(f"page/{name}.js")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source), (
            name
        )


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_files_are_as_make_sh_made_them(name):
    content = files("netscope.render.page").joinpath("vendor", name).read_bytes()
    assert sha256(content).hexdigest() == VENDORED[name], "vendored files are made by vendor/make.sh, not edited"


def test_the_licences_are_of_the_packages_that_are_bundled():
    packages = json.loads(asset("page/vendor/package.json"))["dependencies"]
    licences, readme = asset("page/vendor/LICENSES.txt"), asset("page/vendor/README.md")
    for name, version in packages.items():
        assert f"{name} {version}\n" in licences
        assert f"| {name} | {version} |" in readme


@pytest.mark.parametrize(
    ("op", "family"),
    [
        ("aten.convolution", "convolution"),
        ("aten._scaled_dot_product_flash_attention", "attention"),
        ("aten.addmm", "matmul"),
        ("aten.native_layer_norm", "normalization"),
        ("aten.embedding", "embedding"),
        ("aten.max_pool2d_with_indices", "pooling"),
        ("aten.mkldnn_rnn_layer", "recurrent"),
        ("aten.upsample_bilinear2d", "other"),
        ("aten.relu", "other"),
    ],
)
def test_ops_belong_to_families(op, family):
    assert family_of_op(op).label == family


def test_a_layer_is_coloured_by_the_most_telling_of_its_ops():
    ops = (OpCount(op="aten.add", calls=1, flops=0), OpCount(op="aten.bmm", calls=1, flops=8))
    payload = report_payload(make_report(summary_of([layer("", "Root", 0), layer("a", "Custom", 1, ops=ops)]), []))
    assert [Family(family).label for family in payload["sides"][0]["rows"]["family"]] == ["container", "matmul"]


def test_a_comparison_has_its_rows_and_what_they_are_sorted_by(toy):
    rows = (
        ComparedArchitecture(
            spec="toy",
            architecture=toy.architecture,
            totals=Totals.of(Figures(params=2**60 + 1, flops=192)),
            is_lower_bound=True,
            top1=71.5,
            year=2015,
        ),
        ComparedArchitecture(spec=EVIL, error=f"there is no {EVIL}", exit_code=2),
    )
    page = comparison_page(ComparisonTable(rows=rows))
    found = data_of(page)
    titles = [column["title"] for column in found["columns"]]
    first, second = found["rows"]
    assert first["cells"][titles.index("FLOPs")] == "≥ 192"
    assert first["keys"][titles.index("Params")] == str(2**60 + 1)
    assert first["keys"][titles.index("Top-1")] == 71.5
    assert (first["failed"], second["failed"]) == (False, True)
    assert (first["reason"], second["reason"]) == ("", f"there is no {EVIL}")
    assert len(second["cells"]) == len(titles)
    assert second["keys"][titles.index("FLOPs")] is None
    assert found["points"][0]["top1"] == 71.5
    assert EVIL not in page
    assert "dagre" not in page


def test_it_needs_no_torch(no_torch):
    no_torch("from netscope.render.page import report_page\nfrom netscope.api.report import make_report")


def test_the_page_of_a_large_network_stays_small():
    from netscope import report

    page = report_page(report("resnet152"))
    assert len(page.encode()) < 500_000
