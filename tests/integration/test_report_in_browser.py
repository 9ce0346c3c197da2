"""The page in a real browser: what it shows, how it is worked, and that nothing goes wrong or leaves the file."""

import json
import re
import shutil
from dataclasses import replace
from textwrap import dedent

import pytest

import netscope
from netscope.cli.app import run
from netscope.render import numbers
from netscope.render.page import comparison_page
from netscope.render.templating import asset
from netscope.schema import BenchReport, ComparedArchitecture, ComparisonTable, Figures, Totals
from netscope.schema.bench import LayerOverhead
from tests.benchmarks import result

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EVIL = "<script>alert(1)</script>"
MODEL = f"""
    import torch
    from torch import nn

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return self.one(x) + self.two(x) + x

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(8, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.head(self.lstm(x)[0])

    class Nothing(nn.Module):
        def forward(self, x):
            return x.relu()

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.of = nn.Linear(16, 16)

        def forward(self, x):
            return self.of(x).relu().relu()

    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Holder(), Holder()

        def forward(self, x):
            return torch.fft.fft(self.two(self.one(x))).real

    class Net(nn.Module):
        def __init__(self, deep=2):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)
            self.blocks = nn.Sequential(*(Branches() for _ in range(deep)))
            self.add_module({EVIL!r}, nn.Linear(4, 7))

        def forward(self, x):
            return getattr(self, {EVIL!r})(self.blocks(self.stem(x)).mean((2, 3)))
"""


def measured(name):
    """Half a millisecond in every layer, on the architecture's own inputs."""
    from tests.render.conftest import with_figures

    summary = netscope.summarize(name)
    rows = [with_figures(row, time_s=0.0005 * len(row.path or "whole"), own_time_s=0.0005) for row in summary.rows]
    layers = replace(summary, rows=tuple(rows))
    overhead = LayerOverhead(events=2, bare_step_s=1e-3, timed_step_s=1.1e-3)
    of = {"architecture": summary.architecture, "inputs": summary.inputs, "layers": layers, "layer_overhead": overhead}
    return BenchReport(results=(result(name, **of),))


class Page:
    """A report in the browser, and whatever went wrong in it or was asked for from elsewhere."""

    def __init__(self, browser, path, **options):
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.trouble = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: self.trouble.append(dialog.message))
        address = path.as_uri()
        self.page.on(
            "request",
            lambda request: None if request.url.partition("#")[0] == address else self.trouble.append(request.url),
        )
        self.page.goto(address)

    def rows(self):
        return self.page.locator("table[role=treegrid] tbody tr[data-position]")

    def names(self):
        return [
            text.strip("› \n").split("×")[0]
            for text in self.page.locator("tbody tr[data-position] .name").all_inner_texts()
        ]

    def active(self):
        return self.page.evaluate(
            "document.getElementById(document.querySelector('[role=treegrid]').getAttribute('aria-activedescendant'))"
            ".querySelector('.label').textContent"
        )

    def draw_graph(self):
        self.page.locator("#dataflow").scroll_into_view_if_needed()
        self.page.wait_for_selector(".graph .node")
        return self.page.locator(".graph")

    def nodes(self):
        return int(self.page.locator(".graph").get_attribute("data-nodes"))


def totals(params, flops):
    return Totals.of(Figures(params=params, flops=flops))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra test is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    model = folder / "my.py"
    model.write_text(dedent(MODEL), encoding="utf-8")
    timed = folder / "timed.json"
    timed.write_text(measured("lenet5").to_json(), encoding="utf-8")
    for name, arguments in {
        "alexnet": ("alexnet-paper",),
        "resnet": ("resnet50",),
        "resnet152": ("resnet152",),
        "swin": ("swin_t",),
        "dense": ("densenet201",),
        "transformer": ("hf/llama@num_hidden_layers=32",),
        "diff": ("alexnet-paper", "alexnet-tv"),
        "mine": (f"{model}:Net", "-i", "1x3x8x8"),
        "lstm": (f"{model}:Recurrent", "-i", "2x3x8"),
        "nothing": (f"{model}:Nothing", "-i", "1x8"),
        "spectral": (f"{model}:Spectral", "-i", "2x7x16"),
        "small": (f"{model}:Nothing", "alexnet-paper", "-i", "1x3x224x224"),
        "timed": ("lenet5", "--bench", str(timed)),
        "other": ("lenet5", "--bench", str(timed), "-b", "3"),
        "deeper": (f"{model}:Net", f"{model}:Net@deep=3", "-i", "1x3x8x8"),
    }.items():
        assert run(["report", *arguments, "-o", str(folder / f"{name}.html")]) == 0
    rows = (
        *(ComparedArchitecture(spec=f"net{n}", totals=totals(n * 10**6, n * 10**9), top1=60 + n) for n in range(1, 9)),
        ComparedArchitecture(spec=EVIL, totals=totals(5 * 10**6, 10**9)),
        ComparedArchitecture(spec="nowhere", error="nowhere: there is none of that name", exit_code=2),
    )
    (folder / "compare.html").write_text(comparison_page(ComparisonTable(rows=rows)), encoding="utf-8")
    assert run(["summary", "alexnet-paper", "-o", str(folder / "saved.json")]) == 0
    assert run(["report", str(folder / "saved.json"), "-o", str(folder / "saved.html")]) == 0
    return folder


