"""``netscope check`` as it is typed: projects, crashes, the lock, and who is told what."""

import json
import os
import re
import subprocess
from textwrap import dedent

import pytest

from netscope.cli.app import run

MODELS = """\
import os, time
from torch import nn

def good(width=8):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 2, 1))

def crashes():
    os.abort()

def leaves():
    os._exit(7)

def hangs():
    time.sleep(600)

def raises():
    raise RuntimeError("boo")

def speaks():
    print("hello from the constructor")
    return good()

def commands():
    print("a\\r::error::b\\n  ::add-mask::c\\n##[warning]d ##[error]e std::f\\xff", flush=True)
    os.write(2, b"::error::\\xff")
    raise ValueError("::error::g ##[error]h")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")

    def write(text):
        (tmp_path / "netscope.toml").write_text(dedent(text), encoding="utf-8")
        return tmp_path

    return write


GOOD = """
    [check.good]
    model = "models.py:good"
    input = "1x3x8x8"
    params = 242
    lock = true
    """


@pytest.mark.slow
def test_a_model_that_crashes_hangs_or_raises_takes_no_other_down(project, capfd):
    project(
        """
        [check.a]
        model = "models.py:crashes"
        params = 1
        [check.b]
        model = "models.py:leaves"
        params = 1
        [check.c]
        model = "models.py:raises"
        params = 1
        [check.d]
        model = "models.py:speaks"
        input = "1x3x8x8"
        params = 242
        [check.e]
        model = "no-such-model"
        params = 1
        [check.hangs]
        model = "models.py:hangs"
        params = 1
        """
    )
    models = {}
    for names in (["a", "b", "c", "d", "e"], ["hangs", "--timeout", "1"]):
        assert run(["check", *names, "--format", "json"]) == (3 if "hangs" in names else 2)
        out, err = capfd.readouterr()
        models |= {model["name"]: model for model in json.loads(out)["models"]}
        assert ("hello from the constructor" in err) == ("d" in names)
        assert "Traceback" not in out
    assert "killed by SIGABRT" in models["a"]["error"]
    assert "exit code 7" in models["b"]["error"]
    assert "RuntimeError: boo" in models["c"]["error"]
    assert [result["status"] for result in models["d"]["results"]] == ["passed"]
    assert "longer than 1 s" in models["hangs"]["error"]
    assert [model["exit_code"] for model in models.values()] == [3, 3, 3, 0, 2, 3]


@pytest.mark.slow
def test_the_report_is_the_same_however_many_are_run_at_once(project, capsys):
    models = ("models.py:good", "models.py:crashes", "lenet5", "models.py:raises", "alexnet-paper")
    checks = (f'[check.c{n}]\nmodel = "{model}"\nparams = 242\n' for n, model in enumerate(models))
    project("".join(checks))
    outs = []
    for jobs in ("1", "3"):
        assert run(["check", "-j", jobs, "--format", "json"]) == 2
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    assert [model["name"] for model in json.loads(outs[0])["models"]] == [f"c{n}" for n in range(len(models))]


@pytest.mark.slow
def test_the_lock_is_written_kept_and_held(project, capsys):
    folder = project(GOOD)
    assert run(["check"]) == 2
    assert "netscope check good --update" in capsys.readouterr().out
    assert run(["check", "--update"]) == 0
    written = (folder / "netscope.lock").read_text(encoding="utf-8")
    assert run(["check", "good"]) == 0
    assert run(["check", "--update"]) == 0
    assert (folder / "netscope.lock").read_text(encoding="utf-8") == written
    capsys.readouterr()
    wider = MODELS.replace("width=8", "width=9")
    (folder / "models.py").write_text(wider, encoding="utf-8")
    assert run(["check"]) == 1
    out = capsys.readouterr().out
    assert "272 parameters, expected 242: 30 too many" in " ".join(out.split())
    assert "out 8 → 9" in out
    assert "to accept it: params = 272 in netscope.toml:5" in out
    assert run(["check", "--update"]) == 1
    assert (folder / "netscope.lock").read_text(encoding="utf-8") != written


def test_a_functional_dropout_is_locked_in_train_mode(project, capsys):
    folder = project("""
        [check.net]
        model = "models.py:Net"
        input = "1x4"
        lock = { modes = ["eval", "train"] }
        """)
    code = """\
