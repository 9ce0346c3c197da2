"""A summary as a sequence of rows, as plain data, as a dataframe, and as what ``print`` shows of it."""

import copy
import json
import pickle
from dataclasses import replace

import pytest
from torch import nn

import netscope
from netscope.errors import UnknownLayerError, UsageError
from netscope.schema import Figures


@pytest.fixture(scope="module")
def summary():
    return netscope.summarize(nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2))), (5, 4))


def test_a_summary_is_a_sequence_of_its_rows(summary):
    assert len(summary) == 5
    assert [row.path for row in summary] == ["", "0", "1", "1.0", "1.1"]
    assert summary[0].path == ""
    assert summary[-1] is summary.rows[-1]
    assert summary[1:3] == summary.rows[1:3]
    assert [row.path for row in reversed(summary)] == ["1.1", "1.0", "1", "0", ""]
    with pytest.raises(IndexError, match="out of range"):
        summary[5]


def test_a_path_selects_its_row(summary):
    assert summary["1.1"].own.params == 3 * 2 + 2
    assert summary[""] is summary[0]
    assert "1.1" in summary
    assert summary[2] in summary
    assert "1.2" not in summary
    assert 1 not in summary
    assert summary._ipython_key_completions_() == ["", "0", "1", "1.0", "1.1"]


def test_a_path_without_a_module_is_answered_with_the_closest_ones(summary):
    for kind in (KeyError, netscope.NetscopeError):
        with pytest.raises(kind) as caught:
            summary["1.11"]
        assert str(caught.value).startswith("Sequential has no module '1.11'; did you mean 1.1")
    with pytest.raises(UnknownLayerError, match=r"has no module '1\.11'; did you mean 1\.1"):
        netscope.explain(summary, "1.11")


def test_totals_are_at_hand(summary):
    assert summary.params == 4 * 3 + 3 + 3 * 2 + 2
    assert summary.macs == 5 * (4 * 3 + 3 * 2)
    assert summary.flops == 2 * summary.macs


def test_a_summary_is_always_true_and_survives_copies(summary):
    assert summary
    assert copy.copy(summary) == copy.deepcopy(summary) == summary
    assert pickle.loads(pickle.dumps(summary)) == summary  # noqa: S301 - our own bytes


def test_one_summary_is_one_architecture_to_compare(summary):
    assert len(netscope.compare(summary).rows) == 1


@pytest.mark.parametrize(
    "result",
    [
        lambda summary: summary,
        lambda summary: netscope.diff(summary, summary),
        lambda summary: netscope.check(summary, {"params": 23}),
    ],
    ids=["summary", "diff", "check"],
)
def test_a_dict_has_what_json_has(summary, result):
    found = result(summary)
    assert found.to_dict() == json.loads(found.to_json())
    assert found.to_dict()["kind"] == type(found).__name__


def test_a_dataframe_has_flat_columns(summary):
    pytest.importorskip("pandas")
    frame = summary.to_dataframe()
    assert frame.index.name == "path"
    assert frame.reset_index().to_dict("records")[-1] == {
        "path": "1.1", "type": "Linear", "depth": 2, "calls": 1, "input": "5x3", "output": "5x2",
        "params": 8, "own_params": 8, "flops": 60, "own_flops": 60,
    }  # fmt: skip
    assert frame["own_flops"].sum() == summary.flops
    assert {str(frame[name].dtype) for name in frame if name not in ("type", "input", "output")} == {"int64"}


def test_a_dataframe_of_a_training_step_has_its_backward_pass():
    pytest.importorskip("pandas")
    frame = netscope.summarize(nn.Linear(4, 3), (5, 4), mode="train").to_dataframe()
    assert frame["backward_flops"].tolist() == [2 * 5 * 4 * 3]  # of the weight; the input needs no gradient


def test_a_full_dataframe_has_every_field_and_metric(summary):
    pytest.importorskip("pandas")
    frame = summary.to_dataframe(full=True)
    assert frame.loc["1.1", "output_shapes"] == ((5, 2),)
    assert frame.loc["1.1", "tensors"] == summary["1.1"].tensors
    assert frame.loc["1.1", "own_weight_bytes"] == 32
    assert frame["step_flops"].isna().all()


@pytest.mark.parametrize(("count", "dtype"), [(2**62 + 1, "Int64"), (2**70 + 1, "object")])
def test_integers_stay_exact_beside_missing_values(summary, count, dtype):
    pytest.importorskip("pandas")
    last = replace(summary[-1], own=Figures(backward_flops=count))
    frame = replace(summary, rows=(*summary[:-1], last)).to_dataframe(full=True)
    assert frame["own_backward_flops"].dtype == dtype
    assert frame["own_backward_flops"].iloc[-1] == count


def test_a_view_shows_a_part_everywhere(summary):
    shown = summary.view(depth=1, columns="type, params")
    assert repr(shown) == str(shown)
    for text in (str(shown), shown._repr_html_(), shown._repr_markdown_()):
        assert "Params" in text
        assert "FLOPs" not in text.partition("23")[0]
        assert "ReLU" not in text
    assert str(summary.view(columns=["type", "params"], depth=1)) == str(shown)
    assert str(summary.view()) == str(summary)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"columns": "parms"}, "unknown column 'parms'; did you mean params"),
        ({"depth": -1}, "depth must be 0 or more"),
        ({"sort": "size"}, "unknown sort order 'size'"),
    ],
)
def test_a_view_is_checked_where_it_is_made(summary, view, message):
    with pytest.raises(UsageError, match=message):
        summary.view(**view)
