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

    def __init__(self, folder, cache):
        self.folder = folder
        self.cache = cache
        self.variables = {}

    def run(self, *arguments, program=("-c", RUN), **variables):
        finished = subprocess.run(
            [sys.executable, *program, *arguments],
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

    def kept(self):
        """Returns the cached results, without the names of architectures that each command caches."""
        results = json.loads(self.run("cache", "--format", "json")[0].stdout)["results"]
        return [result for result in results if result["kind"] != "names"]


@pytest.fixture
def netscope(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "my.py").write_text(NET, encoding="utf-8")
    (folder / "sizes.py").write_text("WIDTH = 3\n", encoding="utf-8")
    return Netscope(folder, tmp_path / "cache")


OWN = """
import os
from torch import nn

def net(out):
    return nn.Linear(1, out, bias=False)

def optional():
    try:
        from optional import N
    except ImportError:
        N = 16
    return net(N)

def shadowed():
    import chunk_of_ours
    return net(chunk_of_ours.N)

def image():
    from torchvision.io import read_file
    return net(len(read_file("data.txt")))

def listed():
    return net(sum(entry.stat().st_size for entry in os.scandir("parts")))

def linked():
    return net(os.stat("data.txt").st_nlink)

def environment():
    return net(int(os.environb[b"MY_OWN"]))
"""


@pytest.fixture
def installed(netscope, tmp_path):
    """A folder of installed packages: a module, and a source that imports it and may be cached."""
    site = tmp_path / "site-packages"
    metadata = site / "toys_of_ours-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toys-of-ours\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[netscope.sources]\ntoys = toys_of_ours:Toys\n", encoding="utf-8")
    (site / "chunk_of_ours.py").write_text("N = 1\n", encoding="utf-8")
    (site / "toys_of_ours.py").write_text(TOYS, encoding="utf-8")
    netscope.variables["PYTHONPATH"] = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return site


TOYS = """
import chunk_of_ours
from torch import nn
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import as_forward_inputs
from netscope.sources import ResolvedArchitecture

class Toys:
    name = "toys"
    is_cacheable = True

    def names(self):
        return ("tiny",)

    def listing(self):
        return [ListedArchitecture(source=self.name, name="tiny", params=None, description="")]

    def resolve(self, text, name, options):
        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source="toys", name=name, options=options, description=""),
            factory=lambda: nn.Linear(1, chunk_of_ours.N, bias=False),
            default_inputs=lambda _: as_forward_inputs((1, 1)),
        )
"""


@pytest.mark.usefixtures("installed")
def test_own_code_is_traced_anew_whatever_it_rests_on(netscope):
    names = ("optional", "shadowed", "image", "listed", "linked", "environment")
    (netscope.folder / "own.py").write_text(OWN, encoding="utf-8")
    (netscope.folder / "data.txt").write_text("1", encoding="utf-8")
    (netscope.folder / "parts").mkdir()
    (netscope.folder / "parts" / "a.txt").write_text("1", encoding="utf-8")

    def params(**variables):
        command = ("compare", *(f"own.py:{name}" for name in names), "--input", "1x1", "--format", "json")
        rows = json.loads(netscope.run(*command, **variables)[0].stdout)["rows"]
        return dict(zip(names, (row["totals"]["params"] for row in rows), strict=True))

    before = params(MY_OWN="1")
    assert before == {**dict.fromkeys(names, 1), "optional": 16}
    (netscope.folder / "optional.py").write_text("N = 2\n", encoding="utf-8")
    (netscope.folder / "chunk_of_ours.py").write_text("N = 2\n", encoding="utf-8")
    (netscope.folder / "data.txt").write_text("12", encoding="utf-8")
    (netscope.folder / "parts" / "a.txt").write_text("12", encoding="utf-8")
    os.link(netscope.folder / "data.txt", netscope.folder / "again.txt")
    assert params(MY_OWN="2") == dict.fromkeys(names, 2)


@pytest.mark.usefixtures("installed")
def test_what_comes_to_shadow_an_installed_module_is_seen(netscope):
    command = ("summary", "toys/tiny", "--format", "json")
    assert json.loads(netscope.twice(*command).stdout)["totals"]["params"] == 1
    (netscope.folder / "chunk_of_ours.py").write_text("N = 2\n", encoding="utf-8")
    for _ in range(2):
        finished, imported = netscope.run(*command)
        assert imported
        assert json.loads(finished.stdout)["totals"]["params"] == 2


def test_workers_build_what_is_registered_from_what_is_installed(netscope, installed):
    (netscope.folder / "chunk_of_ours.py").write_text("N = 2\n", encoding="utf-8")
    (installed.parent / "run.py").write_text(RUN, encoding="utf-8")  # so that the folder is not on the path
    command = ("compare", "toys/tiny", "--format", "json")
    finished, _ = netscope.run(*command, program=[str(installed.parent / "run.py")])
    assert [row["totals"]["params"] for row in json.loads(finished.stdout)["rows"]] == [1]


