"""Every wrong question gets one sentence on stderr, nothing on stdout, and exit code 2 or 3."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from textwrap import dedent

import pytest
import torch

from netscope.cli.app import run

USER_FILE = """
    import sys
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            print("building")
            self.fc = nn.Linear(3, 4)

        def forward(self, x, y=None):
            print("running")
            return self.fc(x)

    class Fails(Net):
        def forward(self, x):
            raise KeyError("half-way")

    class Exits(Net):
        def forward(self, x):
            sys.exit("goodbye")

    def raises():
        raise ValueError("two\\nlines")

    def exits():
        sys.exit(5)

    def nothing():
        pass

    def lengthy():
        raise ValueError("no " * 10_000)

    def mute():
        assert False

    class NoArguments(nn.Module):
        def forward(self):
            return None
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(dedent(USER_FILE))
    (tmp_path / "broken.py").write_text("def (:\n")
    monkeypatch.setitem(sys.modules, "timm", None)
    return tmp_path


def ask(*arguments):
    """Exit code, stdout and stderr of one command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


NET = ("summary", "my.py:Net", "--input")
QUESTIONS = {
    "unknown name": (("summary", "resnt50"), 2, "unknown architecture 'resnt50'; did you mean resnet50"),
    "unknown source": (("summary", "hub/resnet50"), 2, "unknown source 'hub'"),
    "missing extra": (("summary", "timm/resnet50"), 2, "run pip install timm"),
    "empty name": (("summary", ""), 2, "is empty"),
    "malformed input": (("summary", "alexnet", "--input", "1x3xbig"), 2, "e.g. 1x3x224x224"),
    "empty input": (("summary", "alexnet", "--input", ""), 2, "e.g. 1x3x224x224"),
    "more elements than there can be": (("summary", "alexnet", "-i", "1x3x9999999999x9999999999"), 2, "more elements"),
    "a batch beyond counting": (("summary", "alexnet", "-b", "9" * 20), 2, "more elements than a tensor can have"),
    "a dtype that the weights do not have": (
        ("summary", "resnet18", "-i", "1x3x224x224:float16"),
        2,
        "conv1 (Conv2d) multiplies float16 by float32",
    ),
    "integers for a convolution": (
        ("summary", "alexnet", "-i", "1x3x224x224:int64", "--device", "cpu"),
        2,
        "features.0 (Conv2d) computes in float32, got int64",
    ),
    "a clip without frames": (
        ("summary", "r3d_18", "-i", "1x3x224x224"),
        2,
        "expects a 5-D input (N, 3, D, H, W), got 1×3×224×224",
    ),
    "unknown dtype": (("summary", "alexnet", "--input", "1x3:float99"), 2, "unknown dtype 'float99'"),
    "too many inputs": (("summary", "alexnet", "-i", "1x3x8x8", "-i", "1"), 2, "was given 2 inputs"),
    "unknown parameter": (("summary", "alexnet", "-i", "X=1x3x8x8"), 2, "has no parameter 'X'; did you mean x?"),
    "malformed options": (("summary", "my.py:Net@width"), 2, "expected NAME@key=value"),
    "a comma too many": (("summary", "my.py:Net@width=4,"), 2, "ends with a comma"),
    "unknown option of torchvision's": (("summary", "resnet18@nope=1"), 2, "unexpected keyword argument 'nope'"),
    "no name of a module": (("summary", ":Net"), 2, "expected package.module:factory"),
    "a dot for a colon": (("summary", "torch.nn.Linear"), 2, "for a Python object, use torch.nn:Linear"),
    "nothing to give a batch": (("summary", "my.py:NoArguments", "-b", "4"), 2, "no input has a batch dimension"),
    "a very long message": (("summary", "my.py:lengthy"), 3, "--debug shows all of it"),
    "an exception without a word": (("summary", "my.py:mute"), 3, "AssertionError in my.py, line"),
    "no column at all": (("summary", "alexnet", "--columns", ""), 2, "--columns is empty"),
    "a share in csv": (
        ("summary", "alexnet", "-f", "csv", "-c", "params-share"),
        2,
        "column 'params-share' is not available",
    ),
    "no format of that suffix": (("summary", "alexnet", "-o", "x.xls"), 2, "unknown suffix '.xls'"),
    "a name too long": (("summary", "alexnet", "-o", "x" * 300), 2, "File name too long"),
    "no input": (
        ("summary", "my.py:Net"),
        2,
        "pass e.g. --input 1x3x224x224 (its forward takes: x, y=None)",
    ),
    "wrong channels": (("summary", "alexnet", "-i", "1x1x224x224"), 2, "features.0 (Conv2d) expects 3 input channels"),
    "too small": (("summary", "alexnet", "-i", "1x3x20x20"), 2, "input too small: features.5 (MaxPool2d)"),
    "wrong features": ((*NET, "1x7"), 2, "fc (Linear) expects 3 input features, got 7"),
    "no such file": (("summary", "no.py:Net"), 2, "Python file 'no.py' not found"),
    "no such attribute": (("summary", "my.py:Nett"), 2, "my.py does not define 'Nett'; did you mean Net"),
    "syntax error": (("summary", "broken.py:Net"), 3, "broken.py, line 1"),
    "factory raises": (("summary", "my.py:raises"), 3, "ValueError: two lines"),
    "factory exits": (("summary", "my.py:exits"), 3, "failed to build my.py:exits: SystemExit: 5"),
    "factory returns nothing": (("summary", "my.py:nothing"), 3, "must return a torch.nn.Module, not a NoneType"),
    "forward raises": (("summary", "my.py:Fails", "-i", "1x3"), 3, "failed in Fails: KeyError: 'half-way'"),
    "forward exits": (("summary", "my.py:Exits", "-i", "1x3"), 3, "failed in Exits: SystemExit: goodbye"),
    "unknown option of the architecture": (("summary", "alexnet@size=3"), 2, ": num_classes, dropout"),
    "unknown device": (
        ("summary", "alexnet", "--device", "tpu"),
        2,
        "unknown device 'tpu'; available devices: auto, meta, cpu, cuda",
    ),
    "a device that explain does not know": (
        ("explain", "alexnet", "--device", "tpu"),
        2,
        "unknown device 'tpu'; available devices: auto, meta, cpu, cuda",
    ),
    "unknown column": (("summary", "alexnet", "--columns", "parms"), 2, "unknown column 'parms'; did you mean params"),
    "unknown order": (("summary", "alexnet", "--sort", "size"), 2, "unknown sort order 'size'"),
    "unknown format": (("summary", "alexnet", "--format", "yaml"), 2, "unknown format 'yaml'"),
    "negative depth": (("summary", "alexnet", "--depth", "-1"), 2, "--depth must be 0 or more"),
    "batch of nothing": (("summary", "alexnet", "--batch-size", "0"), 2, "an integer of at least 1"),
    "no such folder": (("summary", "alexnet", "-o", "nowhere/x.json"), 2, "-o nowhere/x.json: folder"),
    "a folder": (("summary", "alexnet", "-o", "."), 2, "is a folder; name a file in it"),
    "an unhashable key": (("summary", "alexnet@a={[]:1}"), 2, "neither a Python literal nor a bare word"),
    "an escape that Python does not know": (("summary", r"alexnet@a='\d'"), 2, "neither a Python literal nor a bare"),
    "a number without end": (("summary", f"alexnet@num_classes={'9' * 5_000}"), 2, "has more than 3,500 characters"),
    "a size without end": (("summary", "alexnet", "-i", f"1x3x{'9' * 5_000}"), 2, "a size has more than 100 digits"),
    "a path without end": (("summary", f"./{'a' * 5_000}.py:Net"), 2, "more than 255 bytes"),
    "a saved program without end": (("summary", f"{'a' * 5_000}.pt2"), 2, "more than 255 bytes"),
    "a folder without end": (("summary", f"hf/{'a' * 5_000}"), 2, "more than 255 bytes"),
    "a file without end": (("diff", f"{'a' * 5_000}.json", "alexnet"), 2, "File name too long"),
    "verify unknown": (("verify", "alexnt"), 2, "did you mean alexnet"),
    "list format": (("list", "--format", "yaml"), 2, "unknown format 'yaml'"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wrong_question_gets_one_sentence(question):
    arguments, code, sentence = QUESTIONS[question]
    result, out, err = ask(*arguments)
    prints = [line for line in err.splitlines() if line not in ("building", "running")]
    assert len(prints) == 1
    assert prints[0].startswith("netscope: ")
    assert sentence in prints[0]
    assert out == ""
    assert result == code


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_without_a_gpu_is_refused():
    code, out, err = ask("summary", "lenet5", "--device", "cuda")
    assert (code, out) == (3, "")
    assert "torch found no CUDA device" in err


def test_usage_errors_exit_with_2():
    assert ask("summary")[0] == 2
    assert ask("summary", "lenet5", "--no-such-option")[0] == 2
    assert ask("no-such-command")[0] == 2


def test_debug_shows_the_traceback():
    assert "Traceback" not in ask("summary", "alexnt")[2]
    assert "Traceback" in ask("summary", "alexnt", "--debug")[2]


@pytest.mark.usefixtures("folder")
def test_what_a_model_prints_does_not_mix_with_the_answer():
    code, out, err = ask("summary", "my.py:Net", "-i", "1x3", "--format", "csv")
    assert code == 0
    assert out.startswith("layer,type,")
    assert "building" in err
    assert "running" in err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "not enough memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "not enough memory"),
        (RecursionError(), "nested too deeply"),
    ],
)
def test_what_a_machine_cannot_do_is_no_mistake_of_ours(monkeypatch, error, sentence):
    def fails(*_):
        raise error

    monkeypatch.setattr("netscope.cli.app.build_app", fails)
    code, out, err = ask("summary", "alexnet")
    assert (code, out) == (3, "")
    assert sentence in err
    assert "internal error" not in err
