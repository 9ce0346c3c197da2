"""``netscope diff`` as a command: exit codes, saved summaries, files, and the map of weights."""

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from textwrap import dedent

import pytest
import torch

import netscope
from netscope.cli.app import run
from netscope.schema import ModelDiff, WeightsMap

MODELS = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self, width=4, bias=True, dropout=0.5):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, width, 3, bias=bias), nn.BatchNorm2d(width), nn.ReLU())
            self.drop = nn.Dropout(dropout)
            self.last = nn.Linear(width, 5)

        def forward(self, x):
            return self.last(self.drop(self.first(x)).mean((2, 3)))

    class Renamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
            self.dropout = nn.Dropout(0.5)
            self.classifier = nn.Linear(4, 5)

        def forward(self, x):
            return self.classifier(self.dropout(self.stem(x)).mean((2, 3)))

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.act = nn.ReLU()
            self.dropout = nn.Dropout(0.5)
            self.classifier = nn.Linear(4, 5)

        def forward(self, x):
            return self.classifier(self.dropout(self.act(self.norm(self.stem(x)))).mean((2, 3)))

    class Padded(Net):
        def __init__(self):
            super().__init__()
            self.first.append(nn.Identity())

    Padded.__name__ = "Net"

    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("half-way")
"""
NET, RENAMED, FLAT = "my.py:Net", "my.py:Renamed", "my.py:Flat"
INPUT = ("-i", "1x3x8x8")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "my.py").write_text(dedent(MODELS), encoding="utf-8")
    return tmp_path


def ask(*arguments):
    """Exit code, stdout and stderr of one ``netscope diff``."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(("diff", *arguments))
    return code, out.getvalue(), err.getvalue()


def save(architecture, name, *arguments):
    assert run(["summary", architecture, "-o", name, *arguments]) == 0
    return name


# Exit codes

