"""``netscope explain`` as a command."""

import json

import pytest

from netscope.cli.app import run


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lenet5"], 0),
        (["lenet5", "features.0"], 0),
        (["lenet5", "-w", "input=1x1x32x32", "-w", "features.0.padding=0"], 0),
        (["lenet5", "--what-if", "features.0.padding=0"], 1),
        (["lenet5", "--input", "1x1x4x4"], 2),
        (["lenet5", "nothing"], 2),
        (["lenet5", "--what-if", "padding"], 2),
        (["lenet5", "--format", "xls"], 2),
    ],
)
def test_exit_codes(arguments, code):
    assert run(["explain", *arguments]) == code


def test_a_change_that_no_longer_fits_says_where_and_why(capsys):
    run(["explain", "lenet5", "--what-if", "features.0.padding=0"])
    out = capsys.readouterr().out
    assert "classifier.1 (Linear) expects 400 input features, got 256" in out
    assert "classifier.1.in_features=256" in out


def test_json_holds_the_derivations(capsys):
    run(["explain", "lenet5", "features.0", "--format", "json"])
    read = json.loads(capsys.readouterr().out)
    assert read["kind"] == "Explanation"
    assert [item["quantity"] for item in read["layers"][0]["derivations"]] == [
        "height and width", "parameters", "MACs", "receptive field",
    ]  # fmt: skip
