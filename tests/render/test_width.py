"""Tables of real architectures at the widths of terminals: nothing is broken in two, and figures stay."""

from functools import cache

import pytest
from rich.cells import cell_len

import netscope
from netscope.render import Canvas, render

MANY = ("lenet5", "alexnet", "vgg16", "resnet50", "mobilenet_v2", "densenet121", "vit_b_16")


@cache
def summarize(spec):
    if spec.startswith("hf/"):
        pytest.importorskip("transformers")
    return netscope.summarize(spec)


RESULTS = {
    "summary-resnet50": lambda: summarize("resnet50"),
    "summary-vit_b_16": lambda: summarize("vit_b_16"),
    "summary-llama": lambda: summarize("hf/llama"),
    "summary-mixtral": lambda: summarize("hf/mixtral"),
    "diff-llama-mistral": lambda: netscope.diff(summarize("hf/llama"), summarize("hf/mistral")),
    "compare-seven": lambda: netscope.compare([summarize(name) for name in MANY]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_tables_fit_terminals(golden, name):
    result = RESULTS[name]()
    for width in (80, 100, 160):
        text = render(result, canvas=Canvas(width=width))
        assert max(map(cell_len, text.splitlines())) <= width
        golden(f"width-{name}-{width}.txt", text)
