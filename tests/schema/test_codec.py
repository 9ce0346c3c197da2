"""Results to JSON and back, and errors for other JSON."""

import json
from dataclasses import replace

import pytest

import netscope
from netscope.errors import SavedResultError
from netscope.schema import SCHEMA_VERSION, Summary


@pytest.fixture(scope="module")
def summary():
    return netscope.summarize("lenet5")


def test_a_summary_survives_json(summary):
    assert Summary.from_json(summary.to_json()) == summary


def test_json_has_the_field_names_exact_integers_and_the_schemas_version(summary):
    data = json.loads(summary.to_json())
    assert data["schema_version"] == SCHEMA_VERSION
    assert data["kind"] == "Summary"
    assert data["totals"]["params"] == 61_706
    assert data["totals"]["macs"] == 416_520
    assert data["rows"][2]["path"] == "features.0"
    assert data["rows"][2]["output_shapes"] == [[1, 6, 28, 28]]


REFUSED = {
    "not JSON": ("{", "not a saved netscope result"),
    "not an object": ("[1]", "no 'schema_version'"),
    "someone else's": ('{"a": 1}', "no 'schema_version'"),
    "newer": ('{"schema_version": 99, "kind": "Summary"}', "schema version 99"),
    "another kind": (
        f'{{"schema_version": {SCHEMA_VERSION}, "kind": "Listing"}}',
        "expected a saved Summary, got 'Listing'",
    ),
    "incomplete": (f'{{"schema_version": {SCHEMA_VERSION}, "kind": "Summary"}}', "damaged: .*architecture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_but_a_summary_is_refused_with_the_reason(case):
    text, message = REFUSED[case]
    with pytest.raises(SavedResultError, match=message):
        Summary.from_json(text)


def test_a_mistyped_field_is_named(summary):
    data = json.loads(summary.to_json())
    data["totals"]["params"] = "many"
    with pytest.raises(SavedResultError, match=r"totals\.params"):
        Summary.from_json(json.dumps(data))


def test_a_summary_prints_as_its_table(summary):
    assert "LeNet5" in str(summary)
    assert "61,706" in str(summary)


def test_a_dataframe_has_a_row_for_each_module(summary):
    pandas = pytest.importorskip("pandas")
    frame = summary.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc["features.0", "params"] == 156
    assert frame["own_params"].sum() == 61_706


def test_results_are_read_and_printed_without_torch(no_torch, tmp_path, summary):
    path = tmp_path / "lenet5.json"
    path.write_text(summary.to_json(), encoding="utf-8")
    no_torch(f"import netscope; str(netscope.Summary.from_json(open({str(path)!r}, encoding='utf-8').read()))")


def test_json_shows_lone_surrogates_as_escapes(summary):
    rows = (replace(summary.rows[0], path="a\udc80", hyperparameters={"é\ud800": ("\\ud800", 1)}), *summary.rows[1:])
    row = Summary.from_json(replace(summary, rows=rows).to_json()).rows[0]
    assert row == replace(rows[0], path=r"a\udc80", hyperparameters={r"é\ud800": (r"\ud800", 1)})
