"""``netscope check --against``: a project in a git repository, at two of its commits."""

import os
import signal
import subprocess

import pytest

from netscope.cli.app import run
from netscope.render import render
from netscope.schema import CheckReport

from .conftest import GIT_ENVIRONMENT, NETSCOPE

MODELS = """
import os
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, {width}), nn.Linear({width}, 2))

class Crashes(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

    def forward(self, x):
        os._exit(7)
"""

NEW_MODEL = """
class New(Net):
    pass
"""

PACKAGED = """
from torch import nn

class Packaged(nn.Linear):
    def __init__(self):
        super().__init__(4, {width})
"""

CHECKS = """
[tool.netscope.check.crashes]
model = "models.py:Crashes"
input = "1x4"
params = 10

[tool.netscope.check.net]
model = "models.py:Net"
input = "1x4"
params = { max = 100 }

[tool.netscope.check.new]
model = "models.py:New"
input = "1x4"
params = { max = 100 }

[tool.netscope.check.packaged]
model = "package.models:Packaged"
input = "1x4"
params = { max = 100 }

[tool.netscope.check.same]
model = "lenet5"
params = { max = 100_000 }
"""

SLEEPS = """
import time
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

    def forward(self, x):
        open({reached!r}, "w").close()
        time.sleep(6000)
        return super().forward(x)
"""


@pytest.fixture(scope="module")
def project(new_repository):
    """In the folder ``sub`` of a repository, with a package under ``src``; changed, and not all of that committed."""
    repository = new_repository()
    repository.commit(
        {
            "README": "of the repository",
            "sub/pyproject.toml": CHECKS,
            "sub/models.py": MODELS.format(width=3),
            "sub/src/package/__init__.py": "",
            "sub/src/package/models.py": PACKAGED.format(width=5),
        }
    )
    repository.git("tag", "base")
    repository.commit({"sub/src/package/models.py": PACKAGED.format(width=6)})
    repository.write({"sub/models.py": MODELS.format(width=7) + NEW_MODEL, "sub/untracked.txt": "mine", "staged": "s"})
    repository.git("add", "staged")
    return repository


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def index(project):
    return project.path / ".git" / "index"


@pytest.fixture(scope="module")
def index_before(index):
    return index.read_bytes()


@pytest.fixture(scope="module")
def finished(project, temporary, index, index_before):
    """Run as in a hook of git, which says by the environment where the commit is being made."""
    assert index_before
    hook = {"GIT_INDEX_FILE": str(index), "GIT_DIR": str(index.parent), "GIT_PREFIX": ""}
    arguments = ("check", "--against", "base", "-f", "json")
    return project.netscope(*arguments, folder="sub", TMPDIR=str(temporary), **hook)


@pytest.fixture(scope="module")
def report(finished):
    return CheckReport.from_json(finished.stdout)


@pytest.fixture(scope="module")
def by_name(report):
    return {model.name: model for model in report.models}


def test_the_report_says_what_it_was_compared_with(report, finished):
    assert report.base == "base"
    assert finished.returncode == 3
    assert finished.stderr == ""


@pytest.mark.parametrize(("name", "before", "after"), [("net", 23, 51), ("packaged", 25, 30), ("same", 61706, 61706)])
def test_each_check_shows_what_differs_from_the_base(by_name, name, before, after):
    diff = by_name[name].base_diff
    assert (diff.before.totals.params, diff.after.totals.params) == (before, after)


def test_a_model_that_the_base_does_not_have_is_no_failure(by_name):
    assert by_name["new"].passed
    assert by_name["new"].base_diff is None
    assert "models.py does not define 'New'" in by_name["new"].base_error


def test_a_model_that_crashes_leaves_the_others_alone(by_name):
    assert "exit code 7" in by_name["crashes"].error
    assert [name for name, model in by_name.items() if not model.passed] == ["crashes"]


def test_people_are_shown_the_sentence_and_the_changed_row(report):
    text = render(report, "table")
    assert "packaged, since base: the same 1 weighted layer; 1 layer changed; +5 params (+20.00%)" in text
    assert "out 5 → 6" in text
    assert "not compared with the base revision" in text
    assert "same, since base: " in text


def test_the_comment_names_the_commit_that_the_revision_means(report, project):
    verdict = render(report, "markdown").splitlines()[0]
    assert report.base_commit == project.git("rev-parse", "base")
    assert verdict.endswith(f"2 models changed, 1 not compared since {report.base_commit[:8]}.")
    assert verdict.startswith("❌ **netscope: 1 of 5 checks failed**: `crashes`. ")


@pytest.fixture(scope="module")
def reconfigured(new_repository):
    """The report on a project whose pull request changes its checks, not its code."""
    repository = new_repository()
    check = '[tool.netscope.check.{}]\nmodel = "{}"\nparams = {{ max = {} }}\n'
    repository.commit(
        {
            "sub/netscope.toml": "".join(
                (check.format("swapped", "lenet5", 100_000), check.format("limit", "lenet5", 70_000), "lock = true\n",
                 check.format("gone", "lenet5", 70_000))
            ).replace("tool.netscope.", ""),
            "pyproject.toml": check.format("of-another-project", "lenet5", 70_000),
        }
    )  # fmt: skip
    (repository.path / "sub" / "netscope.toml").unlink()
    checks = (("swapped", "models.py:Small", 100_000), ("limit", "lenet5", 80_000), ("added", "lenet5", 70_000))
    models = (
        "from torch import nn\n\nclass Small(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 2)\n"
    )
    small = "".join(check.format(*values) for values in checks).replace('Small"', 'Small"\ninput = "1x4"')
    repository.write({"sub/pyproject.toml": small, "sub/models.py": models})
    finished = repository.netscope("check", "--against", "HEAD", "-f", "json", folder="sub")
    return CheckReport.from_json(finished.stdout)


