"""Every example in the documentation is run, and shows what comes out.

- ```` ```python title="my.py" ```` is written to that file; other Python is run, one namespace per page.
- ```` ```console ```` has commands after ``$``, each followed by its output, 100 columns wide; a line ``…`` matches any
  lines, and a ``…`` within a line any text. ``--update-golden`` rewrites the output, with the same lines left out.
"""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from difflib import SequenceMatcher
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
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


SLOW = ("docs/how-to/benchmark.md", "docs/how-to/report.md")
"""Pages whose examples measure something."""


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if name_of(page) in SLOW else [], id=name_of(page)) for page in PAGES],
)
def test_the_examples_on_a_page(page, folder, request):
    namespace = {"__name__": "__docs__"}
    update = request.config.getoption("--update-golden")
    for language, title, code in blocks(page):
        if language == "python" and title:
            (folder / title).write_text(code, encoding="utf-8")
            exec(compile(code, title, "exec"), {"__name__": "__docs__"})  # noqa: S102 - our own documentation
        elif language == "python":
            with redirect_stdout(io.StringIO()):
                exec(compile(code, name_of(page), "exec"), namespace)  # noqa: S102
        elif language == "console":
            check_console(code, page if update else None)


def check_console(code, update=None):
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
        if update and not matches(expected, shown):
            text, old = update.read_text(encoding="utf-8"), f"$ {part}"
            assert old in text
            expected = updated(expected, shown)
            update.write_text(text.replace(old, f"$ {command}\n{expected}", 1), encoding="utf-8")
        assert matches(expected, shown), f"{command} printed\n{shown}"


def updated(expected, shown):
    """Returns ``shown`` without the lines that ``expected`` leaves out, found by the likeness of the others."""
    new = shown.rstrip("\n").split("\n")
    groups = re.split(r"^…\n", expected, flags=re.MULTILINE)
    lines, end = [], 0
    for number, group in enumerate(groups):
        start, last = end, number + 1 == len(groups)
        if number > 0:
            lines.append("…")
            first = group.partition("\n")[0]
            start = max(range(end, len(new)), key=lambda at: likeness(first, new[at]), default=end)
        if group:
            ends = [len(new)] if last else range(start + 1, len(new) + 1)
            end = max(ends, key=lambda at: likeness(group, "\n".join(new[start:at])))
            lines += new[start:end]
    return "\n".join(lines) + "\n"


def likeness(one, other):
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def matches(expected, shown):
    """Returns whether ``shown`` is ``expected``, with anything for ``…`` and runs of blanks taken as one."""
    pattern = []
    for line in expected.rstrip("\n").split("\n"):
        if line == "…":
            pattern.append(r"(?:.*\n)*?")
        else:
            pieces = [" +".join(re.escape(word) for word in re.split(" +", piece)) for piece in line.split("…")]
            pattern.append(r".*".join(pieces) + r" *\n")
    return re.fullmatch("".join(pattern), shown.rstrip("\n") + "\n") is not None


def test_an_updated_example_leaves_out_the_same_lines():
    assert updated("a\nb\n", "c\n") == "c\n"
    assert updated("first 1\n…\nlast 1\n…\n", "first 2\nother\nlast 2\nmore\n") == "first 2\n…\nlast 2\n…\n"


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
