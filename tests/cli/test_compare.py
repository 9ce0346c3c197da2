"""``netscope compare`` as it is typed: patterns, crashes, and what comes out where."""

import json

import pytest

import netscope
from netscope.cli.app import run

MODELS = """\
import os, time
from torch import nn

def good(width=8):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU6(), nn.Conv2d(width, 2, 1))

def crashes():
    os.abort()

def hangs():
    time.sleep(600)

def speaks():
    print("hello from the constructor")
    return good()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_crash_an_unknown_name_and_a_pattern_go_with_others_in_one_table(capfd):
    given = ["lenet5", "nosuchthing", "models.py:crashes", "models.py:speaks", "built-in/nin*", "lenet5"]
    assert run(["compare", *given, "--input", "1x3x8x8", "--format", "json"]) == 3
    out, err = capfd.readouterr()
    rows = {row["spec"]: row for row in json.loads(out)["rows"]}
    assert list(rows) == ["lenet5", "nosuchthing", "models.py:crashes", "models.py:speaks", "nin-d2l"]
    assert [row["exit_code"] for row in rows.values()] == [2, 2, 3, 0, 2]
    assert "channel" in rows["lenet5"]["error"]
    assert "unknown architecture 'nosuchthing'" in rows["nosuchthing"]["error"]
    assert "killed by SIGABRT" in rows["models.py:crashes"]["error"]
    assert rows["models.py:speaks"]["totals"]["params"] == 242
    assert rows["models.py:speaks"]["activations"] == ["ReLU6"]
    assert "hello from the constructor" in err


@pytest.mark.slow
def test_one_that_hangs_is_given_up_and_the_others_go_on(capsys):
    assert run(["compare", "models.py:hangs", "lenet5", "--timeout", "60"]) == 3
    out = capsys.readouterr().out
    assert "it took longer than 60 s" in " ".join(out.split())
    assert "61,706" in out


@pytest.mark.slow
def test_the_answer_is_the_same_however_many_are_run_at_once(capsys):
    given = [
        "vgg11",
        "models.py:crashes",
        "built-in/nin*",
        "models.py:good",
        "lenet5",
        "no",
        "alexnet",
        "alexnet-paper",
    ]
    outs = []
    for jobs in ("1", "3"):
        assert run(["compare", *given, "-j", jobs, "--format", "json"]) == 3
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    assert [row["spec"] for row in json.loads(outs[0])["rows"]] == [*given[:2], "nin-d2l", *given[3:-1]]


@pytest.mark.slow
def test_names_of_timm_are_shown_as_they_are_typed(capsys):
    pytest.importorskip("timm")
    assert run(["compare", "timm/convnext_t*", "resnet18", "--sort", "params", "--reverse", "-f", "csv"]) == 0
    rows = [line.split(",")[:3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows[:2] == [["resnet18", "torchvision", "2015"], ["timm/convnext_tiny", "timm", "2022"]]


def test_saved_summaries_need_no_torch(folder, no_torch):
    for name in ("lenet5", "resnet18"):
        (folder / f"{name}.json").write_text(netscope.summarize(name).to_json(), encoding="utf-8")
    no_torch(
        "from netscope.cli.app import run\n"
        "assert run(['compare', 'lenet5.json', 'resnet18.json', '--sort', 'year', '-o', 'out.csv']) == 0\n"
        "assert run(['compare', 'gone.json', 'lenet5.json', '-o', 'out.txt']) == 2"
    )
    header, first, second = (folder / "out.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("architecture,source,year")
    assert first.startswith("resnet18 (resnet18.json),torchvision,2015,He et al. 2015,skip connections,")
    assert second.startswith("lenet5 (lenet5.json),built-in,1998,")
    assert "file 'gone.json' not found" in " ".join((folder / "out.txt").read_text(encoding="utf-8").split())


def test_a_pattern_that_fits_nothing_is_one_sentence(capsys):
    assert run(["compare", "lenet5", "torchvision/zzz*"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "netscope: no architecture matches 'torchvision/zzz*'; run `netscope list` to see all names\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sort", "parms"], "unknown sort order 'parms'; did you mean params"),
        (["--columns", "flopps"], "unknown column 'flopps'; did you mean flops"),
        (["--timeout", "0"], "--timeout must be greater than 0, got 0"),
        (["--jobs", "0"], "the number of jobs (-j) must be at least 1, got 0"),
        (["--input", "1x"], "invalid input '1x'"),
        (["--batch-size", "0"], "the batch size must be an integer of at least 1, got 0"),
        (["--format", "yaml"], "unknown format 'yaml'"),
        (["-o", "nowhere/out.csv"], "-o nowhere/out.csv: folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_refused_before_anything_runs(options, message, capsys):
    assert run(["compare", "lenet5", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
