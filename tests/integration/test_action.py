"""The composite action of GitHub: its steps as they stand in ``action.yml``, run by bash as GitHub runs them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from netscope.config import find_checks

from .conftest import GIT_ENVIRONMENT, NETSCOPE, Repository

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
pytestmark = pytest.mark.skipif(which("bash") is None, reason="bash is not installed")

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

MODELS = """
from torch import nn

class Classifier(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, {width}, 3), nn.{activation}(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear({width}, 10)
        )

class Head(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(32, 64), nn.{activation}(), nn.Linear(64, 10))
"""

CHECKS = """
[tool.netscope.check.classifier]
model = "models.py:Classifier"
input = "1x3x32x32"
params = {{ max = "6K" }}
flops = {{ max = "10M" }}

[tool.netscope.check.head]
model = "models.py:Head"
input = "1x32"
params = {{ max = "{limit}" }}

[tool.netscope.check.teacher]
model = "lenet5"
params = 61_706

[tool.netscope.check.other]
model = "lenet5"
params = 1
"""

# What `gh api` does with what the action asks of it; comments are kept in a file.
GH = """#!{python}
import json, os, re, sys
from pathlib import Path

comments = Path({folder!r}) / "comments.json"
found = json.loads(comments.read_text()) if comments.exists() else []
arguments = sys.argv[1:]
with (Path({folder!r}) / "calls").open("a") as file:
    print(json.dumps(arguments), file=file)
if "forbidden" in os.environ["GH_TOKEN"]:
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if "--method" not in arguments:
    start = re.search(r'startswith\\("(.*?)"\\)', arguments[arguments.index("--jq") + 1])[1]
    print(*(n for n, body in enumerate(found) if body.startswith(start)), sep="\\n")
    sys.exit()
field, _, path = arguments[arguments.index("-F") + 1].partition("=@")
assert field == "body"
body = Path(path).read_text(encoding="utf-8")
if len(body) > 65_536:
    sys.exit("gh: Validation Failed (HTTP 422): body is too long (maximum is 65536 characters)")
method, where = arguments[arguments.index("--method") + 1 :][:2]
if method == "PATCH":
    found[int(where.rpartition("/")[2])] = body
else:
    found.append(body)
comments.write_text(json.dumps(found))
"""

WRITES_A_REPORT = """#!/usr/bin/env bash
seq -f 'line %.0f of the report' {lines} > "$GITHUB_STEP_SUMMARY"
exit {code}
"""

WRITES_A_LONG_REPORT = """#!{python}
import os
from pathlib import Path
from netscope.render import render
from netscope.schema import CheckReport, Location, ModelCheck

