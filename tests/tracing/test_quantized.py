"""Packed quantized weights are counted as parameters, with the bytes that they occupy."""

import pytest
import torch
from torch import nn
from torch.ao.quantization import quantize_dynamic

import netscope

pytestmark = pytest.mark.filterwarnings("ignore")


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.lstm = nn.LSTM(4, 4, 2, bidirectional=True)
        self.cell = nn.GRUCell(8, 8)

    def forward(self, x):
        return self.cell(self.lstm(self.fc(x))[0][0])


def quantized(model):
    return quantize_dynamic(model, {nn.Linear, nn.LSTM, nn.GRUCell}, dtype=torch.qint8)


def test_a_dynamically_quantized_model_has_the_parameters_of_the_floating_one():
    before = netscope.summarize(Layers(), (2, 1, 4))
    after = netscope.summarize(quantized(Layers()), (2, 1, 4))
    assert {row.path: row.own.params for row in after.rows} == {row.path: row.own.params for row in before.rows}
    assert after.totals.params == sum(row.own.params for row in after.rows) == 1220
    assert (after.totals.unread_params, after.totals.flops) == (0, before.totals.flops)


def test_packed_parameters_have_their_stored_bytes_and_are_not_trainable():
    totals = netscope.summarize(quantized(nn.Sequential(nn.Linear(100, 10))), (1, 100)).totals
    assert (totals.params, totals.param_bytes, totals.trainable_params) == (1010, 1000 + 4 * 10, 0)
    assert totals.param_dtypes == ("float32", "qint8")


def test_packed_parameters_have_the_names_of_the_floating_point_layers():
    names = {f"{row.path}.{tensor.name}" for row in netscope.summarize(quantized(Layers()), (2, 1, 4)).rows
             for tensor in row.tensors}  # fmt: skip
    assert names == {name for name, _ in Layers().named_parameters()}


def test_the_type_shows_the_quantized_dtype():
    text = str(netscope.summarize(quantized(Layers()), (2, 1, 4)))
    assert "Linear 4→4, int8" in text
    assert "LSTM 4→4, 2 layers, bidirectional, int8" in text


def test_a_quantized_layer_that_never_ran_is_unread():
    model = quantized(nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)}))
    model.forward = model["a"].forward
    summary = netscope.summarize(model, (1, 4))
    assert (summary.totals.unread_params, summary.unread_parameters) == (20, ("b",))


@pytest.mark.slow
def test_torchvisions_quantized_resnet_has_the_parameters_of_the_fused_one():
    floating = netscope.summarize("torchvision/resnet18").totals.params
    norms = sum(
        row.total.params for row in netscope.summarize("torchvision/resnet18").rows if row.type_name == "BatchNorm2d"
    )
    totals = netscope.summarize("torchvision/quantized_resnet18@quantize=True").totals
    # Each normalization has a scale and a shift; fused, the shift is the convolution's bias.
    assert totals.params == floating - norms // 2 == 11_684_712
    assert totals.param_bytes == 11_678_912 + 4 * 5_800
