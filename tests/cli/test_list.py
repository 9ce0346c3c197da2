"""``netscope list`` as it is typed: patterns, sources, and what is said if nothing matches."""

import json
import re
import sys

import pytest

from netscope.cli.app import run
from netscope.sources import registered_names


def test_only_the_named_sources_are_listed_each_name_as_it_must_be_typed(capsys):
    assert run(["list", "alexnet*", "--source", "torchvision", "--source", "built-in", "--format", "json"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)["architectures"]]
    assert names[-1] == "torchvision/alexnet"
    assert "alexnet-paper" in names
    assert run(["list", "alexnet", "--source", "torchvision", "--no-cache", "-f", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["torchvision/alexnet,torchvision,61100840,"]


def test_a_source_that_is_not_listed_is_not_needed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    registered_names.read_registrations.cache_clear()
    registered_names.read_model_types.cache_clear()
    assert run(["list", "--source", "built-in,torchvision", "--no-cache"]) == 0
    assert "pip install" not in capsys.readouterr().out
    assert run(["list", "lenet", "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert "run pip install timm\n" in out
    assert "run pip install transformers\n" in out


def test_an_unknown_source_is_answered_with_those_there_are(capsys):
    assert run(["list", "--source", "built-in,tim"]) == 2
    assert capsys.readouterr().err == (
        "netscope: unknown source 'tim'; did you mean timm?; available sources: built-in, torchvision, timm, hf\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lenet*"], "1 architecture in built-in matches 'lenet*'"),
        (["alexnet-*"], "7 architectures in built-in match 'alexnet-*'"),
        ([], "12 architectures in built-in"),
    ],
)
def test_the_heading_says_how_many_match(arguments, sentence, capsys):
    assert run(["list", "--source", "built-in", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[0] == sentence


def test_nothing_that_matches_is_one_sentence_with_the_closest_names(capsys):
    assert run(["list", "lenet6", "--source", "built-in"]) == 1
    (sentence,) = capsys.readouterr().out.strip().splitlines()
    assert sentence.startswith("no architecture in built-in matches 'lenet6'; did you mean lenet5")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_list_fits_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["list", "--source", "built-in"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert "lenet5" in " ".join(lines).split()
    assert re.search(r"\b61,706\b|\b61\.7\d* K\b", " ".join(lines))
