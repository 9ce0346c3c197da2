"""Packed quantised weights are the parameters that they stand for, in the bytes that they take."""

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


def quantised(model):
    return quantize_dynamic(model, {nn.Linear, nn.LSTM, nn.GRUCell}, dtype=torch.qint8)


def test_a_dynamically_quantised_model_has_the_parameters_of_the_floating_one():
    before = netscope.summarize(Layers(), (2, 1, 4))
    after = netscope.summarize(quantised(Layers()), (2, 1, 4))
    assert {row.path: row.own_params for row in after.rows} == {row.path: row.own_params for row in before.rows}
    assert after.totals.params == sum(row.own_params for row in after.rows) == 1220
    assert (after.totals.unread_params, after.totals.flops) == (0, before.totals.flops)


def test_they_take_the_bytes_that_are_stored_and_cannot_be_trained():
    totals = netscope.summarize(quantised(nn.Sequential(nn.Linear(100, 10))), (1, 100)).totals
    assert (totals.params, totals.param_bytes, totals.trainable_params) == (1010, 1000 + 4 * 10, 0)
    assert totals.param_dtypes == ("float32", "qint8")


def test_their_names_are_those_of_the_floating_layers():
    names = {f"{row.path}.{tensor.name}" for row in netscope.summarize(quantised(Layers()), (2, 1, 4)).rows
             for tensor in row.tensors}  # fmt: skip
    assert names == {name for name, _ in Layers().named_parameters()}


def test_the_type_says_what_they_are_quantised_to():
    text = str(netscope.summarize(quantised(Layers()), (2, 1, 4)))
    assert "Linear 4→4, int8" in text
    assert "LSTM 4→4, 2 layers, bidirectional, int8" in text


def test_a_quantised_layer_that_never_ran_is_unread():
    model = quantised(nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)}))
    model.forward = model["a"].forward
    summary = netscope.summarize(model, (1, 4))
    assert (summary.totals.unread_params, summary.unread_parameters) == (20, ("b",))


@pytest.mark.slow
def test_torchvisions_quantised_resnet_has_what_is_left_of_it_when_fused():
    floating = netscope.summarize("torchvision/resnet18").totals.params
    norms = sum(row.params for row in netscope.summarize("torchvision/resnet18").rows if row.type_name == "BatchNorm2d")
    totals = netscope.summarize("torchvision/quantized_resnet18@quantize=True").totals
    # Each normalisation has a scale and a shift; fused, the shift is the convolution's bias.
    assert totals.params == floating - norms // 2 == 11_684_712
    assert totals.param_bytes == 11_678_912 + 4 * 5_800