ANSWERS = {
    "the same": ((NET, NET, *INPUT), 0),
    "another width": ((NET, "my.py:Net@width=8", *INPUT), 1),
    "another width, but only the text is wanted": ((NET, "my.py:Net@width=8", *INPUT, "--exit-zero"), 0),
    "other names": ((NET, RENAMED, *INPUT), 1),
    "other names, which are ignored": ((NET, RENAMED, *INPUT, "--ignore", "names"), 0),
    "the same without a container": ((NET, FLAT, *INPUT, "--ignore", "names"), 1),
    "another dropout": ((NET, "my.py:Net@dropout=0.1", *INPUT), 1),
    "another dropout, which is ignored": ((NET, "my.py:Net@dropout=0.1", *INPUT, "--ignore", "dropout"), 0),
    "no bias and no dropout, which are ignored": (
        (NET, "my.py:Net@bias=False,dropout=0.1", *INPUT, "--ignore", "bias, dropout"),
        0,
    ),
    "an identity more": ((NET, "my.py:Padded", *INPUT), 1),
    "an identity more, which is ignored": ((NET, "my.py:Padded", *INPUT, "--ignore", "wiring,identity"), 0),
    "no bias, where dropout is ignored": ((NET, "my.py:Net@bias=False", *INPUT, "--ignore", "dropout"), 1),
    "another input": ((NET, NET, *INPUT, "--input-b", "1x3x9x9"), 1),
    "a larger batch of both": ((NET, NET, *INPUT, "-b", "4"), 0),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_exit_code_says_whether_they_differ(case):
    arguments, expected = ANSWERS[case]
    code, out, err = ask(*arguments)
    assert (code, err) == (expected, "")
    assert out


QUESTIONS = {
    "unknown name": (("resnt50", "alexnet"), 2, "unknown architecture 'resnt50'; did you mean resnet50"),
    "unknown name of the second": (("lenet5", "alexnt"), 2, "did you mean alexnet"),
    "malformed input": (("lenet5", "lenet5", "-i", "1x3xbig"), 2, "e.g. --input 1x3x224x224"),
    "malformed input of one": (("lenet5", "lenet5", "--input-b", "big"), 2, "e.g. --input 1x3x224x224"),
    "unknown order": (("lenet5", "lenet5", "--sort", "size"), 2, "sort orders: order, delta, params, flops"),
    "negative depth": (("lenet5", "lenet5", "-d", "-1"), 2, "--depth must be 0 or more"),
    "unknown to ignore": (
        ("lenet5", "lenet5", "--ignore", "biases"),
        2,
        "unknown value 'biases' to ignore; did you mean bias",
    ),
    "nothing to ignore": (("lenet5", "lenet5", "--ignore", "names,"), 2, "unknown value '' to ignore"),
    "unknown format": (("lenet5", "lenet5", "-f", "yaml"), 2, "unknown format 'yaml'"),
    "input of a saved one": (("a.json", "lenet5", "-i", "1x1x28x28"), 2, "a.json is a saved summary"),
    "input of the saved one alone": (("a.json", "lenet5", "--input-a", "1x1x28x28"), 2, "a.json is a saved summary"),
    "batch of a saved one": (("lenet5", "a.json", "-b", "2"), 2, "a.json is a saved summary"),
    "no such file": (("no.json", "lenet5"), 2, "file 'no.json' not found"),
    "no JSON": (("broken.json", "lenet5"), 2, "broken.json cannot be read as a saved Summary: "),
    "JSON of something else": (("other.json", "lenet5"), 2, "other.json cannot be read as a saved Summary: "),
    "a saved diff": (("diff.json", "lenet5"), 2, "diff.json cannot be read as a saved Summary: "),
    "a folder of that name": (("folder.json", "lenet5"), 2, "folder.json cannot be read as a saved Summary: "),
    "no folder to write to": (("lenet5", "lenet5", "-o", "nowhere/x.json"), 2, "-o nowhere/x.json: folder"),
    "no folder for the map": (("lenet5", "lenet5", "--weights-map", "nowhere/x.json"), 2, "--weights-map nowhere/x"),
    "unknown suffix of the map": (
        ("lenet5", "lenet5", "--weights-map", "x.pt"),
        2,
        "--weights-map x.pt: unknown suffix '.pt'; use .txt, .json, .csv, .md or .html",
    ),
    "a folder for the map": (("lenet5", "lenet5", "--weights-map", "."), 2, "--weights-map .: is a folder"),
    "cannot be traced": (("lenet5", "my.py:Fails", "-i", "1x1x28x28"), 3, "failed in Fails: KeyError: 'half-way'"),
    "cannot be traced, but only the text is wanted": (
        ("my.py:Fails", "lenet5", "-i", "1x1x28x28", "--exit-zero"),
        3,
        "KeyError",
    ),
}


@pytest.fixture
def files(folder):
    save("lenet5", "a.json")
    (folder / "broken.json").write_text("{")
    (folder / "other.json").write_text('{"name": "netscope"}')
    (folder / "diff.json").write_text(netscope.diff("a.json", "a.json").to_json())
    (folder / "folder.json").mkdir()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wrong_question_gets_one_sentence(question):
    arguments, expected, sentence = QUESTIONS[question]
    code, out, err = ask(*arguments)
    assert len(err.splitlines()) == 1
    assert err.startswith("netscope: ")
    assert sentence in err
    assert (code, out) == (expected, "")


def test_one_architecture_alone_is_a_wrong_question():
    assert ask("lenet5")[0] == 2


# Saved summaries


def test_saved_or_live_or_one_of_each_is_the_same_answer(folder):
    save("lenet5", "a.json")
    save("lenet5@num_classes=7", "b.json")
    live = ask("lenet5", "lenet5@num_classes=7", "-f", "csv")
    assert live[0] == 1
    assert ask("a.json", "b.json", "-f", "csv") == live
    assert ask("a.json", "lenet5@num_classes=7", "-f", "csv") == live
    assert ask("lenet5", str(folder / "b.json"), "-f", "csv") == live


def test_two_saved_summaries_need_no_torch(no_torch):
    save("lenet5", "a.json")
    save("lenet5@num_classes=7", "b.json")
    no_torch(
        "from netscope.cli.app import run\n"
        "assert run(['diff', 'a.json', 'b.json', '-o', 'diff.md', '--weights-map', 'map.json']) == 1\n"
        "assert run(['diff', 'a.json', 'a.json']) == 0"
    )


def test_each_side_may_have_an_input_of_its_own():
    code, out, _ = ask(NET, NET, "--input-a", "1x3x8x8", "--input-b", "1x3x10x10", "-f", "json")
    result = ModelDiff.from_json(out)
    shapes = [side.inputs[0].shape for side in (result.before, result.after)]
    assert (code, shapes) == (1, [(1, 3, 8, 8), (1, 3, 10, 10)])
    assert result.delta.flops == 2 * 4 * 3 * 9 * (8 * 8 - 6 * 6)


def test_one_sides_input_goes_before_that_of_both():
    _, out, _ = ask(NET, NET, *INPUT, "--input-b", "2x3x8x8", "-f", "json")
    result = ModelDiff.from_json(out)
    assert [side.inputs[0].shape[0] for side in (result.before, result.after)] == [1, 2]


# Files


@pytest.mark.parametrize(
    ("name", "start"), [("a.json", "{"), ("a.csv", "kind,before,after,"), ("a.md", "**"), ("a.txt", "lenet5 → ")]
)
def test_the_suffix_says_the_format(folder, name, start):
    code, out, _ = ask("lenet5", "lenet5@num_classes=7", "-o", name)
    assert (code, out) == (1, "")
    assert (folder / name).read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize("option", ["-o", "--weights-map"])
def test_a_file_is_written_whole_or_not_at_all(folder, monkeypatch, option):
    (folder / "x.json").write_text("old")

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    code, out, err = ask("lenet5", "lenet5", option, "x.json")
    assert (code, out) == (2, "")
    assert f"{option} x.json: No space left on device" in err
    assert (folder / "x.json").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["my.py", "x.json"]


def test_a_wrong_question_leaves_the_old_files(folder):
    (folder / "x.json").write_text("old")
    assert ask("lenet5", "my.py:Fails", "-i", "1x1x28x28", "--weights-map", "x.json", "-o", "x.json")[0] == 3
    assert (folder / "x.json").read_text() == "old"


# The map of weights


def modules(folder):
    spec = spec_from_file_location("my", folder / "my.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("renamed", ["Renamed", "Flat"])
def test_along_the_map_a_renamed_model_takes_all_weights_and_computes_the_same(folder, renamed):
    code, _, err = ask(NET, f"my.py:{renamed}", *INPUT, "--weights-map", "map.json", "-f", "csv")
    found = WeightsMap.from_json((folder / "map.json").read_text(encoding="utf-8"))
    my = modules(folder)
    torch.manual_seed(0)
    source, target, image = my.Net().eval(), getattr(my, renamed)().eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        source.first[1].running_mean.normal_()
        weights = source.state_dict()
        target.load_state_dict(found.convert(weights), strict=True)
        torch.testing.assert_close(target(image), source(image), rtol=0, atol=0)
    params = sum(parameter.numel() for parameter in target.parameters())
    assert (found.params, found.covered_params, found.missing, found.unused) == (params, params, (), ())
    assert code == 1
    assert f"--weights-map map.json: {len(target.state_dict())} tensors, {params} of {params} parameters" in err


def test_the_map_of_the_two_alexnets_covers_the_layers_of_equal_shapes(folder):
    ask("alexnet-paper", "alexnet-tv", "--weights-map", "map.json")
    found = WeightsMap.from_json((folder / "map.json").read_text(encoding="utf-8"))
    # features.6 has as many biases, 384, and so have features.10 and the classifier all of theirs.
    assert found.tensors == {
        "features.6.bias": "features.6.bias",
        "features.10.bias": "features.10.bias",
        **{
            f"classifier.{number}.{name}": f"classifier.{number}.{name}"
            for number in (1, 4, 6)
            for name in ("weight", "bias")
        },
    }
    linear = 4096 * (9216 + 1) + 4096 * (4096 + 1) + 1000 * (4096 + 1)
    assert found.covered_params == 384 + 256 + linear
    assert found.params == 61_100_840
    assert {item.name for item in found.missing} == {
        "features.0.weight",
        "features.0.bias",
        "features.3.weight",
        "features.3.bias",
        "features.6.weight",
        "features.8.weight",
        "features.8.bias",
        "features.10.weight",
    }
    assert {item.reason for item in found.missing} == {"no tensor of this shape in the layer's counterpart"}


@pytest.mark.parametrize(
    ("name", "start"), [("map.json", "{"), ("map.csv", "kind,tensor,from,reason"), ("map.md", "**"), ("map.txt", NET)]
)
def test_the_suffix_says_the_format_of_the_map(folder, name, start):
    ask(NET, RENAMED, *INPUT, "--weights-map", name)
    assert (folder / name).read_text(encoding="utf-8").startswith(start)


def test_the_map_names_keys_that_both_state_dicts_have(folder):
    ask(NET, "my.py:Net@width=8,bias=False", *INPUT, "--weights-map", "map.json")
    found = json.loads((folder / "map.json").read_text(encoding="utf-8"))
    my = modules(folder)
    weights, others = my.Net().state_dict(), my.Net(width=8, bias=False).state_dict()
    assert all(weights[key].shape == others[name].shape for key, name in found["tensors"].items())
    assert {*found["tensors"].values(), *(item["name"] for item in found["missing"])} == set(others)
    assert {*found["tensors"], *(item["name"] for item in found["unused"])} == set(weights)
