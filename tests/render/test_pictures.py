"""Static pictures: valid files of equal bytes, harmless names, nothing global changed; and how a graph is laid out."""

import json
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netscope.errors import MissingExtraError
from netscope.render import numbers
from netscope.render.pictures import PICTURE_FORMATS, picture_bytes
from netscope.render.pictures.chain import stage_name
from netscope.render.pictures.drawing import ACCENT
from netscope.render.pictures.flow import skips_of
from netscope.render.pictures.folding import MOST_NODES, fold_flow
from netscope.render.pictures.layering import lay_out
from netscope.schema import FLOP_CONVENTION, ArchitectureReport, ChainStage, DataflowNode, DiffReport
from tests.render.conftest import layer, linear, summary_of, with_figures
from tests.render.test_html import diff_of

pytest.importorskip("matplotlib", reason="the extra pictures is not installed")

SVG = "{http://www.w3.org/2000/svg}"


def stage(path, kind, *shape):
    return ChainStage(paths=(path,), types=(kind,), shape=shape)


def op(path, *reads, name="aten.addmm", flops=32):
    return DataflowNode(op=name, path=path, shape=(1, 4), flops=flops, reads=reads)


GIVEN = DataflowNode(op="", path="x", shape=(1, 4), flops=0, reads=())

CHAIN = (
    stage("<x>", "input", 1, 3, 8, 8),
    stage("block_0", "Block", 1, 16, 4, 4),
    stage("block_1", "Block", 1, 4, 4, 32),
    stage("block_2", "Block", 1, 2, 3, 4, 4),
    stage("block_3", "Block", 1, 16, 8),
    stage("act", "ReLU", 1, 4),
    stage("层", "Linear", 7),
    stage("last", "Sum"),
)


@pytest.fixture
def report(toy):
    dataflow = (GIVEN, op("block_0.fc", 0), op("", 0, 1, name="aten.add", flops=0), op("block_1.fc", 2))
    return ArchitectureReport(summary=toy, chain=CHAIN, dataflow=dataflow)


def texts_of(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314


def test_equal_reports_give_equal_files_of_each_format(toy):
    small = ArchitectureReport(summary=toy, chain=CHAIN[:2], dataflow=())
    svg, png, pdf = (picture_bytes(small, format_name) for format_name in PICTURE_FORMATS)
    assert [svg, png, pdf] == [picture_bytes(small, format_name) for format_name in PICTURE_FORMATS]
    assert ET.fromstring(svg).tag == f"{SVG}svg"  # noqa: S314
    assert b"<dc:date>" not in svg
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", png[16:20]) == (2080,)
    assert pdf.startswith(b"%PDF-")
    assert b"/FontFile2" in pdf
    assert b"CreationDate" not in pdf


def test_the_panels_of_an_architecture(report):
    texts = texts_of(picture_bytes(report, "svg"))
    assert texts[0] == "toy"
    assert {"Feature maps", "Parameters: 140", "FLOPs: ≥ 192", "Dataflow"} <= set(texts)
    assert {"3×8×8", "4×4×32", "2×3×4×4", "16×8", "scalar"} <= set(texts)
    assert {"x", "block_0", "+", "block_1"} <= set(texts)
    assert any(text.startswith("to scale: 1 cm = ") for text in texts)
    assert "folded by module" in texts


def test_what_a_flop_is_and_what_was_not_counted_is_told(report, toy):
    texts = texts_of(picture_bytes(report, "svg"))
    assert "≥ 192 FLOPs (≥ 96 MACs)" in texts[1]
    assert "shares of what could be counted" in texts
    assert texts[-3:] == [
        f"FLOPs: {FLOP_CONVENTION}",
        f"FLOPs are a lower bound: no formula for {numbers.calls(toy.uncounted_ops)}",
        "FLOPs of toy are partial: 20 parameters of frozen were not read in eval mode",
    ]
    totals = replace(toy.totals, flops=2048, macs=1024, unread_params=0)
    exact = replace(report, summary=replace(toy, uncounted_ops=(), unread_parameters=(), totals=totals))
    texts = texts_of(picture_bytes(exact, "svg"))
    assert "2.048 KFLOPs (1.024 KMACs)" in texts[1]
    assert "shares of what could be counted" not in texts
    assert texts[-1] == f"FLOPs: {FLOP_CONVENTION}"
    both = DiffReport(diff=diff_of(toy, exact.summary), before=report, after=exact)
    assert texts_of(picture_bytes(both, "svg"))[-2].startswith("FLOPs of toy are a lower bound: ")


def test_what_is_not_to_scale_is_told(toy):
    def note(*chain):
        texts = texts_of(picture_bytes(ArchitectureReport(summary=toy, chain=chain, dataflow=()), "svg"))
        return next(text for text in texts if text.startswith("to scale"))

    thin = "sizes below 0.6 mm are drawn as 0.6 mm"
    assert note(stage("a", "Conv2d", 1, 64, 224, 224), stage("b", "Conv2d", 1, 64, 1, 1)).endswith(f"; {thin}")
    assert thin not in note(stage("a", "Conv2d", 1, 64, 8, 8), stage("b", "Linear", 1, 4))


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("Conv1d", (1, 1, 1300), "394 positions high, 16.8 channels wide"),
        ("BatchNorm1d", (1, 1, 1300), "394 positions high, 16.8 channels wide"),
        ("AdaptiveAvgPool1d", (1, 1, 1300), "394 positions high, 16.8 channels wide"),
        ("Linear", (1, 1300, 1), "394 positions high, 16.8 channels wide"),
    ],
)
def test_one_dimensional_layers_have_their_channels_first(kind, given, told):
    def solids(first):
        taken = layer("a", kind, 1, params=4, input_shapes=(given,), output_shapes=(given[:1] + first,))
        summary = summary_of([layer("", "Net", 0, params=4), taken])
        chain = (stage("<x>", "input", *given), stage("a", kind, 1, *first))
        return texts_of(picture_bytes(ArchitectureReport(summary=summary, chain=chain, dataflow=()), "svg"))

    texts = solids((64, 325) if kind != "Linear" else (325, 64))
    assert any(told in text for text in texts), texts


