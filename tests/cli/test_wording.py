"""Errors name options on the command line, and keyword arguments in Python."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout

import pytest

import netscope
from netscope.cli.app import run
from netscope.errors import NetscopeError

SMALL = "torch.nn:Linear@in_features=3,out_features=2"
SAID = {
    "a batch": (
        lambda: netscope.summarize("resnet18", "3x64x64"),
        ("summary", "resnet18", "-i", "3x64x64"),
        'the input 3x64x64 has no batch size; use inputs="1x3x64x64"',
        "the input 3x64x64 has no batch size; use --input 1x3x64x64",
    ),
    "a shape": (
        lambda: netscope.summarize("resnet18", (3, 64, 64)),
        ("summary", "resnet18", "3x64x64"),
        'use inputs="1x3x64x64"',
        "use --input 1x3x64x64",
    ),
    "no input": (
        lambda: netscope.summarize(SMALL),
        ("summary", SMALL),
        'pass e.g. inputs="1x3" (',
        "pass e.g. --input 1x3 (",
    ),
    "no inputs": (
        lambda: netscope.summarize("torch.nn:MultiheadAttention@embed_dim=4,num_heads=2,batch_first=True"),
        ("summary", "torch.nn:MultiheadAttention@embed_dim=4,num_heads=2,batch_first=True"),
        'inputs=["query=1x16x4", "key=1x16x4", "value=1x16x4"]',
        "--input query=1x16x4 --input key=1x16x4 --input value=1x16x4",
    ),
    "malformed": (
        lambda: netscope.summarize(SMALL, "big"),
        ("summary", SMALL, "-i", "big"),
        'expected [PARAM=]SHAPE[:DTYPE], e.g. inputs="1x3x224x224" or inputs="input_ids=1x128:int64"',
        "expected [PARAM=]SHAPE[:DTYPE], e.g. --input 1x3x224x224 or --input input_ids=1x128:int64",
    ),
    "an optimizer": (
        lambda: netscope.summarize(SMALL, "1x3", optimizer="sgd"),
        ("summary", SMALL, "1x3", "--optimizer", "sgd"),
        'optimizer="sgd" requires mode="train"',
        "--optimizer sgd requires --train",
    ),
    "floats for ids": (
        lambda: netscope.explain("torch.nn:Embedding@num_embeddings=9,embedding_dim=2", inputs="1x7").mismatch.reason,
        ("summary", "torch.nn:Embedding@num_embeddings=9,embedding_dim=2", "1x7"),
        'use e.g. inputs="1x7:int64"',
        "use e.g. --input 1x7:int64",
    ),
    "a change": (
        lambda: netscope.explain("lenet5", what_if=["padding"]),
        ("explain", "lenet5", "-w", "padding"),
        'e.g. what_if="input=1x3x227x227"',
        "e.g. --what-if input=1x3x227x227",
    ),
    "an input in a worker": (
        lambda: netscope.compare(["lenet5"], inputs=["1x28x28"]).rows[0].error,
        ("compare", "lenet5", "-i", "1x28x28"),
        'use inputs="1x1x28x28"',
        "use --input 1x1x28x28",
    ),
    "flags of a benchmark": (
        lambda: netscope.bench("lenet5", cast=True),
        ("bench", "lenet5", "--cast"),
        'cast=True requires dtype="bf16" or fp16',
        "--cast requires --dtype bf16 or fp16",
    ),
    "a preflight of a benchmark": (
        lambda: netscope.bench("lenet5", "1x28x28", device="cpu"),
        ("bench", "lenet5", "-i", "1x28x28", "--device", "cpu"),
        'use inputs="1x1x28x28"',
        "use --input 1x1x28x28",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_an_error_names_arguments_as_its_reader_writes_them(case):
    call, arguments, in_python, on_the_command_line = SAID[case]
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        assert run(arguments) != 0
    assert on_the_command_line in shown.getvalue()
    try:
        said = str(call())
    except NetscopeError as error:
        said = str(error)
    assert in_python in said
    assert not re.search(r"--\w", said)
