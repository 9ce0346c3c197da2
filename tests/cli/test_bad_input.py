"""Every wrong question gets one sentence on stderr, nothing on stdout, and exit code 2 or 3."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from textwrap import dedent

import pytest
import torch
from torchvision.models import get_model_builder, list_models

import netscope
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

    class Model(nn.Module):
        def __init__(self, **layers):
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    class Signal(Model):
        def __init__(self):
            super().__init__(conv=nn.Conv1d(8, 4, 3), norm=nn.BatchNorm1d(4))

        def forward(self, x):
            return self.norm(self.conv(x))

    class Digits(Model):
        def __init__(self):
            super().__init__(conv=nn.Conv2d(1, 6, 5), fc=nn.Linear(6 * 24 * 24, 10))

        def forward(self, x):
            return self.fc(self.conv(x).flatten(1))

    class Video(Model):
        def __init__(self):
            super().__init__(conv=nn.Conv3d(3, 4, 3), norm=nn.BatchNorm3d(4))

        def forward(self, x):
            return self.norm(self.conv(x))

    class Words(Model):
        def __init__(self):
            super().__init__(table=nn.Embedding(100, 8))

        def forward(self, ids):
            batch, length = ids.shape
            return self.table(ids)

    class Steps(Model):
        def __init__(self):
            super().__init__(lstm=nn.LSTM(12, 8, batch_first=True), fc=nn.Linear(8, 2))

        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    class Captions(Model):
        def __init__(self):
            super().__init__(conv=nn.Conv2d(3, 6, 3), table=nn.Embedding(100, 6))

        def forward(self, image, ids):
            return self.conv(image).mean((2, 3)) + self.table(ids).mean(1)

    class OnePicture(Model):
        def __init__(self):
            super().__init__(conv=nn.Conv2d(3, 6, 3), fc=nn.Linear(6 * 30 * 30, 10))

        def forward(self, x):
            return self.fc(self.conv(x).flatten())

    class NoArguments(nn.Module):
        def forward(self):
            return None
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(dedent(USER_FILE))
    (tmp_path / "broken.py").write_text("def (:\n")
    for suffix in ("pt", "json", "pt2", "safetensors"):
        (tmp_path / f"bad.{suffix}").write_text("neither a program nor weights")
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
    "missing extra": (("summary", "timm/resnet50"), 2, "timm is not installed; run pip install timm"),
    "empty name": (("summary", ""), 2, "is empty"),
    "malformed input": (("summary", "alexnet", "--input", "1x3xbig"), 2, "e.g. --input 1x3x224x224"),
    "empty input": (("summary", "alexnet", "--input", ""), 2, "e.g. --input 1x3x224x224"),
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
        "the input 1x3x224x224 has 4 of 5 dimensions; use --input 1x3x16x112x112",
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
        "pass e.g. --input 1x3 (its forward takes: x, y=None)",
    ),
    "no input of a signal": (("summary", "my.py:Signal"), 2, "pass e.g. --input 1x8x128 "),
    "no input of a small picture": (("summary", "my.py:Digits"), 2, "pass e.g. --input 1x1x28x28 "),
    "no input of a video": (("summary", "my.py:Video"), 2, "pass e.g. --input 1x3x16x112x112 "),
    "no words": (("summary", "my.py:Words"), 2, "pass e.g. --input 1x16:int64 "),
    "no steps": (("summary", "my.py:Steps"), 2, "pass e.g. --input 1x16x12 "),
    "no inputs of two": (
        ("summary", "my.py:Captions"),
        2,
        "pass e.g. --input image=1x3x224x224 --input ids=1x16:int64 (",
    ),
    "no batch of a convolution": (
        ("summary", "resnet18", "-i", "3x64x64"),
        2,
        "the input 3x64x64 has no batch size; use --input 1x3x64x64",
    ),
    "no batch behind the name": (("summary", "resnet18", "3x64x64"), 2, "no batch size; use --input 1x3x64x64"),
    "no batch on a device": (("summary", "resnet18", "3x64x64", "--device", "cpu"), 2, "use --input 1x3x64x64"),
    "no batch, and another one": (("summary", "resnet18", "3x64x64", "-b", "8"), 2, "use --input 1x3x64x64"),
    "no batch to train": (("summary", "resnet18", "3x64x64", "--train"), 2, "no batch size; use --input 1x3x64x64"),
    "no batch in a comparison": (("diff", "resnet18", "resnet34", "-i", "3x64x64"), 2, "use --input 1x3x64x64"),
    "no batch of a signal": (("summary", "my.py:Signal", "8x64"), 2, "no batch size; use --input 1x8x64"),
    "no batch of a digit": (("summary", "my.py:Digits", "1x28x28"), 2, "no batch size; use --input 1x1x28x28"),
    "no batch of a video": (("summary", "my.py:Video", "3x8x8x8"), 2, "no batch size; use --input 1x3x8x8x8"),
    "no batch of words": (("summary", "my.py:Words", "16"), 2, "no batch size; use --input 1x16:int64"),
    "no batch of steps": (("summary", "my.py:Steps", "16x12"), 2, "no batch size; use --input 1x16x12"),
    "no batch of two": (
        ("summary", "my.py:Captions", "3x8x8", "-i", "16:long"),
        2,
        "the input 3x8x8 has no batch size; use --input 1x3x8x8 --input 1x16:int64",
    ),
    "no batch of images to detect": (
        ("summary", "fasterrcnn_mobilenet_v3_large_320_fpn", "3x64x64"),
        2,
        "no batch size; use --input 1x3x320x320",
    ),
    "no batch, and a size that does not fit": (
        ("summary", "vit_b_16", "3x256x256"),
        2,
        "the input 3x256x256 has no batch size; use --input 1x3x224x224",
    ),
    "no batch, channels last": (("summary", "resnet18", "64x64x3"), 2, "no batch size; use --input 1x3x64x64"),
    "channels last": (("summary", "resnet18", "1x64x64x3"), 2, "channels come first: 1x3x64x64"),
    "height and width alone": (("summary", "resnet18", "64x64"), 2, "2 of 4 dimensions; use --input 1x3x64x64"),
    "a size alone, for a video": (("summary", "r3d_18", "112"), 2, "1 of 5 dimensions; use --input 1x3x16x112x112"),
    "a size alone, for a file": (("summary", "my.py:Digits", "28"), 2, "use --input 1x1x28x28"),
    "a size that does not fit": (
        ("summary", "vit_b_16", "256"),
        2,
        "Expected 224 but got 256!; use e.g. --input 1x3x224x224",
    ),
    "a picture too large for one": (
        ("summary", "my.py:OnePicture", "3x34x34"),
        2,
        "fc (Linear) expects 5400 input features",
    ),
    "floats for words": (
        ("summary", "my.py:Words", "1x16"),
        2,
        "needs integer ids, got float32; use e.g. --input 1x16",
    ),
    "floats for the words of two": (
        ("summary", "my.py:Captions", "1x3x8x8", "-i", "1x16"),
        2,
        "use e.g. --input ids=1x16:int64",
    ),
    "an architecture for an input": (("summary", "resnet18", "resnet34"), 2, "invalid input 'resnet34'; expected"),
    "a size of 0": (("summary", "alexnet", "1x3x0x0"), 2, "has a size of 0; every size must be at least 1"),
    "a negative size": (("summary", "alexnet", "-i", "1x3x-8x8"), 2, "e.g. --input 1x3x224x224"),
    "a negative argument": (("summary", "lenet5@num_classes=-1"), 2, "failed to build lenet5@num_classes=-1: "),
    "a negative argument of torchvision's": (("summary", "resnet18@num_classes=-5"), 2, "negative dimension -5"),
    "a negative argument of a file's": (
        ("summary", "torch.nn:Linear@in_features=3,out_features=-4"),
        2,
        "dimension -4",
    ),
    "an argument that is refused": (("summary", "alexnet@dropout=2"), 2, "has to be between 0 and 1, but got 2"),
    "an argument of another type": (("summary", "alexnet@dropout=high"), 2, "failed to build alexnet@dropout=high: "),
    "a bad .pt": (("summary", "bad.pt"), 2, "bad.pt cannot be read as a state dict: it is damaged"),
    "a bad .pt2": (("summary", "bad.pt2"), 2, "bad.pt2 cannot be read as an exported program: it is not an archive"),
    "a bad .safetensors": (
        ("summary", "bad.safetensors"),
        2,
        "bad.safetensors cannot be read as a file of safetensors",
    ),
    "a bad .json": (
        ("summary", "bad.json"),
        2,
        "bad.json cannot be read as a saved Summary: not a saved netscope result",
    ),
    "a bad .json of a benchmark": (
        ("bench", "lenet5", "--compare", "bad.json"),
        2,
        "cannot be read as a saved BenchReport",
    ),
    "integers for weights": (
        ("summary", "alexnet", "--dtype", "long"),
        2,
        "unknown dtype 'long'; available dtypes: float32",
    ),
    "nearly a dtype": (("summary", "alexnet", "1x3x64x64:fp17"), 2, "unknown dtype 'fp17'; did you mean fp16"),
    "a dtype that bench lacks": (("bench", "lenet5", "--dtype", "float64"), 2, "use fp32, tf32, bf16, fp16"),
    "an optimizer of nothing": (("summary", "lenet5", "--optimizer", "sgd"), 2, "--optimizer sgd requires --train"),
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


ANSWERED = {
    "a picture's size": (("lenet5", "28"), "1×1×28×28"),
    "a shape": (("resnet18", "1x3x64x64"), "1×3×64×64"),
    "a size of a picture, and a batch": (("resnet18", "64", "-b", "2"), "2×3×64×64"),
    "a size with a dtype": (("lenet5", "28:fp16", "--dtype", "half"), "1×1×28×28 float16"),
    "a shape as Python writes it": (("resnet18", "(1, 3, 64, 64)"), "1×3×64×64"),
    "a shape with an option": (("my.py:Captions", "1x3x8x8", "-i", "1x16:long"), "image 1×3×8×8"),
    "a dtype as torch writes it": (("lenet5", "--dtype", "torch.bfloat16"), "bfloat16"),
    "one feature vector": (("torch.nn:Linear@in_features=10,out_features=2", "10"), "10 float32"),
    "one picture without a batch": (("torch.nn:Conv2d@in_channels=3,out_channels=2,kernel_size=3", "3x8x8"), "3×8×8"),
    "what only takes one picture": (("my.py:OnePicture", "3x32x32"), "3×32×32"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("case", ANSWERED)
def test_an_input_may_be_written_as(case):
    arguments, shown = ANSWERED[case]
    code, out, _ = ask("summary", *arguments, "--depth", "0")
    assert code == 0
    assert shown in out.partition("traced on")[0]


@pytest.mark.usefixtures("folder")
def test_tokens_without_a_dtype_are_integers():
    pytest.importorskip("transformers")
    code, out, _ = ask("summary", "hf/gpt2@n_layer=1", "1x8", "--depth", "0")
    assert code == 0
    assert "input_ids 1×8 int64" in out


FAMILIES = {get_model_builder(name).__module__: name for name in list_models()}
"""An architecture of each module of torchvision."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES.values())
def test_a_missing_batch_is_named_for_every_family_of_torchvision(name):
    inputs = netscope.summarize(name).inputs
    shapes = ["x".join(map(str, item.shape)) for item in inputs]
    if inputs[0].name.endswith("[0]"):  # a list of images
        shapes = [f"1x{shape}" for shape in shapes]
    code, _, err = ask("summary", name, *(part for shape in shapes for part in ("-i", shape.partition("x")[2])))
    assert code == 2
    assert f"no batch size; use {' '.join(f'--input {shape}' for shape in shapes)}" in err


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