def test_the_base_is_what_its_own_configuration_says(reconfigured):
    added, limit, swapped = reconfigured.models
    assert swapped.base_diff.before.totals.params == 61_706
    assert swapped.base_diff.after.totals.params == 10
    assert [rule.text for rule in limit.base_rules] == ["70,000", "netscope.lock"]
    assert (added.is_new, limit.is_new, swapped.is_new) == (True, False, False)
    assert reconfigured.removed == ("gone",)


def test_a_reviewer_sees_which_rules_were_lifted(reconfigured):
    text = render(reconfigured, "markdown")
    assert "`limit`: rules changed: params ≤ 70,000 → 80,000; as in netscope.lock removed" in text
    assert "| ✅\xa0new | `added` | 61,706 | · |" in text
    assert "| ⚠️\xa0removed | `gone` |" in text


def test_a_folder_that_is_new_has_nothing_to_be_compared_with(new_repository):
    repository = new_repository()
    check = '[tool.netscope.check.net]\nmodel = "models.py:Net"\ninput = "1x4"\nparams = {{ max = {} }}\n'
    repository.commit({"pyproject.toml": check.format(100), "models.py": MODELS.format(width=3)})
    repository.write({"new/pyproject.toml": check.format(100), "new/models.py": MODELS.format(width=4)})
    report = CheckReport.from_json(repository.netscope("check", "--against", "HEAD", "-f", "json", folder="new").stdout)
    (model,) = report.models
    assert (model.is_new, report.removed) == (True, ())


def test_checks_of_the_base_that_cannot_be_read_are_a_note(new_repository):
    repository = new_repository()
    check = '[tool.netscope.check.net]\nmodel = "lenet5"\nparams = {{ max = {} }}\n'
    repository.commit({"pyproject.toml": check.format(1) + "typo = 1\n"})
    repository.write({"pyproject.toml": check.format(70_000)})
    report = CheckReport.from_json(repository.netscope("check", "--against", "HEAD", "-f", "json").stdout)
    (note,) = report.notes
    assert note.startswith("the checks of HEAD cannot be read: pyproject.toml:4: ")
    assert note in " ".join(render(report, "table").split())
    assert "\n- the checks of HEAD cannot be read" in render(report, "markdown")
    assert report.models[0].base_diff.is_same


def test_nothing_is_left_behind(finished, project, temporary):
    assert finished.stdout
    assert list(temporary.glob("netscope-*")) == []
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_what_is_not_committed_stays_as_it_was_even_in_a_hook(finished, project, index, index_before):
    assert finished.stdout
    assert index.read_bytes() == index_before
    status = {line.strip() for line in project.git("status", "--short").splitlines()}
    assert status == {"A  staged", "M sub/models.py", "?? sub/untracked.txt"}


@pytest.mark.parametrize("revision", ["nope", "--all", "base:sub"])
def test_an_unknown_revision_is_one_sentence(project, monkeypatch, capsys, revision):
    monkeypatch.chdir(project.path / "sub")
    assert run(["check", "same", f"--against={revision}"]) == 2
    assert capsys.readouterr().err == (
        f"netscope: git rev-parse failed in {project.path / 'sub'}: unknown revision {revision!r}\n"
    )


def test_a_folder_outside_of_any_repository_is_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "pyproject.toml").write_text('[tool.netscope.check.same]\nmodel = "lenet5"\nparams = 61_706\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run(["check", "--against", "main"]) == 2
    assert capsys.readouterr().err == (
        f"netscope: git rev-parse failed in {tmp_path}: "
        f"fatal: not a git repository (or any of the parent directories): .git\n"
    )


def test_without_git_it_says_so(project, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(project.path / "sub")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["check", "same", "--against", "base"]) == 2
    assert capsys.readouterr().err == "netscope: git not found; install it to compare with another revision\n"


@pytest.mark.skipif(os.name != "posix", reason="sends signals to a group of processes")
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_an_interrupt_leaves_no_process_and_no_file(new_repository, tmp_path, wait_until, number):
    repository = new_repository()
    reached = tmp_path / "reached"
    repository.commit(
        {
            "models.py": SLEEPS.format(reached=str(reached)),
            "pyproject.toml": CHECKS.partition("[tool.netscope.check.new]")[0],
        }
    )
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [NETSCOPE, "check", "net", "--against", "HEAD"],
        cwd=repository.path,
        env={**GIT_ENVIRONMENT, "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    wait_until(reached.exists)
    os.kill(process.pid, number) if number == signal.SIGKILL else os.killpg(process.pid, number)
    # Whoever is left holds the pipe open.
    out, _ = process.communicate(timeout=600)
    assert out == b""
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not list((tmp_path / "temporary").glob("netscope-*")))
