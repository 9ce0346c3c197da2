"""Bytes by category, and the peak of an inference pass, against arithmetic, torch's optimizers and its allocator."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

import netscope
from netscope.schema import Figures
from netscope.schema.memory import STATES_PER_PARAMETER

B, D = 8, 16
ROW = 4 * B * D
"""Bytes of (B, D) in float32."""


def linears(count=3):
    return nn.Sequential(*(nn.Linear(D, D) for _ in range(count)))


OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters: torch.optim.SGD(parameters, momentum=0.9),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}


@pytest.mark.parametrize("name", STATES_PER_PARAMETER)
def test_the_state_is_what_torchs_optimizer_keeps(name):
    model = linears()
    model[0].bias.requires_grad_(False)
    summary = netscope.summarize(model, (B, D), mode="train", optimizer=name)
    optimizer = OPTIMIZERS[name]([item for item in model.parameters() if item.requires_grad])
    model(torch.randn(B, D)).sum().backward()
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    assert summary.totals.optimizer_bytes == sum(4 * value.numel() for value in states if value.dim())
    assert summary.totals.gradient_bytes == 4 * sum(item.numel() for item in model.parameters() if item.requires_grad)


def test_rows_add_up_to_the_total():
    model = models.resnet18()
    summary = netscope.summarize(model, (2, 3, 64, 64), mode="train", optimizer="adam")
    assert not summary.totals - Figures.sum(row.own for row in summary.rows)
    assert summary.totals.param_bytes == sum(item.numel() * item.element_size() for item in model.parameters())
    assert summary.totals.buffer_bytes == sum(item.numel() * item.element_size() for item in model.buffers())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_bytes_follow_the_dtype(dtype):
    size = {"float16": 2, "bfloat16": 2, "float64": 8}.get(dtype, 4)
    summary = netscope.summarize("alexnet", dtype=dtype)
    assert summary.totals.param_dtypes == (dtype,)
    assert summary.totals.param_bytes == size * 62_378_344
    assert summary.inputs[0].dtype == dtype
    # At the first pooling: its input, and its output with the indices, which are integers of eight bytes.
    assert summary.peak_memory.activations == 96 * (55 * 55 * size + 27 * 27 * (size + 8))


def test_a_dtype_keeps_ties_and_leaves_the_callers_model():
    model = nn.Sequential(nn.Linear(D, D), nn.Linear(D, D))
    model[1].weight = model[0].weight
    summary = netscope.summarize(model, (B, D), dtype="float16")
    assert summary.totals.params == D * D + 2 * D
    assert summary.totals.param_bytes == 2 * summary.totals.params
    assert model[0].weight.dtype is torch.float32


def test_a_dtype_casts_given_inputs_and_leaves_complex_weights_alone():
    assert netscope.summarize(linears(), torch.ones(B, D), dtype="float16").inputs[0].dtype == "float16"
    model = nn.Sequential(nn.Linear(D, D, dtype=torch.complex64))
    assert netscope.summarize(model, f"{B}x{D}:complex64", dtype="float16").totals.param_dtypes == ("complex64",)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_activations_are_what_autograd_keeps(device):
    model = nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D), nn.Sigmoid())
    summary = netscope.summarize(model, (B, D), mode="train", device=device)
    # The input is the caller's. ReLU and Sigmoid keep their outputs; the second Linear keeps what ReLU kept already.
    assert {row.path: row.own.activation_bytes for row in summary.rows} == {
        "": 0, "0": 0, "1": ROW, "2": 0, "3": ROW,
    }  # fmt: skip


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x):
        return x + self.b(self.a(x))


PEAKS = {
    # An input, an output: nothing else is alive at once.
    "a chain": (linears, 2 * ROW),
    # The first layer's input is the caller's; then the wide one and its output.
    "a wide layer": (Residual, 5 * ROW),
    # The second block's input stays alive during the block, with its wide and its narrow output.
    "a residual block": (lambda: nn.Sequential(nn.Linear(D, D), Residual()), 6 * ROW),
    "in place": (lambda: nn.Sequential(nn.Linear(D, D), nn.ReLU(inplace=True)), ROW),
    "views": (lambda: nn.Sequential(nn.Linear(D, D), nn.Flatten(0), nn.Unflatten(0, (B, D))), ROW),
}


@pytest.mark.parametrize("case", PEAKS)
def test_the_peak_is_what_is_alive_at_once(case):
    factory, activations = PEAKS[case]
    model = factory()
    peak = netscope.summarize(model, (B, D)).peak_memory
    assert peak.activations == activations
    assert peak.bytes == activations + ROW + 4 * sum(item.numel() for item in model.parameters())


@pytest.mark.parametrize("case", PEAKS)
def test_the_allocator_agrees(benchmark_of_memory, case):
    model, x = PEAKS[case][0](), torch.randn(B, D)
    assert benchmark_of_memory.allocated_at_most(model, x) == PEAKS[case][1]


@pytest.fixture(scope="module")
def benchmark_of_memory():
    """What asks the CPU's allocator."""
    path = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    spec = spec_from_file_location("benchmark_of_memory", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_storage_that_grows_is_as_large_as_it_got():
    class Grows(nn.Module):
        def forward(self, x):
            result = torch.empty(0, device=x.device)
            torch.cat([x, x], out=result)
            return result * 1

    assert netscope.summarize(Grows(), (B, D)).peak_memory.activations == 4 * ROW


def test_training_has_no_inference_peak():
    assert netscope.summarize(linears(), (B, D), mode="train").peak_memory is None
