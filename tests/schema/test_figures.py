import json
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import netscope
from netscope.render.document import DocumentRequest
from netscope.render.summary import View, summary_document
from netscope.schema import METRICS, Figures
from netscope.schema.figures import FIELDS

COUNT = st.integers(0, 2**70)
MAY_BE_UNKNOWN = {field.name for field in fields(Figures) if field.default is None}

figures = st.builds(Figures, **{name: st.none() | COUNT if name in MAY_BE_UNKNOWN else COUNT for name in FIELDS})


@given(figures, figures, figures)
def test_figures_add_up_in_any_order(one, two, three):
    assert one + two == two + one
    assert (one + two) + three == one + (two + three) == Figures.sum([one, two, three])
    assert one + Figures() == one


@given(figures, figures)
def test_a_difference_is_unknown_where_either_side_is(before, after):
    delta = after - before
    for name in FIELDS:
        sides = (getattr(before, name), getattr(after, name))
        assert getattr(delta, name) == (None if None in sides else sides[1] - sides[0])


def test_a_sum_with_something_unknown_is_of_what_is_known():
    assert Figures(time_s=0.5) + Figures() == Figures(time_s=0.5)


def test_no_two_metrics_share_a_name_or_a_column():
    assert len({metric.key for metric in METRICS.values()}) == len(METRICS)


def test_a_sorted_list_divides_own_flops_by_own_time():
    summary = netscope.summarize("lenet5")
    rows = (
        replace(row, own=replace(row.own, time_s=1e-3), total=replace(row.total, time_s=1.0)) for row in summary.rows
    )
    view = View(sort="flops", columns=("flops", "time", "flop-rate"))
    document = summary_document(replace(summary, rows=tuple(rows)), DocumentRequest(view=view))
    for _, flops, seconds, rate in (row.cells for row in document.rows):
        assert seconds == 1e-3
        assert rate == (flops / seconds if flops else None)


# A metric is added in two places

FIELD = "    buffer_bytes: int = 0\n"
LINE = '            Metric("flop_rate"'
COMPUTATION = '                node.own["params"] += parameter.elements\n'

EVERYWHERE = """
import json
from torch import nn
import netscope
from netscope.api.report import make_report
from netscope.render import CompareView, View, render
from netscope.render.page.payload import report_payload

net = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 2, bias=False)))
summary, wider = netscope.summarize(net, (1, 4)), netscope.summarize(nn.Sequential(nn.Linear(4, 3)), (1, 4))
headers = lambda text: text.splitlines()[0].split(",")
side = report_payload(make_report(summary, []))["sides"][0]
lock = netscope.check(net, {"tensors": {"max": 2}}, (1, 4))
table, text = netscope.compare([net], inputs=(1, 4)), summary.to_json()
print(json.dumps({
    "table": render(summary, view=View(columns=("tensors", "own-tensors", "tensors-share"))),
    "sorted": render(summary, "csv", view=View(sort="tensors", columns=("tensors",))).splitlines()[1:],
    "csv": [name for name in headers(render(summary, "csv")) if "tensors" in name],
    "frame": summary.to_dataframe()[["tensors", "own_tensors"]].values.tolist(),
    "json": [json.loads(text)["totals"]["tensors"], netscope.Summary.from_json(text) == summary],
    "rule": [result.message for result in lock.results],
    "compared": render(table, "csv", view=CompareView(columns=("tensors",))).splitlines()[1],
    "delta": netscope.diff(summary, wider).delta.tensors,
    "diff": [name for name in headers(render(netscope.diff(summary, wider), "csv")) if "tensors" in name],
    "page": [[figure["title"] for figure in side["figures"]], side["rows"]["own_tensors"]],
}))
"""


def test_a_metric_is_added_by_its_computation_and_its_line(tmp_path):
    package = tmp_path / "netscope"
    shutil.copytree(Path(netscope.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))

    def insert(file, anchor, text):
        before, found, after = (package / file).read_text(encoding="utf-8").partition(anchor)
        assert found
        (package / file).write_text(before + text + found + after, encoding="utf-8")

    line = '            Metric("tensors", "Tensors", "parameter tensors", "count", in_csv=True, in_page=True),\n'
    insert("schema/figures.py", FIELD, "    tensors: int = 0\n")
    insert("schema/figures.py", LINE, line)
    insert("analysis/summary.py", COMPUTATION, '                node.own["tensors"] += 1\n')
    command = [sys.executable, "-c", EVERYWHERE]
    found = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True).stdout)
    for cell in ("Tensors", "Own tensors", "66.7%"):
        assert cell in found["table"]
    assert found["sorted"] == ["0,2", "1.0,1"]
    assert found["csv"] == ["tensors", "own-tensors"]
    assert found["frame"] == [[3, 0], [2, 2], [1, 0], [1, 1]]
    assert found["json"] == [3, True]
    assert found["rule"] == ["3 parameter tensors exceed the limit of 2 by 1"]
    assert found["compared"].startswith("Sequential,3")
    assert found["delta"] == -1
    assert found["diff"] == [f"{own}tensors_{side}" for own in ("", "own_") for side in ("before", "after", "delta")]
    assert found["page"] == [["Params", "FLOPs", "Weights + buffers", "Tensors"], [0, 2, 0, 1]]