def test_a_name_that_does_not_fit_is_shortened():
    names = {"a_long_name_of_a_layer": 60, "rather_long": 2, "the_remainder": 938}
    rows = [
        layer("", "Net", 0, params=1000),
        *(layer(name, "Linear", 1, params=n, own_params=n) for name, n in names.items()),
    ]
    texts = texts_of(picture_bytes(ArchitectureReport(summary=summary_of(rows), chain=(), dataflow=()), "svg"))
    assert any("…" in text and text.startswith("a_") and text.endswith("er") for text in texts), texts
    assert not any(text.endswith("ong") for text in texts)


def test_a_skip_is_an_edge_beside_a_longer_way():
    assert skips_of([[], [0], [0, 1], [2], [1, 3]]) == {(2, 0), (4, 1)}
    assert skips_of([[], [0], [0, 1], [2], [1, 3]], {0}) == {(4, 1)}
    assert skips_of([[], [0], [0], [1, 2]]) == set()
    summary, dataflow = blocks(1)
    rows = [with_figures(row, own_params=0, own_flops=0) for row in summary.rows]
    summary = summary_of([*rows, linear("1.fc", 1)], params=0, flops=0)
    branched = (*dataflow, op("1.fc", 3), op("", 3, 4, name="aten.add", flops=0))
    drawn = picture_bytes(ArchitectureReport(summary=summary, chain=(), dataflow=branched), "svg")
    assert "skips are blue" in " ".join(texts_of(drawn))
    assert ACCENT.encode() in drawn


def test_the_panels_of_two(report, toy):
    after = replace(toy, rows=(toy.rows[0], *(with_figures(row, own_params=21, params=21) for row in toy.rows[1:])))
    both = DiffReport(diff=diff_of(toy, after), before=report, after=replace(report, summary=after))
    texts = texts_of(picture_bytes(both, "svg"))
    assert texts[0] == "toy → toy"
    assert {"What changed", "Δ parameters", "Δ FLOPs", "~"} <= set(texts)
    assert "to the same scale" in texts


def test_two_that_are_the_same_have_nothing_below(report, toy):
    same = diff_of(toy, toy)
    same = replace(same, changes=tuple(replace(change, kind="same") for change in same.changes))
    texts = texts_of(picture_bytes(DiffReport(diff=same, before=report, after=report), "svg"))
    assert "What changed" not in texts
    assert "~" not in texts


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
def test_names_are_harmless(format_name):
    names = ("$x_1$", "$\\frac{1$", "<script>alert(1)</script>", "]]>&amp;", "a\x1b[31m", "日本")
    rows = [layer("", "Net", 0, params=20 * len(names), flops=32 * len(names)), *(linear(name, 1) for name in names)]
    odd = summary_of(rows, name="".join(names))
    named = ArchitectureReport(
        summary=odd,
        chain=tuple(stage(name, name, 1, 3, 4, 4) for name in names),
        dataflow=(replace(GIVEN, path=names[0]), *(op(name, number) for number, name in enumerate(names))),
    )
    written = picture_bytes(named, format_name)
    if format_name == "svg":
        assert texts_of(written)[0] == "".join(names).replace("\x1b", "\\x1b")
        assert texts_of(written).count("$x_1$") >= 3
        assert b"<script" not in written