from torch import nn
from torch.nn import functional

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return functional.dropout(self.fc(x), 0.5, self.training)
"""
    (folder / "models.py").write_text(code, encoding="utf-8")
    assert run(["check", "--update"]) == 0
    assert run(["check"]) == 0
    (folder / "models.py").write_text(code.replace("0.5", "0.4"), encoding="utf-8")
    capsys.readouterr()
    assert run(["check", "--format", "json"]) == 1
    (net,) = json.loads(capsys.readouterr().out)["models"]
    assert [(result["rule"]["text"], result["status"]) for result in net["results"]] == [
        ("netscope.lock", "passed"),
        ("netscope.lock in train mode", "failed"),
    ]
    message = net["results"][1]["message"]
    assert message.startswith("in train mode, architecture differs from the lock file: 1 module changed (the root)")
    project("""
        [check.net]
        model = "models.py:Net"
        input = "1x4"
        lock = true
        """)
    assert run(["check", "--update"]) == 0
    assert "train mode" not in (folder / "netscope.lock").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_update_of_one_keeps_the_others_and_an_update_of_all_drops_what_is_gone(project):
    other = GOOD.replace("check.good", "check.other")
    folder = project(GOOD + other)
    assert run(["check", "--update"]) == 0
    project(other)
    assert run(["check", "other", "--update"]) == 0
    assert '"good"' in (folder / "netscope.lock").read_text(encoding="utf-8")
    assert run(["check", "--update"]) == 0
    assert '"good"' not in (folder / "netscope.lock").read_text(encoding="utf-8")


def test_no_model_changes_the_answer_of_another(project, capsys):
    """Each of four does at its import what it can to the rest of the process."""
    folder = project("".join(f'[check.c{n}]\nmodel = "m{n}.py:Net"\ninput = "1x4"\nparams = 10\n' for n in range(4)))
    for number in range(4):
        (folder / f"m{number}.py").write_text(
            "import sys, torch\n"
            "from torch import nn\n"
            "assert not hasattr(torch, 'marked') and torch.get_default_dtype() == torch.float32\n"
            "torch.marked = True\n"
            "class Net(nn.Linear):\n"
            "    def __init__(self): super().__init__(4, 2)\n"
            "    def forward(self, x):\n"
            "        torch.set_default_dtype(torch.float64)\n"
            "        nn.Linear.__init__ = None\n"
            "        sys.path.clear()\n"
            "        return super().forward(x)\n",
            encoding="utf-8",
        )
    assert run(["check", "-j", "1"]) == 0, capsys.readouterr().out


def test_a_file_below_the_project_finds_its_models(project, monkeypatch):
    below = project(GOOD.replace("lock = true", "")) / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert run(["check"]) == 0


def test_one_architecture_by_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["check", "lenet5", "--params", "61706", "--max-params", "62K"]) == 0
    assert run(["check", "lenet5", "--max-params", "61705"]) == 1
    assert "61,706 parameters exceed the limit of 61,705 by 1" in capsys.readouterr().out


QUESTIONS = {
    ("check",): "no checks found in pyproject.toml or netscope.toml",
    ("check", "lenet5"): "no checks found in pyproject.toml or netscope.toml",
    ("check", "a", "b", "--params", "1"): "rule options require exactly one architecture, got 2",
    ("check", "--params", "1"): "exactly one architecture, got 0",
    ("check", "lenet5", "--params", "many"): "--params: invalid number 'many'",
    ("check", "lenet5", "--params", "1", "--update"): "rule options cannot be used with --config or --update",
    ("check", "lenet5", "--input", "1x1x28x28"): "require a rule option such as --max-params",
    ("check", "lenet5", "--params", "1", "--input", "1x"): "invalid input '1x'",
    ("check", "lenet5", "--params", "1", "--timeout", "0"): "--timeout must be greater than 0",
    ("check", "lenet5", "--params", "1", "-j", "0"): "the number of jobs (-j) must be at least 1, got 0",
    ("check", "lenet5", "--params", "1", "--format", "xml"): "unknown format 'xml'",
    ("check", "--config", "no.toml"): "no.toml: No such file or directory",
}


@pytest.mark.parametrize("arguments", QUESTIONS)
def test_a_wrong_question_gets_a_sentence_and_exit_code_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert QUESTIONS[arguments] in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_an_unknown_check_names_the_closest(project, capsys):
    project(GOOD)
    assert run(["check", "god"]) == 2
    assert "unknown check 'god'" in capsys.readouterr().err


def test_a_damaged_lock_file_is_told_and_left_alone(project, capsys):
    folder = project(GOOD)
    (folder / "netscope.lock").write_text("<<<<<<< HEAD", encoding="utf-8")
    assert run(["check", "--update"]) == 2
    assert "netscope.lock:1: a merge conflict is not resolved; keep either side" in capsys.readouterr().err
    assert (folder / "netscope.lock").read_text(encoding="utf-8") == "<<<<<<< HEAD"


def test_github_gets_a_job_summary(project, monkeypatch, capsys):
    folder = project(GOOD.replace("242", "241").replace("lock = true", ""))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    assert run(["check", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=netscope.toml,line=5,title=netscope good%3A params = 241::")
    assert "❌ **netscope: 1 of 1 check failed**: `good`." in (folder / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("where", ["format", "environment"])
def test_no_print_of_a_model_is_a_command_to_github(project, monkeypatch, capfd, where):
    project("""
        [check.a]
        model = "models.py:commands"
        params = 1
        """)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("GITHUB_ACTIONS", "true" if where == "environment" else "")
    assert run(["check", *(["--format", "github"] if where == "format" else [])]) == 3
    out, err = capfd.readouterr()
    assert ": :error::b\n  : :add-mask::c\n## [warning]d ## [error]e std::f" in err.replace("\r", "\n")
    assert ": :error::\\xff" in err
    assert not re.search(r"(^|[\r\n])\s*::|##\[", err)
    commands = re.findall(r"(?m)^\s*::.*", out)
    assert len(commands) == (where == "format")
    assert "::error::g ##[error]h" in out


def test_no_error_is_a_command_to_github(project, capsys):
    project(GOOD)
    assert run(["check", "##[error]x"]) == 2
    assert "## [error]x" in capsys.readouterr().err


def test_the_format_goes_by_the_files_suffix(project):
    folder = project(GOOD.replace("lock = true", ""))
    assert run(["check", "-o", "report.xml"]) == 0
    assert (folder / "report.xml").read_text(encoding="utf-8").startswith("<?xml")


def test_whoever_checks_imports_no_torch_himself(project, no_torch):
    project(GOOD.replace("lock = true", ""))
    no_torch("from netscope.cli.app import run; assert run(['check']) == 0")


def test_the_services_are_told_the_file_from_the_repositorys_root(project, monkeypatch, capsys):
    folder = project(GOOD.replace("242", "241").replace("lock = true", ""))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder.parent))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert run(["check", "--format", "github"]) == 1
    assert f"file={folder.name}/netscope.toml,line=5" in capsys.readouterr().out


FILES = """
    [check.a]
    model = "lenet5"
    params = 61_706
    [check.b]
    model = "lenet5"
    params = { max = 60_000 }
    """


@pytest.fixture
def committed(project, monkeypatch):
    """A project in a git repository with a commit of 2026-01-31, 23:30 in the timezone of its author."""
    folder = project(FILES)
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-31T23:30:00-05:00")
    names = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for name, value in (dates | names | {"GIT_CONFIG_GLOBAL": os.devnull}).items():
        monkeypatch.setenv(name, value)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_a_history_has_a_row_for_each_check_of_the_commit_however_often_it_runs(committed):
    assert run(["check", "--history", "h.csv"]) == 1
    first = (committed / "h.csv").read_text(encoding="utf-8")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    rows = [line.split(",") for line in first.splitlines()]
    assert [row[:3] + row[-1:] for row in rows[1:]] == [
        ["2026-02-01T04:30:00Z", commit, "a", "passed"],
        ["2026-02-01T04:30:00Z", commit, "b", "failed"],
    ]
    assert run(["check", "--history", "h.csv", "b"]) == 1
    subprocess.run(["git", "add", "h.csv"], check=True)
    assert run(["check", "--history", "h.csv"]) == 1
    assert (committed / "h.csv").read_text(encoding="utf-8") == first
    (committed / "models.py").write_text("# changed\n", encoding="utf-8")
    assert run(["check", "--history", "h.csv", "a"]) == 0
    added = (committed / "h.csv").read_text(encoding="utf-8").removeprefix(first)
    assert added.startswith(f"2026-02-01T04:30:00Z,{commit}-dirty,a,lenet5,61706,")


def test_badges_are_written_for_one_check_and_for_several(project):
    folder = project(FILES)
    assert run(["check", "a", "--badge", "params.svg", "--badge", "status.svg"]) == 0
    assert "params: 61,706" in (folder / "params.svg").read_text(encoding="utf-8")
    assert "netscope: 1 check passed" in (folder / "status.svg").read_text(encoding="utf-8")
    assert run(["check", "--badge", "status.svg"]) == 1
    assert "netscope: 1 of 2 checks failed" in (folder / "status.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--badge", "params.svg"], "--badge params.svg: a badge of params shows one check, but 2 run; name one"),
        (["--badge", "badge.png"], "--badge badge.png: unknown suffix '.png'; a badge is an .svg file"),
        (["--badge", "no/b.svg"], "--badge no/b.svg: folder "),
        (["--history", "netscope.toml"], "--history netscope.toml: its header is '', not 'date,revision,"),
        (["--history", "models.py"], "--history models.py: its header is 'import os, time', not 'date,"),
        (["--history", "raw"], "--history raw: it is not UTF-8; choose another file"),
        (["--history", "."], "--history .: is a folder; name a file in it"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(committed, capsys, options, message):
    (committed / "raw").write_bytes(b"\xff\xfe")
    before = {path: path.read_bytes() for path in committed.iterdir() if path.is_file()}
    assert run(["check", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"netscope: {message}")
    assert {path: path.read_bytes() for path in committed.iterdir() if path.is_file()} == before


def test_a_history_needs_a_commit(project, monkeypatch, capsys):
    folder = project(FILES)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    assert run(["check", "--history", "h.csv"]) == 2
    assert "not a git repository" in capsys.readouterr().err
    assert not (folder / "h.csv").exists()


def test_markdown_names_files_from_the_folder_of_the_repository(project, monkeypatch, capsys):
    folder = project(FILES)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder.parent))
    assert run(["check", "a", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("✅ **netscope in ")
