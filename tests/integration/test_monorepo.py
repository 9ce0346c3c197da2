"""``netscope check --all``: several projects in one repository; of saved summaries, which need no torch."""

import json
from pathlib import Path

import pytest
from torch import nn

import netscope
from netscope.cli.app import run
from netscope.schema import CheckReport

RULES = 'model = "net.json"\nparams = { max = 30 }\n'
LOCKED = 'model = "net.json"\nlock = true\n'


@pytest.fixture(scope="module")
def net():
    def summarize(width):
        model = nn.Sequential(nn.Linear(4, width), nn.Linear(width, 2))
        return netscope.summarize(model, (1, 4)).to_json()

    return summarize


@pytest.fixture
def monorepo(new_repository, net, monkeypatch):
    """Two services, one of them too large; another file of each name without checks; and what must not be found."""
    repository = new_repository()
    broken = "[check.a]\nmodel = 3\n"
    repository.write(
        {
            "pyproject.toml": '[project]\nname = "root"\n',
            ".gitignore": "ignored/\n",
            "services/a/netscope.toml": f"[check.net]\n{RULES}[check.held]\n{LOCKED}",
            "services/a/net.json": net(3),
            "services/b c/pyproject.toml": f"[tool.netscope.check.net]\n{RULES}",
            "services/b c/net.json": net(7),
            "services/b c/tests/broken/pyproject.toml": "[tool",
            "ignored/netscope.toml": broken,
            ".hidden/netscope.toml": broken,
            "web/node_modules/x/netscope.toml": broken,
            "env/pyvenv.cfg": "",
            "env/lib/netscope.toml": broken,
        }
    )
    repository.git("add", "--force", "services/a", "env", ".hidden", "web")
    monkeypatch.chdir(repository.path)
    return repository


@pytest.fixture
def check(capsys):
    def run_check(*arguments):
        code = run(["check", "--all", *arguments, "-f", "json"])
        return code, CheckReport.from_json(capsys.readouterr().out)

    return run_check


@pytest.mark.usefixtures("monorepo")
def test_all_projects_are_one_report(check):
    code, report = check()
    assert [model.name for model in report.models] == ["services/a: held", "services/a: net", "services/b c: net"]
    assert [model.passed for model in report.models] == [False, True, False]
    assert code == report.exit_code == 2
    assert [str(model.location) for model in report.models] == [
        "services/a/netscope.toml:4", "services/a/netscope.toml:1", "services/b c/pyproject.toml:1"
    ]  # fmt: skip
    assert report.models[0].results[0].remedy == ("run netscope check held --update --config services/a/netscope.toml")
    assert report.models[2].results[0].remedy == "to accept it: params.max = 51 in services/b c/pyproject.toml:3"


def test_an_update_writes_each_projects_own_lock_file(monorepo, check):
    assert check("--update")[0] == 1
    locks = sorted(path.relative_to(monorepo.path) for path in monorepo.path.rglob("netscope.lock"))
    assert locks == [Path("services/a/netscope.lock")]
    assert list(json.loads(Path("services/a/netscope.lock").read_text(encoding="utf-8"))["models"]) == ["held"]
    assert {model.name: model.passed for model in check()[1].models}["services/a: held"]


def test_the_remedy_that_it_names_works(monorepo, capsys):
    assert run(["check", "held", "--update", "--config", "services/a/netscope.toml"]) == 0
    assert (monorepo.path / "services/a/netscope.lock").exists()
    assert "written to netscope.lock" in capsys.readouterr().out


def test_all_are_compared_with_the_same_revision(monorepo, check, net):
    """Of which one project is new, although the repository's root has a file of the same name."""
    monorepo.write({"net.json": net(3)})
    monorepo.git("add", "services/a", "net.json")
    monorepo.git("commit", "--quiet", "--message", "x")
    monorepo.write({"services/a/net.json": net(4)})
    _, report = check("--against", "HEAD")
    first, _, new = report.models
    assert (first.base_diff.before.totals.params, first.base_diff.after.totals.params) == (23, 30)
    assert new.base_diff is None
    assert new.is_new
    assert "net.json" in new.base_error


@pytest.mark.parametrize("arguments", [("net",), ("--config", "x.toml"), ("--max-params", "3")])
def test_it_is_refused_beside_what_names_some(monorepo, capsys, arguments):
    assert monorepo
    assert run(["check", "--all", *arguments]) == 2
    assert "--all runs all checks of every project" in capsys.readouterr().err


def test_no_checks_at_all_are_an_error(monorepo, capsys, monkeypatch):
    monkeypatch.chdir(monorepo.path / "services" / "b c" / "tests")
    assert run(["check", "--all"]) == 2
    assert "no checks found in a pyproject.toml or netscope.toml in " in capsys.readouterr().err


def test_a_mistake_in_one_of_them_is_reported_with_its_path(monorepo, capsys):
    monorepo.write({"services/a/netscope.toml": "[check.net]\nmodel = 3\n"})
    assert run(["check", "--all"]) == 2
    assert capsys.readouterr().err.startswith("netscope: services/a/netscope.toml:2: check.net.model: ")


@pytest.mark.parametrize("text", ["[tools.netscope.check.a]\n", "[tool.netscope\n", "[check.a]\n" + RULES])
def test_a_file_that_may_have_been_meant_is_an_error(monorepo, capsys, text):
    monorepo.write({"services/b c/tests/broken/pyproject.toml": text})
    assert run(["check", "--all"]) == 2
    assert "broken/pyproject.toml" in capsys.readouterr().err


def test_outside_of_a_repository_the_folders_are_searched(tmp_path, monkeypatch, check, net):
    for name in ("a", "b/c", ".hidden", "node_modules/x", "env/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "netscope.toml").write_text(f"[check.net]\n{RULES}", encoding="utf-8")
        (tmp_path / name / "net.json").write_text(net(3), encoding="utf-8")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "netscope.toml").write_text('[check.net]\nmodel = "a/net.json"\nparams = 23\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, report = check()
    assert (code, [model.name for model in report.models]) == (0, ["net", "a: net", "b/c: net"])
