"""Commands that were asked before answer without torch, and say the same; ``cache`` shows and clears what was kept."""

import json
import os
import subprocess
import sys

import pytest

NET = """
import torch
from torch import nn
from sizes import WIDTH

def net(depth=1):
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(depth)))
"""

RUN = """
import atexit
import sys
from netscope.__main__ import main

atexit.register(lambda: print("torch" in sys.modules, file=sys.stderr))
sys.argv = ["netscope", *sys.argv[1:]]
main()
"""


class Netscope:
    """Runs commands in a folder, with a cache of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        self.variables = {}

    def run(self, *arguments, **variables):
        finished = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            cwd=self.folder,
            env={**os.environ, "NETSCOPE_CACHE_DIR": str(self.cache), **self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        *_, told = finished.stderr.split()
        return finished, told == "True"

    def twice(self, *arguments):
        """What it says; the second time the same without torch."""
        first, _ = self.run(*arguments)
        second, imported = self.run(*arguments)
        assert not imported, second.stderr
        assert (second.returncode, second.stdout) == (first.returncode, first.stdout)
        return first


@pytest.fixture
def netscope(tmp_path):
    (tmp_path / "my.py").write_text(NET, encoding="utf-8")
    (tmp_path / "sizes.py").write_text("WIDTH = 3\n", encoding="utf-8")
    return Netscope(tmp_path)


def test_a_summary_is_given_again_until_the_file_changes(netscope):
    command = ("summary", "./my.py:net@depth=2", "--input", "1x3", "--format", "json")
    assert json.loads(netscope.twice(*command).stdout)["totals"]["params"] == 24
    (netscope.folder / "sizes.py").write_text("WIDTH = 4\n", encoding="utf-8")
    finished, imported = netscope.run(*command[:3], "1x4", *command[4:])
    assert imported
    assert json.loads(finished.stdout)["totals"]["params"] == 40


@pytest.mark.parametrize(
    "command",
    [
        ("summary", "lenet5", "--input", "2x1x28x28", "--train", "--optimizer", "adam"),
        ("diff", "alexnet-paper", "alexnet-tv"),
        ("diff", "./my.py:net", "./my.py:net@depth=2", "--input", "1x3"),
        ("explain", "lenet5"),
        ("explain", "lenet5", "features.0", "--batch-size", "3"),
        ("check", "lenet5", "--max-params", "100k"),
        ("check", "lenet5", "--max-params", "1"),
        ("compare", "lenet5", "alexnet"),
    ],
    ids=" ".join,
)
@pytest.mark.slow
def test_every_command_that_needs_a_summary_gives_it_again(netscope, command):
    netscope.twice(*command)


@pytest.mark.slow
def test_a_report_is_given_again_with_its_graph(netscope):
    netscope.twice("report", "lenet5", "-o", "first.html")
    netscope.run("report", "lenet5", "-o", "new.html", "--no-cache")
    assert (netscope.folder / "first.html").read_text() == (netscope.folder / "new.html").read_text()


@pytest.mark.slow
def test_one_command_answers_by_what_another_kept(netscope):
    netscope.run("summary", "lenet5")
    for command in (("explain", "lenet5"), ("diff", "lenet5", "lenet5"), ("compare", "lenet5")):
        assert not netscope.run(*command)[1]
    netscope.run("compare", "alexnet", "resnet18")
    assert not netscope.run("diff", "alexnet", "resnet18")[1]


@pytest.mark.slow
def test_checks_of_a_project_are_given_again_until_it_changes(netscope):
    (netscope.folder / "pyproject.toml").write_text(
        "[tool.netscope.check.net]\nmodel = 'my:net'\ninput = '1x3'\nparams = 12\n"
        "[tool.netscope.check.deep]\nmodel = './my.py:net@depth=2'\ninput = '1x3'\nparams = 24\n"
        "[tool.netscope.check.lenet]\nmodel = 'lenet5'\nparams = { max = '100k' }\n",
        encoding="utf-8",
    )
    assert netscope.twice("check").returncode == 0
    (netscope.folder / "sizes.py").write_text("WIDTH = 2\n", encoding="utf-8")
    assert netscope.run("check")[0].returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["diff", "compare"])
def test_what_one_model_changes_is_not_in_the_answer_on_another(netscope, command):
    text = "import sizes\nfrom torch import nn\nsizes.WIDTH = 9\ndef net(): return nn.Linear(3, 1)"
    (netscope.folder / "first.py").write_text(text, encoding="utf-8")
    arguments = () if command == "diff" else ("-j", "1")
    netscope.twice(command, "./first.py:net", "./my.py:net", "--input", "1x3", *arguments)
    finished, _ = netscope.run("summary", "./my.py:net", "--input", "1x3", "--format", "json")
    assert json.loads(finished.stdout)["totals"]["params"] == 12


@pytest.mark.slow
def test_names_are_known_once_they_were_listed(netscope):
    netscope.twice("list", "torchvision/resnet*")
    netscope.twice("compare", "torchvision/alexnet*")
    typed = {"_NETSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "netscope summary resnext50", "COMP_CWORD": "2"}
    finished, imported = netscope.run(**typed)
    assert finished.stdout.split() == ["resnext50_32x4d"]
    assert not imported


def test_completion_knows_the_built_in_names(netscope):
    typed = {"_NETSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "netscope summary alexnet-", "COMP_CWORD": "2"}
    finished, imported = netscope.run(**typed)
    assert {"alexnet-paper", "alexnet-tv"} <= set(finished.stdout.split())
    assert not imported


@pytest.mark.slow
def test_no_cache_neither_takes_nor_keeps(netscope):
    netscope.run("summary", "lenet5", "--no-cache")
    assert json.loads(netscope.run("cache", "--format", "json")[0].stdout)["answers"] == []
    netscope.run("summary", "lenet5")
    assert netscope.run("summary", "lenet5", "--no-cache")[1]


@pytest.mark.slow
def test_errors_are_found_anew(netscope):
    for _ in range(2):
        finished, imported = netscope.run("summary", "lenet5", "--input", "1x3x28x28")
        assert finished.returncode == 2
        assert imported


@pytest.mark.slow
def test_weights_alone_are_given_again_but_not_explained(netscope):
    import torch

    path = netscope.folder / "weights.pt"
    torch.save({"fc.weight": torch.zeros(3, 4)}, path)
    assert "12" in netscope.twice("summary", "weights.pt").stdout
    assert netscope.run("explain", "weights.pt")[0].returncode == 2
    torch.save({"fc.weight": torch.zeros(3, 5)}, path)
    assert "15" in netscope.run("summary", "weights.pt")[0].stdout


@pytest.mark.slow
def test_the_cache_is_shown_pruned_and_cleared(netscope):
    netscope.run("summary", "./my.py:net", "--input", "1x3")
    netscope.run("summary", "lenet5")
    shown = json.loads(netscope.run("cache", "--format", "json")[0].stdout)
    assert {(answer["kind"], answer["name"]) for answer in shown["answers"]} == {
        ("summary", "./my.py:net"),
        ("summary", "lenet5"),
    }
    assert shown["bytes"] == sum(answer["bytes"] for answer in shown["answers"]) > 0
    (netscope.folder / "sizes.py").write_text("WIDTH = 4\n", encoding="utf-8")
    pruned = json.loads(netscope.run("cache", "prune", "--format", "json")[0].stdout)
    assert pruned["removed"] == 1
    assert [answer["name"] for answer in pruned["answers"]] == ["lenet5"]
    cleared = json.loads(netscope.run("cache", "clear", "--format", "json")[0].stdout)
    assert (cleared["removed"], cleared["answers"]) == (1, [])
    assert list(netscope.cache.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cache", "shwo"), "did you mean show?"),
        (("cache", "--unused", "3"), "--unused goes with cache prune"),
        (("cache", "prune", "--max-size", "-1"), "at least 0"),
    ],
)
def test_what_the_cache_does_not_do_is_said(netscope, arguments, said):
    finished, _ = netscope.run(*arguments)
    assert finished.returncode == 2
    assert said in finished.stderr


def test_a_cache_that_cannot_be_read_is_said_where_it_was_asked_for(netscope):
    netscope.cache.mkdir()
    (netscope.cache / "answers-1.sqlite3").mkdir()
    finished, _ = netscope.run("cache")
    assert finished.returncode == 2
    assert "cannot be used" in finished.stderr
