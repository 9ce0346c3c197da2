"""``max_increase`` from the base revision, in real repositories; of saved summaries, which need no torch."""

from itertools import pairwise

import pytest
from torch import nn

import netscope
from netscope.cli.app import run
from netscope.schema import CheckReport

CHECK = """
[tool.netscope.check.net]
model = "{model}"
{metric} = {{ max_increase = "10%"{base}{more} }}
"""


def check_of(model="net.json", *, base=True, more="", metric="params"):
    return CHECK.format(model=model, base=", base = true" * base, more=more, metric=metric)


@pytest.fixture(scope="module")
def net():
    """The summary of a network of any width: 23 parameters of width 3, 51 of width 7."""

    def summarize(*widths):
        sizes = (4, *widths, 2)
        model = nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(sizes)))
        return netscope.summarize(model, (1, 4)).to_json()

    return summarize


@pytest.fixture
def branch(new_repository, net, monkeypatch):
    """A branch of a clone: the files it came from are its origin's main."""

    def make(files=None):
        origin, repository = new_repository(), new_repository()
        origin.commit({"net.json": net(3), "pyproject.toml": check_of(), **(files or {})})
        repository.git("remote", "add", "origin", str(origin.path))
        repository.git("fetch", "--quiet", "origin")
        repository.git("checkout", "--quiet", "-b", "work", "origin/main")
        monkeypatch.chdir(repository.path)
        return repository

    return make


@pytest.fixture
def check(capsys):
    def run_check(*arguments):
        code = run(["check", *arguments, "-f", "json"])
        return code, CheckReport.from_json(capsys.readouterr().out)

    return run_check


@pytest.mark.parametrize(
    "arguments", [(), ("--update",), ("--against", "origin/main"), ("--against=main^", "--update")]
)
def test_no_update_of_the_lock_lifts_it(branch, check, net, arguments):
    repository = branch()
    repository.git("branch", "main")
    repository.commit({"net.json": net(7)})
    repository.git("branch", "--force", "main")
    code, report = check(*arguments)
    (result,) = report.results
    assert (code, result.status, result.actual, result.limit) == (1, "failed", 51, 25)
    assert result.message == "51 parameters exceed the limit of 25 (23 in the base revision + 10%) by 26"
    assert result.remedy == "to accept it, raise max_increase in pyproject.toml:4"
    assert not (repository.path / "netscope.lock").exists()


def test_against_measures_from_the_revision_what_is_otherwise_measured_from_the_lock(branch, check, net):
    repository = branch({"pyproject.toml": check_of(base=False)})
    repository.write({"net.json": net(7)})
    assert check("--update")[0] == 0
    assert (repository.path / "netscope.lock").exists()
    assert check()[0] == 0
    code, report = check("--against", "origin/main")
    assert (code, report.results[0].limit) == (1, 25)
    repository.write({"net.json": net(4)})
    code, _ = check("--update", "--against", "origin/main")
    assert code == 1
    assert '"params": 30' in (repository.path / "netscope.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("is_committed", "note"),
    [(True, "the merge base with origin/main"), (False, "which is HEAD, so only uncommitted changes count")],
)
def test_it_says_which_revision_it_measured_from(branch, check, is_committed, note):
    repository = branch()
    short = repository.git("rev-parse", "--short", "HEAD")
    if is_committed:
        repository.commit({"README": "x"})
    code, report = check()
    assert code == 0
    assert report.models[0].notes[-1] == f"max_increase is measured from {short}, {note}"


@pytest.mark.parametrize("name", ["master", "trunk"])
def test_the_default_branch_of_the_remote_may_have_another_name(branch, check, name):
    repository = branch()
    repository.git("update-ref", f"refs/remotes/origin/{name}", "refs/remotes/origin/main")
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    if name != "master":
        repository.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{name}")
    repository.commit({"README": "x"})
    assert f"the merge base with origin/{name}" in check()[1].models[0].notes[-1]


def test_without_a_base_it_asks_for_one(branch, capsys):
    branch().git("update-ref", "-d", "refs/remotes/origin/main")
    assert run(["check"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("netscope: base = true found no base in ")
    assert captured.err.endswith("fetch the default branch with its history, or pass --against REVISION\n")


LACKING = {
    "a new check": ({"pyproject.toml": '[project]\nname = "x"\n'}, "this check is not in "),
    "a renamed check": ({"pyproject.toml": check_of().replace("check.net", "check.old")}, "this check is not in "),
    "a model that fails there": ({"net.json": "{}"}, "not measured in "),
    "a broken configuration": ({"pyproject.toml": "[tool"}, "the checks of "),
}


@pytest.mark.parametrize("case", LACKING)
def test_what_the_base_lacks_is_no_pass_unless_another_limit_holds(branch, check, net, case):
    """So a pull request that adds or renames a check shows an absolute limit to its reviewer."""
    files, problem = LACKING[case]
    repository = branch(files)
    repository.commit({"net.json": net(7), "pyproject.toml": check_of()})
    code, report = check()
    (result,) = report.results
    assert (code, result.status) == (2, "error")
    assert result.message.startswith(problem)
    assert result.remedy == "add a limit that needs no base: params.max = 51 in pyproject.toml:4"
    repository.write({"pyproject.toml": check_of(more=", max = 51")})
    code, report = check()
    assert (code, [result.status for result in report.results]) == (0, ["warned", "passed"])
    assert report.results[0].message.endswith("; only its other limit holds")
    repository.write({"pyproject.toml": check_of(more=", max = 50")})
    assert check()[0] == 1
    repository.write({"pyproject.toml": check_of() + "flops = { max = 1_000 }\n"})
    assert check()[0] == 2


def test_a_model_of_another_name_in_the_same_check_is_measured_from_the_old_one(branch, check, net):
    branch().commit({"wide.json": net(7), "pyproject.toml": check_of("wide.json")})
    code, report = check()
    assert (code, report.results[0].actual, report.results[0].limit) == (1, 51, 25)


def test_checks_that_move_to_another_file_are_still_the_same(branch, check, net):
    text = check_of("wide.json").replace("tool.netscope.", "")
    branch().commit({"wide.json": net(7), "pyproject.toml": "", "netscope.toml": text})
    code, report = check()
    assert (code, report.results[0].actual, report.results[0].limit) == (1, 51, 25)


def test_a_new_module_needs_another_limit_as_well(branch, check, net):
    text = '[tool.netscope.check.net]\nmodel = "net.json"\nlayers."*".params = { max_increase = 0, base = true MORE}\n'
    repository = branch({"pyproject.toml": text.replace("MORE", "")})
    repository.commit({"net.json": net(3, 2)})
    code, report = check()
    assert code == 2
    statuses = [(result.path, result.status) for result in report.results]
    assert statuses == [("0", "passed"), ("1", "passed"), ("2", "error")]
    repository.write({"pyproject.toml": text.replace("MORE", ", max = 15")})
    assert check()[0] == 0


@pytest.mark.slow
def test_inputs_are_the_current_ones_on_both_sides(branch, check):
    """36 FLOPs of one row at the base, 108 of three rows now."""
    text = "from torch import nn\ndef net():\n    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))\n"
    config = check_of("models.py:net", metric="flops") + 'input = "1x4"\n'
    branch({"models.py": text, "pyproject.toml": config}).commit({"pyproject.toml": config.replace("1x4", "3x4")})
    code, report = check()
    assert (code, report.results[0].actual, report.results[0].limit) == (0, 108, 118)
