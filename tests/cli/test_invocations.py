"""What people type at first, and what they get."""

import json
import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from netscope.cli.app import build_app, run
from netscope.cli.commands import COMMANDS
from netscope.cli.help import EXAMPLES

MY = """
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = nn.Linear(width, width)

        def forward(self, x):
            return self.fc(x)

    class Net(nn.Module):
        def __init__(self, width=8):
            super().__init__()
            print("building")
            self.blocks = nn.Sequential(Block(width), Block(width), nn.Linear(width, 1000))

        def forward(self, x):
            return self.blocks(x)
"""

TWO = "from torch import nn\nclass A(nn.Module): pass\nclass B(nn.Module): pass\n"

ANSWERS = {
    # A command may be left out, and help comes in every form.
    "lenet5 --depth 0": (0, r"lenet5  ·  built-in"),
    "my.py:Net@width=4 -i 1x4": (0, r"Net@width=4|my.py:Net@width=4  ·  python"),
    "help": (0, r"Examples:\n  netscope summary alexnet .*Commands:\n  summary .*Options:\n  -V, --version"),
    "help diff": (0, r"Usage: .* diff \[OPTIONS\] A B\n.*Examples:\n  netscope diff alexnet-paper alexnet-tv"),
    "diff --help": (0, r"Usage: .* diff \[OPTIONS\] A B\n"),
    "compare -h": (0, r"Usage: .* compare \[OPTIONS\] ARCH\.\.\.\n"),
    "list -h": (0, r"Usage: .* list \[OPTIONS\] \[PATTERN\]\n"),
    "bench -h": (0, r"Usage: .* bench \[OPTIONS\] \[ARCH\.\.\.\]\n"),
    "summary -h": (0, r"Columns for --columns and --sort:\n  type +class of the module.*\n  params +parameters\n"),
    "-V": (0, r"^netscope \d"),
    "sumary alexnet": (2, r"No such command 'sumary'\. Did you mean 'summary'\?"),
    "vit": (2, r"unknown architecture 'vit'; did you mean vit_b_16, timm/vit_base_patch16_224 or hf/vit\?"),
    "resnt50": (2, r"unknown architecture 'resnt50'; did you mean resnet50"),
    "bert-base-uncased": (2, r"unknown architecture 'bert-base-uncased'; did you mean hf/bert\?"),
    "~nobody": (2, r"file or folder '~nobody' not found"),
    "--json lenet5": (0, r'^\{\s*"schema_version": 2,\s*"kind": "Summary"'),
    "compare - lenet5": (2, r"this command does not read Python code from stdin; write it to a file"),
    "check - --max-params 1": (2, r"this command does not read Python code from stdin; write it to a file"),
    "bench -": (2, r"this command does not read Python code from stdin; write it to a file"),
    "bench resnt50": (2, r"unknown architecture 'resnt50'; did you mean resnet50"),
    # Forms of options.
    "summary lenet5 --json": (0, r'^\{\s*"schema_version": 2,\s*"kind": "Summary"'),
    "summary lenet5 -q --depth 0": (0, r"lenet5"),
    "summary my.py:Net -i 1x8 -c params -c flops,output --depth 0": (0, r"Layer +Params +FLOPs +Output\n"),
    "summary lenet5 --sort params --top 2 -c params": (0, r"Layer +Params\n\S+ +[\d,]+\n\S+ +[\d,]+\n\n"),
    "summary lenet5 --top 2": (2, r"--top needs a sorted list; add e\.g\. --sort params"),
    "summary lenet5 --params --top 2": (2, r"--top needs a sorted list; add e\.g\. --sort bytes"),
    "summary lenet5 --params --sort bytes --top 2": (0, r"Shown +the first 2 of 10\n"),
    "summary lenet5 --sort params --top 0": (2, r"--top must be 1 or more, got 0"),
    "diff lenet5 lenet5 --ignore names --ignore bias,dropout": (0, r"ignoring names, bias and dropout|the same"),
    # Names.
    "summary ResNet18 --depth 0": (0, r"resnet18  ·  torchvision  \(ResNet18 → resnet18; also timm/resnet18\)"),
    "summary vit-b-16 --depth 0": (0, r"vit_b_16  ·  torchvision  \(vit-b-16 → vit_b_16\)"),
    "summary alexnet --depth 0": (0, r"\(alexnet → alexnet-paper; also torchvision/alexnet\)"),
    "summary convnext_atto.d2_in1k --depth 0": (0, r"\(convnext_atto\.d2_in1k →\s+timm/convnext_atto\.d2_in1k\)"),
    "summary gpt2@n_layer=1 --depth 0": (0, r"gpt2@n_layer=1  ·  hf  \(gpt2 → hf/gpt2\)"),
    "summary meta-llama/Llama-3.1-8B": (2, r"of the Hugging Face Hub, use hf/meta-llama/Llama-3\.1-8B;"),
    "summary hf/lama": (2, r"unknown model type 'lama'; did you mean llama"),
    "summary nn.Linear(3,4)": (2, r"write torch\.nn:Linear@in_features=3,out_features=4$"),
    "summary nn.Sequential(nn.Linear(3,4))": (2, r"return it from a function in a file, and write my\.py:function"),
    "summary models.resnet18(pretrained=True)": (2, r"which netscope does not run; write resnet18$"),
    "summary folder": (2, r"'folder' is a folder; name a class or function in a Python file, e\.g\. folder/my\.py:Net"),
    "summary notes.md": (
        2,
        r"cannot read an architecture from 'notes\.md'; expected FILE\.py:NAME or a file with one of",
    ),
    # Files.
    "summary my.py -i 1x8": (0, r"my\.py:Net  ·  python"),
    "summary two.py": (2, r"two\.py defines 2 classes and functions; choose one: two\.py:A, two\.py:B"),
    "summary empty.py": (2, r"empty\.py defines no class or function"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(dedent(MY))
    (tmp_path / "two.py").write_text(TWO)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "notes.md").write_text("text")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("typed", ANSWERS)
def test_what_is_typed_is_understood(capfd, typed):
    package = {
        "bert": "transformers",
        "gpt2": "transformers",
        "hf/": "transformers",
        "d2_in1k": "timm",
        " vit": "timm",
        "ResNet": "timm",
    }
    for part, needed in package.items():
        if part in f" {typed}":
            pytest.importorskip(needed, reason=f"{needed} is not installed")
    code, pattern = ANSWERS[typed]
    assert run(typed.split()) == code
    captured = capfd.readouterr()
    has_table = code and typed.startswith(("compare", "check"))
    shown = " ".join((captured.out + captured.err).split()) if has_table else ""
    shown = shown or (captured.err if code else captured.out)
    assert re.search(pattern, shown, re.DOTALL | re.MULTILINE), shown
    assert has_table or not (captured.out if code else ""), "an error leaves nothing in the data"
    assert "Traceback" not in captured.err


def pipe(folder, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "netscope", *arguments], input=stdin, capture_output=True, text=True, check=False,
        cwd=folder,
    )  # fmt: skip