@pytest.fixture
def opened(browser, reports):
    pages = []

    def open_page(name, **options):
        pages.append(Page(browser, reports / f"{name}.html", **options))
        return pages[-1]

    yield open_page
    for page in pages:
        assert page.trouble == []
        page.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("name", ["alexnet", "resnet152", "swin", "transformer", "diff", "mine", "deeper", "saved"])
def test_it_opens_without_trouble_and_the_page_never_scrolls_sideways(opened, name, width, scheme):
    page = opened(name, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.page.locator("#dataflow").scroll_into_view_if_needed()
    page.page.wait_for_timeout(200)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.rows().count() > 3


def test_the_totals_are_there_to_the_last_digit(opened):
    text = opened("alexnet").page.locator(".figures").inner_text()
    assert "62,378,344" in text
    assert "2,270,512,192" in text


def test_a_search_opens_what_holds_the_matches_and_says_how_many(opened):
    page = opened("resnet")
    page.page.get_by_role("searchbox").fill("downsample")
    assert page.page.locator("#layers .status").inner_text() == "4 layers found"
    assert page.page.locator("tbody mark").first.inner_text() == "downsample"
    assert page.active() == "downsample"
    page.page.keyboard.press("Enter")
    assert page.page.locator("#layers .status").inner_text() == "2 of 4 found"
    page.page.get_by_role("searchbox").fill("")
    assert page.page.locator("tbody mark").count() == 0


def test_the_table_is_worked_by_keys(opened):
    page = opened("alexnet")
    page.page.locator("[role=treegrid]").focus()
    page.page.keyboard.press("Home")
    assert page.active() == "AlexNet"
    page.page.keyboard.press("ArrowDown")
    assert page.active() == "features"
    before = page.rows().count()
    page.page.keyboard.press("ArrowLeft")
    assert page.rows().count() == before - 13
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    assert page.active() == "0"
    page.page.keyboard.press("ArrowLeft")
    assert page.active() == "features"
    page.page.keyboard.press("c")
    assert page.active() == "classifier"
    page.page.keyboard.press("Enter")
    assert page.rows().count() == before - 7
    page.page.keyboard.press("End")
    assert page.active() == "classifier"
    page.page.keyboard.press("/")
    assert page.page.evaluate("document.activeElement.type") == "search"


def test_it_folds_and_unfolds_as_a_whole(opened):
    page = opened("resnet")
    page.page.get_by_role("button", name="Collapse all").click()
    assert page.rows().count() == page.page.locator("tbody tr[aria-level='1'], tbody tr[aria-level='2']").count()
    page.page.get_by_role("button", name="Expand all").click()
    assert (
        page.page.locator("#layers .status").inner_text() == "151 rows"
        or int(page.page.locator("#layers .status").inner_text().split()[0].replace(",", "")) > 150
    )
    # Only what is in view exists.
    assert page.rows().count() < 100


def test_a_column_sorts_by_the_modules_own_figures(opened):
    page = opened("alexnet")
    head = page.page.locator("thead th", has_text=re.compile("^Params$"))
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert page.names()[:3] == ["classifier.1", "classifier.4", "classifier.6"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    page.page.get_by_role("button", name="Back to the tree").click()
    assert page.names()[0] == "AlexNet"


def test_the_icicle_zooms_and_comes_back(opened):
    page = opened("alexnet")
    tree = page.page.get_by_role("tree")
    classifier = tree.get_by_role("treeitem", name=re.compile("^classifier,"))
    narrow = classifier.bounding_box()["width"]
    classifier.click()
    page.page.wait_for_timeout(500)
    assert classifier.bounding_box()["width"] > 10 * narrow
    page.page.locator(".crumbs").get_by_role("button", name="AlexNet").click()
    page.page.wait_for_timeout(500)
    assert classifier.bounding_box()["width"] == pytest.approx(narrow, abs=2)
    page.page.get_by_role("radio", name="Params").check(force=True)
    page.page.wait_for_timeout(500)
    assert classifier.bounding_box()["width"] > 10 * narrow
    classifier.hover()
    assert page.page.locator("tbody tr.linked .label").inner_text() == "classifier"
    classifier.focus()
    page.page.keyboard.press("ArrowUp")
    assert page.page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("AlexNet")


def test_measured_times_are_divided_where_they_are_of_these_inputs(opened):
    page = opened("timed").page
    page.get_by_role("radio", name="Time").check(force=True)
    page.wait_for_timeout(400)
    tree = page.get_by_role("tree")
    assert tree.get_by_role("treeitem").first.bounding_box()["width"] > 1000
    assert tree.get_by_role("treeitem").count() > 5
    assert "Time was measured on " in page.locator("#shares .about").inner_text()
    other = opened("other").page
    assert other.get_by_role("radio", name="Time").count() == 0
    assert other.locator("#measured tbody tr").count() == 1


def test_where_there_is_nothing_to_divide_it_is_said(opened):
    page = opened("nothing").page
    assert page.locator("#shares .nothing-there").inner_text() == "No FLOPs: nothing to divide"
    assert page.get_by_role("tree").count() == 0
    assert not page.locator("#shares .legend").is_visible()
    assert page.locator("#shares .caption").inner_text() == ""
    both = opened("small").page
    assert both.locator("#shares .nothing-there").first.inner_text() == "No FLOPs: nothing to divide"
    assert both.locator("#shares .legend").is_visible()


def test_shares_of_a_lower_bound_say_of_what(opened):
    told = opened("spectral").page.locator("#shares .about").inner_text()
    assert "of what could be counted; not in it: aten._fft" in told


def test_pointing_at_a_row_shows_it_in_the_icicle(opened):
    page = opened("alexnet")
    page.page.locator("tbody tr", has_text="classifier").first.hover()
    assert page.page.locator(".icicle .linked").get_attribute("aria-label").startswith("classifier,")


def test_the_chain_has_the_textbooks_shapes(opened):
    page = opened("alexnet")
    shapes = page.page.locator(".chain text.shape").all_text_contents()
    assert shapes[:3] == ["3×224×224", "96×55×55", "96×27×27"]
    assert shapes[-1] == "1000"
    heights = page.page.evaluate(
        "[...document.querySelectorAll('.chain rect.front')].map((face) => face.getBBox().height)"
    )
    assert heights[0] > heights[1] > heights[2]
    assert "square root" in page.page.locator("#shapes .about").inner_text()


def test_the_graph_begins_readable_and_unfolds(opened):
    page = opened("resnet")
    graph = page.draw_graph()
    assert page.nodes() <= 40
    block = graph.locator("[role=button][aria-label^='Unfold layer2.1,']")
    assert "skip" in block.get_attribute("aria-label")
    before = page.nodes()
    block.dispatch_event("click")
    assert page.nodes() > before
    title = graph.locator("[aria-label='Fold layer2.1']")
    assert title.get_attribute("aria-expanded") == "true"
    title.focus()
    page.page.keyboard.press("Enter")
    assert page.nodes() == before
    page.page.get_by_role("button", name="Unfold all").click()
    assert page.nodes() > 150
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.nodes() < 15


def test_a_skip_is_drawn_as_one(opened):
    page = opened("mine")
    graph = page.draw_graph()
    page.page.get_by_role("button", name="Unfold all").click()
    assert graph.locator(".edge.past").count() >= 2
    page.page.emulate_media(media="print")
    assert graph.locator(".edge.past path").first.evaluate("node => getComputedStyle(node).display") != "none"
    assert graph.locator(".edge.past path").first.bounding_box()["height"] > 0
    page.page.emulate_media(media="screen")
    assert "1×4×6×6" in graph.locator(".edge text").all_text_contents()


def test_an_edge_has_the_shape_of_what_leaves_the_module(opened):
    page = opened("spectral")
    graph = page.draw_graph()
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert graph.locator(".edge text").all_text_contents()[1:3] == ["2×7×16", "2×7×16"]
    page.page.get_by_role("button", name="Unfold all").click()
    assert "14×16" not in graph.locator(".edge text").all_text_contents()
    assert graph.locator("[role=button][aria-label^='relu, in one']").count() == 2


def test_more_than_can_be_drawn_at_once_is_not_unfolded_as_a_whole(opened):
    page = opened("dense")
    page.draw_graph()
    assert page.page.get_by_role("button", name="Unfold all").is_disabled()
    assert "edges are too many to unfold at once" in page.page.locator("#dataflow .tools").inner_text()


def test_only_what_goes_past_something_is_a_skip(opened):
    page = opened("lstm")
    graph = page.draw_graph()
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert graph.locator("[aria-label*='skip']").count() == 0
    page = opened("transformer")
    page.draw_graph()
    page.page.get_by_role("button", name="Unfold all").scroll_into_view_if_needed()
    skips = page.page.evaluate(
        "[...document.querySelectorAll('.graph .node')].map((node) => node.getAttribute('aria-label'))"
        ".filter((text) => /^Unfold .*layers\\.\\d+, /.test(text))"
    )
    assert all(text.endswith("2 skips") for text in skips)


def test_the_graph_is_one_stop_and_arrows_go_from_node_to_node(opened):
    page = opened("alexnet")
    graph = page.draw_graph()
    assert graph.locator("svg [tabindex='0']").count() == 1
    graph.get_by_role("button", name="Show all of it").focus()
    page.page.keyboard.press("Tab")
    label = "document.activeElement.getAttribute('aria-label')"
    first = page.page.evaluate(label)
    page.page.keyboard.press("ArrowDown")
    second = page.page.evaluate(label)
    assert second != first
    assert graph.locator("svg [tabindex='0']").count() == 1
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowUp")
    assert page.page.evaluate(label) == first
    page.page.keyboard.press("Tab")
    assert not page.page.evaluate("document.querySelector('.graph').contains(document.activeElement)")


def test_the_graph_zooms_and_moves_by_buttons_keys_and_wheel(opened):
    page = opened("alexnet")
    graph = page.draw_graph()
    scale = "Number(/scale\\(([^)]+)/.exec(document.querySelector('.graph svg > g').getAttribute('transform'))[1])"
    first = page.page.evaluate(scale)
    graph.get_by_role("button", name="Zoom in").click()
    second = page.page.evaluate(scale)
    assert second > first
    graph.locator("svg").focus()
    page.page.keyboard.press("-")
    assert page.page.evaluate(scale) < second
    page.page.keyboard.press("ArrowRight")
    box = graph.bounding_box()
    page.page.mouse.move(box["x"] + 100, box["y"] + 200)
    third = page.page.evaluate(scale)
    page.page.mouse.wheel(0, -200)
    page.page.wait_for_timeout(100)
    assert page.page.evaluate(scale) > third


def test_the_theme_follows_the_system_and_the_button(opened):
    page = opened("alexnet", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.page.evaluate(paper)
    page.page.get_by_role("button", name="Change to the light theme").click()
    assert page.page.evaluate(paper) != dark
    page.page.get_by_role("button", name="Change to the dark theme").click()
    assert page.page.evaluate(paper) == dark


def test_a_diff_reads_without_colour_and_shows_only_what_changed(opened):
    page = opened("diff")
    assert "−1,277,504 params" in page.page.locator(".answer").inner_text()
    assert "~" in page.page.locator("tbody tr.changed .sign").first.inner_text()
    before = page.rows().count()
    page.page.get_by_label("Only what changed").check()
    assert page.rows().count() < before
    assert page.page.locator("tbody tr.same").count() == 0
    page.page.get_by_role("button", name="Δ FLOPs").click()
    assert "features.3" in page.names()[0]
    assert page.page.get_by_role("tree").count() == 2
    assert page.page.locator(".chain svg").count() == 2


def test_added_modules_are_marked_in_the_graph(opened):
    page = opened("deeper")
    graph = page.draw_graph()
    assert "added" in graph.locator("[aria-label*='blocks.2']").first.get_attribute("aria-label")


def test_a_module_may_be_called_anything(opened):
    page = opened("mine")
    page.draw_graph()
    assert page.page.locator("script").count() == 3
    assert EVIL in page.page.locator("tbody").inner_text()
    page.page.get_by_role("searchbox").fill("<script>")
    assert page.page.locator("#layers .status").inner_text() == "1 layer found"


def test_a_saved_summary_says_that_it_has_no_dataflow(opened):
    page = opened("saved")
    assert "holds no dataflow" in page.page.locator("#dataflow").inner_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_comparison_sorts_and_shows_what_accuracy_costs(opened, width):
    page = opened("compare", viewport={"width": width, "height": 800}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".scatter .dot").count() == 8
    assert EVIL in page.locator("#costs .caption").inner_text()
    page.get_by_role("radio", name="Params").check(force=True)
    assert page.locator(".scatter").get_attribute("aria-label").endswith("against Params")
    page.get_by_role("button", name="Top-1").click()
    assert page.locator("tbody th").first.inner_text() == "net8"
    assert page.locator("tbody th").nth(8).inner_text() == EVIL
    assert page.locator("tbody tr.failed th").inner_text() == "nowhere\nthere is none of that name"
    page.evaluate("document.querySelector('.panel.scroll').scrollLeft = 400")
    assert page.locator("tbody th").first.bounding_box()["x"] >= 0
    assert page.locator("thead th").first.bounding_box()["x"] >= 0
    page.get_by_role("button", name="Top-1").click()
    assert page.locator("tbody th").first.inner_text() == "net1"
    page.get_by_role("searchbox").fill("net3")
    assert page.locator("tbody tr").count() == 1


@pytest.mark.parametrize("name", ["alexnet", "diff", "compare"])
def test_everything_that_is_worked_has_a_name(opened, name):
    page = opened(name)
    if name != "compare":
        page.draw_graph()
    nameless = page.page.evaluate(
        """[...document.querySelectorAll(`button, input, [role=button], [role=treeitem], [role=tree], [role=treegrid],
            svg[role], [tabindex="0"]`)].filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim()
            || node.labels?.length)).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_on_paper_everything_is_open(opened):
    page = opened("resnet")
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.rows().count() > 150
    assert page.page.locator(".graph svg").get_attribute("viewBox")
    page.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.rows().count() < 60
    page.page.emulate_media(media="print")
    assert not page.page.locator(".tools").first.is_visible()


def test_scripts_format_numbers_as_the_other_formats_do(browser):
    counts = [0, 7, 999, 1000, 1023, 1024, 999_499, 999_999_499, 999_999_500, 2_270_512_192, 249_513_376, 2**53 - 1]
    counts += [2**51, 3 * 2**50, 123 * 10**15]
    times = [1234.0, 1.234, 0.99999, 0.0123, 0.00999999, 0.000456, 0.0000012, 2e-8]
    pairs = [
        (0, 5),
        (5, 0),
        (1, 3),
        (1, 10_000),
        (5, 10_000),
        (-1_277_504, 62_378_344),
        (28_670_016_448, 2_270_512_192),
    ]
    pairs += [(1, 1_000_000), (-38, 1_000_000), (7, 7)]
    program = f"""([counts, times, pairs]) => {{
        const data = {{ numbers: {json.dumps(numbers.script_formats())} }};
        {asset("page/numbers.js")}
        return [counts.map(count), counts.map(scaled), counts.map(size), times.map(seconds),
            pairs.map(([part, whole]) => share(Math.abs(part), whole)), pairs.map((pair) => change(...pair))];
    }}"""
    page = browser.new_page()
    found = page.evaluate(program, [counts, times, pairs])
    page.close()
    assert found == [
        [numbers.count(value) for value in counts],
        [numbers.scaled(value) for value in counts],
        [numbers.size(value) for value in counts],
        [numbers.seconds(value) for value in times],
        [numbers.share(abs(part), whole) for part, whole in pairs],
        [numbers.change(delta, whole) for delta, whole in pairs],
    ]


def test_a_table_of_ten_thousand_rows_stays_quick(browser, tmp_path):
    from netscope.api.report import make_report
    from netscope.render.page import report_page
    from tests.render.conftest import layer, linear, summary_of

    rows = [layer("", "Deep", 0)]
    for block in range(2500):
        rows += [
            layer(f"b{block}x", "Block", 1),
            *(linear(f"b{block}x.fc{n}", 2, params=block, own_params=block) for n in range(3)),
        ]
    path = tmp_path / "deep.html"
    path.write_text(report_page(make_report(summary_of(rows), [])), encoding="utf-8")
    page = Page(browser, path)
    page.page.get_by_role("button", name="Expand all").click()
    assert page.page.locator("#layers .status").inner_text() == "12,501 rows"
    assert page.rows().count() < 100
    page.page.locator("[role=treegrid]").focus()
    page.page.keyboard.press("End")
    assert page.active() == "fc2"
    assert page.trouble == []
    page.page.close()