location = Location(file="pyproject.toml", line=1, key="")
failed = [
    ModelCheck(name=f"net{{n}}", model="m", location=location, results=(), error="→" * 999, exit_code=3)
    for n in range(999)
]
Path(os.environ["GITHUB_STEP_SUMMARY"]).write_text(render(CheckReport(models=tuple(failed)), "markdown"))
"""

REPORTS_ITS_ENVIRONMENT = """#!/usr/bin/env bash
env > "$GITHUB_STEP_SUMMARY"
"""


class Runner:
    """What GitHub's runner does with a composite action, as far as this one needs it."""

    def __init__(self, checkout, folder):
        self.checkout = checkout
        self.folder = folder
        self.bin = folder / "bin"
        self.temp = folder / "temp"
        self.summary = folder / "summary.md"
        self.bin.mkdir()
        self.temp.mkdir()
        self.install("gh", GH.format(python=sys.executable, folder=str(folder)))

    def install(self, name, text):
        path = self.bin / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def run(self, base, *, event="pull_request", may_comment=True, fork="someone/project", **inputs):
        """Runs the steps, after a failed one only those that always run; what came of each by its name."""
        context = {
            "github.event_name": event,
            "github.event.pull_request.base.sha": base if event == "pull_request" else "",
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.repo.full_name": fork,
            **{f"inputs.{name}": options["default"] for name, options in ACTION["inputs"].items()},
            **{f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()},
            "inputs.token": "may comment" if may_comment else "forbidden",
        }
        finished = {}
        for step in ACTION["runs"]["steps"]:
            condition, has_failed = step.get("if", ""), any(done.returncode for done in finished.values())
            if holds(condition, context) and ("always()" in condition or not has_failed):
                finished[step["name"]] = self.step(step, context)
        return finished

    def step(self, step, context):
        assert step["shell"] == "bash"
        script = self.temp / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.checkout.path / filled(step.get("working-directory", "."), context),
            env={
                **GIT_ENVIRONMENT,
                "PATH": os.pathsep.join([str(self.bin), str(NETSCOPE.parent), os.environ["PATH"]]),
                "GITHUB_REPOSITORY": "someone/project",
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "RUNNER_TEMP": str(self.temp),
                **{name: filled(value, context) for name, value in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    @property
    def comments(self):
        return json.loads((self.folder / "comments.json").read_text(encoding="utf-8"))

    @property
    def methods(self):
        """Of the calls of gh, each with its path."""
        calls = [json.loads(line) for line in (self.folder / "calls").read_text(encoding="utf-8").splitlines()]
        return [tuple(call[2:4]) if "--method" in call else ("GET", call[1]) for call in calls]


def filled(text, context):
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: context[found[1]], text)


def holds(condition, context):
    """Whether all of ``a == 'b' && …`` is so."""
    parts = [part for part in condition.split(" && ") if part not in ("", "always()")]
    found = [re.fullmatch(r"(\S+) == '(.*)'", part) for part in parts]
    return all(context[part[1]] == part[2] for part in found)


@pytest.fixture(scope="module")
def repository(new_repository):
    """The base on ``main``, a pull request's head on ``feature``."""
    repository = new_repository()
    repository.commit(
        {"models.py": MODELS.format(width=32, activation="ReLU"), "pyproject.toml": CHECKS.format(limit="3K")}
    )
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(
        {"models.py": MODELS.format(width=40, activation="GELU"), "pyproject.toml": CHECKS.format(limit="4K")}
    )
    return repository


@pytest.fixture
def runner(repository, tmp_path):
    return Runner(repository, tmp_path)


@pytest.fixture(scope="module")
def real(repository, tmp_path_factory):
    """A run of the whole action in a checkout that has only the head, as GitHub makes it; and its runner."""
    checkout = Repository(tmp_path_factory.mktemp("checkout"))
    checkout.git("clone", "--quiet", "--depth=1", "--branch=feature", f"file://{repository.path}", ".")
    runner = Runner(checkout, tmp_path_factory.mktemp("runner"))
    inputs = {"checks": "classifier head teacher", "badge": "netscope.svg", "history": "history.csv"}
    return runner, runner.run(repository.git("rev-parse", "main"), **inputs)


def test_the_base_is_fetched_when_the_checkout_does_not_have_it(real, repository):
    runner, _ = real
    runner.checkout.git("cat-file", "-e", repository.git("rev-parse", "main"))


def test_the_comment_is_the_one_that_the_how_to_shows(real, repository):
    runner, finished = real
    assert (finished["Comment"].returncode, finished["Comment"].stdout) == (0, "")
    (comment,) = runner.comments
    mark, _, report = comment.partition("\n")
    assert mark == "<!-- netscope check . -->"
    page = (ROOT / "docs" / "how-to" / "continuous-integration.md").read_text(encoding="utf-8")
    shown = "".join(re.findall(r"^> ?(.*\n)", page, re.MULTILINE))
    visible, _, folded = report.replace(repository.git("rev-parse", "main")[:8], "4b5c6d7e").partition("<details>")
    assert visible.replace("\xa0", " ").strip() == shown.strip()
    assert re.findall(r"<summary>(?:<code>)?(\w+)", folded) == ["classifier", "head", "1"]
    assert "| ~ | `2` | out 32 → 40 |" in folded
    assert "other" not in report


def test_the_failing_check_decides_the_job_and_is_commented_on(real):
    _, finished = real
    assert {name: step.returncode for name, step in finished.items()} == {"Check": 1, "Comment": 0}


def test_the_check_annotates_the_rule_and_its_summary_is_the_comment(real):
    runner, finished = real
    annotation, verdict = finished["Check"].stdout.splitlines()
    assert annotation.startswith("::error file=pyproject.toml,line=5,title=netscope classifier%3A params ≤ 6K::")
    assert "6,658 parameters exceed the limit of 6,000 by 658" in annotation
    assert verdict == "1 of 3 checks did not pass: classifier"
    (comment,) = runner.comments
    assert runner.summary.read_text(encoding="utf-8").strip() == comment.partition("\n")[2].strip()


def test_the_badge_and_the_history_are_written_where_the_inputs_say(real):
    runner, _ = real
    assert "netscope: 1 of 3 checks failed" in (runner.checkout.path / "netscope.svg").read_text(encoding="utf-8")
    rows = (runner.checkout.path / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    commit = runner.checkout.git("rev-parse", "HEAD")
    assert [(*row.split(",")[1:5], row.split(",")[-1]) for row in rows] == [
        (commit, "classifier", "models.py:Classifier", "6658", "failed"),
        (commit, "head", "models.py:Head", "2762", "passed"),
        (commit, "teacher", "lenet5", "61706", "passed"),
    ]


def test_a_second_run_edits_the_same_comment(runner):
    runner.install("netscope", WRITES_A_REPORT.format(lines=2, code=0))
    runner.run("HEAD")
    runner.install("netscope", WRITES_A_REPORT.format(lines=3, code=0))
    runner.run("HEAD")
    comments = "repos/someone/project/issues/7/comments"
    edit = ("PATCH", "repos/someone/project/issues/comments/0")
    assert runner.methods == [("GET", comments), ("POST", comments), ("GET", comments), edit]
    (comment,) = runner.comments
    assert comment.splitlines()[-1] == "line 3 of the report"


def test_when_nothing_changed_no_comment_is_written_but_an_earlier_one_is_edited(runner):
    runner.install("netscope", WRITES_A_REPORT.format(lines=1, code=0))
    runner.run("HEAD")
    assert [method for method, _ in runner.methods] == ["GET"]
    runner.install("netscope", WRITES_A_REPORT.format(lines=2, code=1))
    runner.run("HEAD")
    runner.install("netscope", WRITES_A_REPORT.format(lines=1, code=0))
    runner.run("HEAD")
    assert runner.comments == ["<!-- netscope check . -->\nline 1 of the report\n"]


def test_each_project_of_a_repository_has_a_comment_of_its_own(runner):
    runner.install("netscope", WRITES_A_REPORT.format(lines=2, code=0))
    for folder in ("one project", "two"):
        (runner.checkout.path / folder).mkdir()
        runner.run("HEAD", working_directory=folder)
        (runner.checkout.path / folder).rmdir()
    starts = [comment.partition("\n")[0] for comment in runner.comments]
    assert starts == ["<!-- netscope check one_project -->", "<!-- netscope check two -->"]


def test_a_report_on_a_thousand_failures_fits_into_a_comment(runner):
    runner.install("netscope", WRITES_A_LONG_REPORT.format(python=sys.executable))
    finished = runner.run("HEAD")
    assert (finished["Comment"].returncode, finished["Comment"].stdout) == (0, "")
    (comment,) = runner.comments
    assert "netscope: 999 of 999 checks failed" in comment
    assert re.search(r"\nLeft out for length: .+ `netscope check` shows everything\.\n$", comment)


@pytest.mark.parametrize(
    ("fork", "reason"),
    [
        ("someone/project", "The job needs the permission pull-requests: write."),
        ("else/project", "The token of a pull request from a fork is read-only."),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_a_comment_that_may_not_be_written_is_a_warning_and_the_check_decides(runner, fork, reason, code):
    runner.install("netscope", WRITES_A_REPORT.format(lines=2, code=code))
    finished = runner.run("HEAD", may_comment=False, fork=fork)
    assert {name: step.returncode for name, step in finished.items()} == {"Check": code, "Comment": 0}
    warning = "::warning title=netscope::Could not write the comment."
    assert finished["Comment"].stdout == f"{warning} {reason} The job summary has the same report.\n"
    assert "HTTP 403" in finished["Comment"].stderr
    assert "line 2 of the report" in runner.summary.read_text(encoding="utf-8")


def test_no_step_that_runs_the_pull_requests_code_has_the_token(runner):
    runner.install("netscope", REPORTS_ITS_ENVIRONMENT)
    runner.run("HEAD")
    (comment,) = runner.comments
    assert "PATH=" in comment
    assert "may comment" not in comment


def test_without_a_report_an_earlier_comment_says_so(runner):
    runner.install("netscope", WRITES_A_REPORT.format(lines=2, code=0))
    runner.run("HEAD")
    runner.install("netscope", "#!/usr/bin/env bash\nexit 2\n")
    finished = runner.run("HEAD")
    assert {name: step.returncode for name, step in finished.items()} == {"Check": 2, "Comment": 0}
    (comment,) = runner.comments
    assert "netscope check did not run" in comment
    assert "line 1 of the report" not in comment


@pytest.mark.parametrize(("event", "inputs"), [("push", {}), ("pull_request", {"comment": "false"})])
def test_nothing_is_commented_on_a_push_or_when_not_wanted(runner, event, inputs):
    runner.install("netscope", "#!/usr/bin/env bash\nexit 0\n")
    assert list(runner.run("HEAD", event=event, **inputs)) == ["Check"]


def test_a_push_is_compared_with_nothing(runner):
    runner.install("netscope", '#!/usr/bin/env bash\necho "$@"\n')
    assert runner.run("HEAD", event="push")["Check"].stdout == "check --format github\n"
    assert runner.run("HEAD")["Check"].stdout == "check --format github --against HEAD\n"


def test_the_how_to_gives_the_action_what_it_takes():
    page = (ROOT / "docs" / "how-to" / "continuous-integration.md").read_text(encoding="utf-8")
    files = {
        title: yaml.safe_load(text) for title, text in re.findall(r'```yaml title="(.+?)"\n(.+?)```', page, re.DOTALL)
    }
    assert sorted(files) == [
        ".github/workflows/architectures.yml", ".github/workflows/history.yml", ".gitlab-ci.yml",
        ".pre-commit-config.yaml",
    ]  # fmt: skip
    named = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    assert named == set(ACTION["inputs"])
    (hook,) = files[".pre-commit-config.yaml"]["repos"][0]["hooks"]
    assert hook["id"] == yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]["id"]


def test_the_how_tos_checks_are_understood(tmp_path):
    page = (ROOT / "docs" / "how-to" / "continuous-integration.md").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(re.search(r"```toml title=.*?\n(.+?)```", page, re.DOTALL)[1], "utf-8")
    _, requests = find_checks(tmp_path)
    assert [request.name for request in requests] == ["alexnet", "classifier"]