def test_what_is_not_known_is_not_drawn(toy):
    totals = replace(toy.totals, params=0, flops=0)
    rows = tuple(with_figures(row, params=0, flops=0, own_params=0, own_flops=0) for row in toy.rows)
    bare = ArchitectureReport(summary=replace(toy, rows=rows, totals=totals), chain=CHAIN[:1], dataflow=())
    assert len(texts_of(picture_bytes(bare, "svg"))) == 2


def test_settings_stay_as_they_were(report):
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 31.0, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        styled = picture_bytes(report, "svg")
        assert dict(mpl.rcParams) == before
    assert styled == picture_bytes(report, "svg")


def test_pyplot_is_not_imported_nor_matplotlib_before_it_is_needed():
    program = (
        "import sys, netscope.render.pictures as pictures; assert 'matplotlib' not in sys.modules;"
        "from netscope.schema import *; import tests.render.test_pictures as t;"
        "r = ArchitectureReport(summary=t.summary_of([t.linear('', 0)]), chain=t.CHAIN, dataflow=());"
        "pictures.picture_bytes(r, 'svg'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_a_missing_matplotlib_is_told(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="pip install matplotlib"):
        picture_bytes(report, "svg")


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (("a.b.0",), "a.b.0"),
        (("",), "the root"),
        (("a.b.0", "a.b.1", "a.b.2"), "a.b.0 … 2"),
        (("a.0", "b"), "a.0 … b"),
        (("a.0.1", "a.1.1"), "a.0.1 … 1.1"),
        (("conv", "relu"), "conv … relu"),
    ],
)
def test_a_stage_is_named_by_its_first_and_last(paths, name):
    assert stage_name(paths) == name


def blocks(count):
    rows = [layer("", "Net", 0)]
    dataflow = [GIVEN]
    for number in range(count):
        rows += [layer(f"{number}", "Block", 1), linear(f"{number}.fc", 2), layer(f"{number}.act", "ReLU", 2)]
        before = len(dataflow) - 1
        dataflow += [
            op(f"{number}.fc", before),
            op(f"{number}.act", before + 1, name="aten.relu", flops=0),
            op(f"{number}", before, before + 2, name="aten.add", flops=0),
        ]
    return summary_of(rows), dataflow


def test_repeated_blocks_are_opened_once_and_show_their_skip():
    nodes = fold_flow(*blocks(100))
    assert [(node.path, node.last, node.copies) for node in nodes] == [
        ("x", "x", 1),
        ("0.fc", "0.act", 1),
        ("0", "0", 1),
        ("1", "99", 99),
    ]
    assert nodes[1].types == ("Linear", "ReLU")
    assert nodes[2].reads == (0, 1)


def test_a_module_that_runs_again_closes_no_cycle():
    rows = [layer("", "Net", 0), linear("a", 1), linear("b", 1)]
    dataflow = [GIVEN, op("a", 0), op("b", 1), op("", 1, name="aten.relu", flops=0), op("a", 2, 3), op("b", 4)]
    nodes = fold_flow(summary_of(rows), dataflow)
    assert all(read < position for position, node in enumerate(nodes) for read in node.reads)


def test_very_many_layers_in_one_module_are_told_in_pieces():
    rows = [layer("", "Net", 0)]
    dataflow = [GIVEN]
    for number in range(500):
        rows.append(linear(f"{number}", 1, hyperparameters={"number": number}))
        dataflow.append(op(f"{number}", number))
    nodes = fold_flow(summary_of(rows), dataflow)
    assert len(nodes) <= MOST_NODES + 1
    assert nodes[-1].last == "499"


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    return [sorted(draw(st.sets(st.integers(0, node - 1), max_size=3))) if node else [] for node in range(count)]


@given(graphs())
@settings(max_examples=30)
def test_a_layout_keeps_its_distances_and_its_edges(reads):
    layout = lay_out(reads, 1.0, 0.25)
    for layer_places in layout.layers:
        for one, other in pairwise(layer_places):
            assert other.y - one.y >= (one.size + other.size) / 2 - 1e-6
    ends = [(way[0].node, way[-1].node) for way in layout.edges]
    assert ends == [(source, node) for node, sources in enumerate(reads) for source in sources]
    assert all(other.layer == one.layer + 1 for way in layout.edges for one, other in pairwise(way))
    assert json.dumps([[place.y for place in places] for places in layout.layers]) == json.dumps(
        [[place.y for place in places] for places in lay_out(reads, 1.0, 0.25).layers]
    )


def test_a_row_of_nodes_is_straight():
    layout = lay_out([[], [0], [1], [2], [3], [0, 4]], 1.0, 0.25)
    middle = [places[0].y if len(places) == 1 else None for places in layout.layers]
    chain = {round(place.y, 6) for places in layout.layers[1:5] for place in places if place.node is not None}
    assert len(chain) == 1, middle