@pytest.mark.slow
def test_a_configuration_is_given_again_until_it_changes(netscope):
    pytest.importorskip("transformers")
    path = netscope.folder / "net" / "config.json"
    path.parent.mkdir()
    config = {"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 1, "vocab_size": 10, "n_positions": 4}
    command = ("summary", "hf/./net", "--format", "json")
    path.write_text(json.dumps(config), encoding="utf-8")
    params = json.loads(netscope.twice(*command).stdout)["totals"]["params"]
    path.write_text(json.dumps({**config, "n_layer": 2}), encoding="utf-8")
    assert json.loads(netscope.twice(*command).stdout)["totals"]["params"] > params
    path.write_text(json.dumps({**config, "auto_map": {"AutoModel": "net.Net"}}), encoding="utf-8")
    for _ in range(2):
        assert netscope.run(*command)[1]


@pytest.mark.parametrize(
    "command",
    [
        ("summary", "lenet5", "--input", "2x1x28x28", "--train", "--optimizer", "adam"),
        ("diff", "alexnet-paper", "alexnet-tv"),
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
def test_a_project_checks_its_own_models_anew(netscope):
    (netscope.folder / "pyproject.toml").write_text(
        "[tool.netscope.check.net]\nmodel = 'my:net'\ninput = '1x3'\nparams = 12\n"
        "[tool.netscope.check.lenet]\nmodel = 'lenet5'\nparams = { max = '100k' }\n",
        encoding="utf-8",
    )
    assert netscope.run("check")[0].returncode == 0
    (netscope.folder / "sizes.py").write_text("WIDTH = 2\n", encoding="utf-8")
    assert netscope.run("check")[0].returncode != 0
    assert {answer["name"] for answer in netscope.kept()} == {"lenet5"}


def test_what_one_model_changes_is_not_in_the_figures_of_another(netscope):
    text = "import sizes\nfrom torch import nn\nsizes.WIDTH = 9\ndef net(): return nn.Linear(3, 1)"
    (netscope.folder / "first.py").write_text(text, encoding="utf-8")
    command = ("compare", "./first.py:net", "./my.py:net", "lenet5", "--format", "json", "-j", "1")
    rows = json.loads(netscope.run(*command, "--input", "1x3")[0].stdout)["rows"]
    assert [row["totals"] and row["totals"]["params"] for row in rows] == [4, 12, None]


@pytest.mark.usefixtures("installed")
def test_the_list_has_the_parameters_of_what_was_counted_by_default(netscope):
    def listed():
        finished, _ = netscope.run("list", "--source", "toys", "--format", "json")
        return [(entry["name"], entry["params"]) for entry in json.loads(finished.stdout)["architectures"]]

    netscope.run("summary", "toys/tiny@x=1", "--batch-size", "2")
    assert listed() == [("tiny", None)]
    netscope.run("summary", "toys/tiny")
    netscope.run("summary", "tiny")
    assert listed() == [("tiny", 1)]


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
    assert netscope.kept() == []
    netscope.run("summary", "lenet5")
    assert netscope.run("summary", "lenet5", "--no-cache")[1]


@pytest.mark.slow
def test_errors_are_found_anew(netscope):
    for _ in range(2):
        finished, imported = netscope.run("summary", "lenet5", "--input", "1x3x28x28")
        assert finished.returncode == 2
        assert imported


@pytest.mark.slow
def test_the_cache_is_shown_pruned_and_cleared(netscope):
    netscope.run("diff", "lenet5", "alexnet")
    answers = netscope.kept()
    assert {(answer["kind"], answer["name"]) for answer in answers} == {("summary", "lenet5"), ("summary", "alexnet")}
    size = max(answer["bytes"] for answer in answers) / 2**20
    pruned = json.loads(netscope.run("cache", "prune", "--max-size", f"{size:f}", "--format", "json")[0].stdout)
    left = pruned["results"]
    assert pruned["removed"] >= 1
    assert sum(answer["bytes"] for answer in left) <= size * 2**20
    cleared = json.loads(netscope.run("cache", "clear", "--format", "json")[0].stdout)
    assert (cleared["removed"], cleared["results"]) == (len(left), [])
    assert list(netscope.cache.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cache", "shwo"), "did you mean show?"),
        (("cache", "--unused", "3"), "--unused requires netscope cache prune"),
        (("cache", "prune", "--max-size", "-1"), "at least 0"),
    ],
)
def test_what_the_cache_does_not_do_is_said(netscope, arguments, said):
    finished, _ = netscope.run(*arguments)
    assert finished.returncode == 2
    assert said in finished.stderr


def test_a_cache_that_cannot_be_read_is_said_where_it_was_asked_for(netscope):
    netscope.cache.mkdir()
    (netscope.cache / "results-1.sqlite3").mkdir()
    finished, _ = netscope.run("cache")
    assert finished.returncode == 2
    assert "cannot be used" in finished.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="nobody owns files there")
def test_a_cache_that_others_may_write_to_is_said_where_it_was_asked_for(netscope):
    netscope.cache.mkdir(mode=0o700)
    netscope.cache.chmod(0o777)
    for action in ("show", "prune"):
        finished, _ = netscope.run("cache", action)
        assert finished.returncode == 2
        assert f"the cache cannot be used: {netscope.cache}: other users can write to it" in finished.stderr
    assert list(netscope.cache.iterdir()) == []
