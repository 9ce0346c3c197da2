"""Every example in the documentation is run, and shows what comes out.

- ```` ```python title="my.py" ```` is written to that file; other Python is run, one namespace per page.
- ```` ```console ```` has commands behind ``$`` and below each what it prints; a line ``…`` stands for any lines, and a
  ``…`` within a line for any text.
"""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import pytest

from netscope.cli.app import run

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [found.groups() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


SLOW = ("docs/how-to/benchmark.md", "docs/how-to/report.md")
"""Pages whose examples measure something."""


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if name_of(page) in SLOW else [], id=name_of(page)) for page in PAGES],
)
def test_the_examples_on_a_page(page, folder):
    namespace = {"__name__": "__docs__"}
    for language, title, code in blocks(page):
        if language == "python" and title:
            (folder / title).write_text(code, encoding="utf-8")
            exec(compile(code, title, "exec"), {"__name__": "__docs__"})  # noqa: S102 - our own documentation
        elif language == "python":
            with redirect_stdout(io.StringIO()):
                exec(compile(code, name_of(page), "exec"), namespace)  # noqa: S102
        elif language == "console":
            check_console(code)


def check_console(code):
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        arguments = shlex.split(command)
        assert arguments[0] == "netscope"
        if any(argument.startswith("hf/") for argument in arguments):
            pytest.importorskip("transformers", reason="the extra transformers is not installed")
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            run(arguments[1:])
        shown = out.getvalue() or err.getvalue()
        assert matches(expected, shown), f"{command} printed\n{shown}"


def matches(expected, shown):
    """Whether ``shown`` is ``expected``, with anything where ``…`` stands; runs of blanks are alike."""
    pattern = []
    for line in expected.rstrip("\n").split("\n"):
        if line == "…":
            pattern.append(r"(?:.*\n)*?")
        else:
            pieces = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", piece)) for piece in line.split("…")]
            pattern.append(r".*".join(pieces) + r" *\n")
    return re.fullmatch("".join(pattern), shown.rstrip("\n") + "\n") is not None


def test_an_example_that_shows_something_else_is_noticed():
    assert matches("a\n…\nb 1\n", "a\nx\ny\nb   1\n")
    assert not matches("a\n…\nb 1\n", "a\nx\ny\nb 2\n")
    assert not matches("a\n", "a\nb\n")


def test_the_generated_pages_are_what_the_code_says(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    generate = import_module("generate")
    for name, page in generate.PAGES.items():
        assert (generate.REFERENCE / name).read_text(encoding="utf-8") == page(), "run python docs/generate.py"


def test_the_continuous_integration_runs_the_readmes_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"bin/pytest -n auto$", readme, flags=re.MULTILINE)) == 1
    assert "bin/pytest -n auto$" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_links_of_the_readme_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link