def test_python_code_is_read_from_stdin(folder):
    code = dedent(MY)
    piped = pipe(folder, "summary", "-", "-i", "1x8", "--json", stdin=code)
    named = pipe(folder, "summary", "-:Net@width=4", "-i", "1x4", "-q", stdin=code)
    empty = pipe(folder, "-")
    assert json.loads(piped.stdout)["architecture"]["name"] == "-:Net"
    assert piped.stderr == "building\n"
    assert (named.returncode, named.stderr) == (0, "")
    assert empty.returncode == 2
    assert empty.stderr == "netscope: - reads Python code from stdin, which is empty; e.g. netscope summary - < my.py\n"


def test_python_code_from_stdin_that_fails_is_named(folder):
    assert "stdin, line 1: " in pipe(folder, "summary", "-", stdin="def (:\n").stderr
    assert "stdin raised KeyError: 'x'" in pipe(folder, "summary", "-", stdin="raise KeyError('x')\n").stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_help_are_valid(name):
    from typer.main import get_command

    examples = [*COMMANDS[name].examples, *(text.partition(" ")[2] for text in EXAMPLES if f" {name} " in text)]
    command = get_command(build_app(name)).commands[name]
    assert len(COMMANDS[name].examples) == 3
    for example in examples:
        typed, *arguments = example.replace("'", "").split()
        assert typed == name
        command.make_context(name, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_one_sentence_about_each_option(name):
    from typer.main import get_command

    params = get_command(build_app(name)).commands[name].params
    texts = {param.name: param.help or "" for param in params}
    assert texts
    assert [key for key, text in texts.items() if not text.endswith(".") or re.search(r"\. [A-Z]", text)] == []


COMPLETIONS = {
    "netscope summary my.py:": {"my.py:Block", "my.py:Net"},
    "netscope summary two": {"two.py"},
    "netscope summary torchvision/alex": {"torchvision/alexnet"},
    "netscope summary alexnet -c params,own-para": {"params,own-params"},
    "netscope summary alexnet --format ma": {"markdown"},
    "netscope summary alexnet --device me": {"meta"},
    "netscope summary alexnet --sort backward-f": {"backward-flops"},
    "netscope diff a b --ignore names,dr": {"names,dropout"},
    "netscope explain lenet5 classifier.": {"classifier.1"},
}


@pytest.mark.parametrize("line", COMPLETIONS)
def test_tab_completes_values(folder, line, tmp_path_factory):
    environment = {**os.environ, "NETSCOPE_CACHE_DIR": str(tmp_path_factory.getbasetemp() / "completion")}
    if "explain" in line:
        subprocess.run(
            [sys.executable, "-m", "netscope", "lenet5"], check=True, capture_output=True, env=environment, cwd=folder
        )
    asked = {"_NETSCOPE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    code = "import sys; sys.argv[0] = 'netscope'; from netscope.__main__ import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder,
        env={**environment, **asked},
    ).stdout  # fmt: skip
    for value in COMPLETIONS[line]:
        assert value in shown.replace("\\", ""), shown


def test_bash_completes_what_follows_the_colon(folder):
    asked = {"_NETSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "netscope summary my.py : Ne", "COMP_CWORD": "4"}
    code = "import sys; sys.argv[0] = 'netscope'; from netscope.__main__ import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder,
        env={**os.environ, **asked},
    ).stdout  # fmt: skip
    assert shown.split() == ["Net"]
