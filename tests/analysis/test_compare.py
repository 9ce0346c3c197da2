"""What a summary's row says it is made of, by the ops that ran."""

import pytest
from torch import nn
from torch.nn import functional

import netscope
from netscope import analysis
from netscope.render.compare import COMPARED_COLUMNS


def compared(module, shape=(1, 4, 8, 8)):
    return analysis.make_comparison_row(netscope.summarize(module, shape))


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.ReLU(), "ReLU"),
        (nn.ReLU(inplace=True), "ReLU"),
        (nn.ReLU6(), "ReLU6"),
        (nn.ReLU6(inplace=True), "ReLU6"),
        (nn.Hardtanh(), "Hardtanh"),
        (nn.Hardtanh(0, 6), "ReLU6"),
        (nn.GELU(), "GELU"),
        (nn.GELU("tanh"), "GELU"),
        (nn.SiLU(), "SiLU"),
        (nn.Sigmoid(), "Sigmoid"),
        (nn.Tanh(), "Tanh"),
        (nn.Hardswish(), "Hardswish"),
        (nn.Hardsigmoid(), "Hardsigmoid"),
        (nn.ELU(), "ELU"),
        (nn.CELU(), "CELU"),
        (nn.SELU(), "SELU"),
        (nn.LeakyReLU(), "LeakyReLU"),
        (nn.PReLU(), "PReLU"),
        (nn.Mish(), "Mish"),
        (nn.Softplus(), "Softplus"),
        (nn.Softsign(), "Softsign"),
        (nn.LogSigmoid(), "LogSigmoid"),
        (nn.GLU(), "GLU"),
        (nn.RReLU(), "RReLU"),
        (nn.Threshold(0, 0), "Threshold"),
        (nn.Hardshrink(), "Hardshrink"),
        (nn.Softshrink(), "Softshrink"),
        (nn.Tanhshrink(), "Tanhshrink"),
    ],
    ids=repr,
)
def test_an_activation_is_called_what_the_field_calls_it(module, kind):
    assert compared(nn.Sequential(module)).activations == (kind,)


@pytest.mark.parametrize("module", [nn.Softmax(dim=1), nn.Identity(), nn.Dropout(), nn.BatchNorm2d(4)], ids=repr)
def test_what_is_no_activation_is_none(module):
    assert compared(nn.Sequential(module)).activations == ()


class Functional(nn.Module):
    def forward(self, x):
        x = functional.relu6(functional.gelu(functional.gelu(x)))
        return functional.max_pool2d(x, 2).mean((2, 3))


def test_functional_ones_are_counted_as_well_and_the_commonest_stands_first():
    row = compared(nn.Sequential(nn.Tanh(), Functional()))
    assert row.activations == ("GELU", "Tanh", "ReLU6")
    assert row.pooling == ("max", "mean")


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * (1.702 * x).sigmoid()


def test_an_activation_written_out_is_known_by_its_type():
    assert compared(nn.Sequential(QuickGELU())).activations == ("GELU",)


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.MaxPool2d(2), "max"),
        (nn.AdaptiveMaxPool2d(1), "max"),
        (nn.FractionalMaxPool2d(2, 4), "max"),
        (nn.AvgPool2d(2), "average"),
        (nn.AdaptiveAvgPool2d(2), "average"),
        (nn.AdaptiveAvgPool2d(1), "average"),
    ],
    ids=repr,
)
def test_pooling_is_told_by_its_kind(module, kind):
    assert compared(nn.Sequential(module)).pooling == (kind,)


class RootMeanSquareNorm(nn.Module):
    def forward(self, x):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt()


@pytest.mark.parametrize("module", [RootMeanSquareNorm(), nn.LocalResponseNorm(5)], ids=repr)
def test_what_a_normalisation_averages_is_no_pooling(module):
    assert compared(nn.Sequential(module)).pooling == ()


# From the table that texts draw of LeNet and AlexNet, and the successors' published depths.
@pytest.mark.parametrize(
    ("name", "layers", "activations", "pooling"),
    [
        ("lenet5", 5, ("Sigmoid",), ("average",)),
        ("alexnet-grouped", 8, ("ReLU",), ("max",)),
        ("vgg11-d2l", 11, ("ReLU",), ("max",)),
    ],
)
def test_the_textbooks_comparison(name, layers, activations, pooling):
    row = analysis.make_comparison_row(netscope.summarize(name))
    assert (row.weighted_layers, row.activations, row.pooling) == (layers, activations, pooling)


def test_its_figures_are_the_summarys():
    summary = netscope.summarize("lenet5")
    row = analysis.make_comparison_row(summary)
    assert (row.totals.params, row.totals.flops, row.totals.macs) == (61_706, summary.totals.flops, summary.totals.macs)
    assert row.totals.param_bytes == 4 * 61_706
    assert row.peak_activation_bytes == summary.peak_memory.activations > 0
    assert row.architecture == summary.architecture
    assert not row.is_lower_bound


def test_weights_alone_have_layers_but_no_flops(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(nn.Linear(4, 2).state_dict(), tmp_path / "weights.pt")
    row = analysis.make_comparison_row(netscope.summarize(str(tmp_path / "weights.pt")))
    assert (row.totals.params, row.weighted_layers) == (10, 1)
    assert row.peak_activation_bytes is None
    assert (row.totals.flops, row.is_lower_bound, COMPARED_COLUMNS["flops"].value(row)) == (0, True, None)
