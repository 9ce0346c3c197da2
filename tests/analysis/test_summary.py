"""Who owns which parameter and who ran which op; the invariants on random networks."""

import copy
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import netscope
from netscope.schema import OUTPUT_SHAPES_VARY, Figures, Summary
from netscope.tracing.op_cache import OpCache


def rows_of(model, inputs, **options):
    return {row.path: row for row in netscope.summarize(model, inputs, **options).rows}


def test_a_parameter_belongs_to_the_first_row_that_has_it():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    summary = netscope.summarize(model, (1, 4))
    assert [row.own.params for row in summary.rows] == [0, 16, 0]
    assert summary.rows[2].notes == ("weight is shared with 0.weight",)
    assert summary.totals.params == 16


def test_children_stand_in_order_of_execution_and_uncalled_ones_behind():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.never = nn.Linear(9, 9)
            self.second = nn.Linear(2, 2)
            self.first = nn.Linear(2, 2)

        def forward(self, x):
            return self.second(self.first(x))

    summary = netscope.summarize(Backwards(), (1, 2))
    assert [row.path for row in summary.rows] == ["", "first", "second", "never"]
    assert summary.uncalled_modules == ("never",)
    assert summary.rows[3].notes == ("never called",)


def test_a_list_whose_layers_ran_has_run():
    class Loops(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    summary = netscope.summarize(Loops(), (1, 4))
    assert summary.uncalled_modules == ()
    assert (summary.rows[1].path, summary.rows[1].calls, summary.rows[1].notes) == ("layers", 0, ())
    assert summary.rows[1].total.flops == 64


def test_a_module_whose_weights_alone_are_used_says_by_whom():
    rows = rows_of(nn.MultiheadAttention(8, 2, batch_first=True), [(1, 3, 8)] * 3)
    assert rows["out_proj"].notes == ("forward never called; its weights are used by MultiheadAttention",)
    assert rows["out_proj"].own.params == 72


def test_a_module_that_ran_to_different_shapes_says_so():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x), self.act(x[0])

    rows = rows_of(Twice(), (2, 3))
    assert rows["act"].notes == (OUTPUT_SHAPES_VARY,)
    assert rows["act"].output_shapes == ((2, 3),)


def test_a_list_of_layers_stands_where_its_layers_ran():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(4)
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
            self.first = nn.Linear(4, 4)

        def forward(self, x):
            x = self.first(x)
            for layer in self.layers:
                x = layer(x)
            return self.norm(x)

    assert list(rows_of(Listed(), (1, 4))) == ["", "first", "layers", "layers.0", "layers.1", "norm"]


def test_functional_work_lands_on_the_module_that_was_running():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 4))
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(x) @ self.weight

    rows = rows_of(Functional(), (1, 4))
    assert (rows[""].own.flops, rows["fc"].own.flops, rows[""].total.flops) == (32, 32, 64)
    assert [(op.op, op.calls, op.flops) for op in rows[""].ops] == [("aten.mm", 1, 32)]


def test_frozen_parameters_and_buffers_are_counted_apart():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model[0].requires_grad_(False)
    totals = netscope.summarize(model, (2, 4)).totals
    assert (totals.params, totals.trainable_params, totals.frozen_params) == (28, 8, 20)
    assert (totals.buffers, totals.buffer_bytes) == (9, 4 * 4 * 2 + 8)


# Random networks

CHANNELS = st.sampled_from([1, 2, 4, 6])


@st.composite
def spatial_layer(draw, channels, axes):
    """A layer on (N, channels, …) of ``axes`` spatial axes that keeps the axes, and its output channels."""
    kind = draw(st.sampled_from(["conv", "grouped", "transposed", "norm", "pool", "act", "dropout"]))
    convolution = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
    transposed = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[axes]
    out = draw(CHANNELS)
    bias = draw(st.booleans())
    if kind == "conv":
        kernel, dilation = draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 2]))
        return convolution(channels, out, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=bias), out
    if kind == "grouped":
        return convolution(channels, channels * 2, 3, padding=1, groups=channels, bias=bias), channels * 2
    if kind == "transposed":
        return transposed(channels, out, 2, stride=draw(st.sampled_from([1, 2])), bias=bias), out
    others = {
        "norm": {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[axes](channels),
        "pool": {1: nn.AvgPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}[axes](2, stride=1, padding=1),
        "act": draw(st.sampled_from([nn.ReLU(inplace=True), nn.GELU(), nn.Sigmoid()])),
        "dropout": nn.Dropout(0.1),
    }
    return others[kind], channels


@st.composite
def token_layer(draw, width):
    """A layer on (N, T, width) that keeps the shape."""
    return draw(
        st.sampled_from(
            [
                nn.Linear(width, width),
                nn.LayerNorm(width),
                nn.TransformerEncoderLayer(width, 2, 8, batch_first=True),
                Recurrent(nn.LSTM(width, width, batch_first=True)),
                Recurrent(nn.GRU(width, width, batch_first=True)),
                Functional(width),
                Parallel(nn.Linear(width, width), nn.Linear(width, width)),
                Unused(nn.Linear(width, width), nn.Linear(width, 99)),
                Repeated(nn.Linear(width, width)),
            ]
        )
    )


class Recurrent(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


class Functional(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3 * width, width))

    def forward(self, x):
        q, k, v = functional.linear(x, self.weight).chunk(3, dim=-1)
        return functional.scaled_dot_product_attention(q, k, v) + torch.softmax(q @ k.transpose(-1, -2), -1) @ v


class Parallel(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x):
        return self.right(x) + self.left(x)


class Unused(nn.Module):
    def __init__(self, used, unused):
        super().__init__()
        self.used, self.unused = used, unused

    def forward(self, x):
        return self.used(x)


class Repeated(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = self.again = layer

    def forward(self, x):
        return self.layer(self.again(x))


@st.composite
def networks(draw):
    """A random network and the shape of its input."""
    if draw(st.booleans()):
        axes = draw(st.sampled_from([1, 2, 3]))
        start = channels = draw(CHANNELS)
        layers = []
        for _ in range(draw(st.integers(1, 5))):
            layer, channels = draw(spatial_layer(channels, axes))
            layers.append(layer)
        shape = (draw(st.integers(1, 3)), start, *[6] * axes)
    else:
        width = draw(st.sampled_from([4, 8]))
        layers = [draw(token_layer(width)) for _ in range(draw(st.integers(1, 4)))]
        if draw(st.booleans()):
            layers.append(layers[0])
        shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), width)
    model = nn.Sequential(*layers)
    if draw(st.booleans()):
        model = nn.Sequential(model, nn.Identity())
    return model.eval(), shape


def idle_params(model):
    """Of the linear layers with 99 outputs, which nothing runs, each once."""
    idle = {id(module): module for module in model.modules() if getattr(module, "out_features", 0) == 99}
    return sum(parameter.numel() for module in idle.values() for parameter in module.parameters())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(networks())
def test_on_random_networks_the_totals_are_the_sums_and_torchs_counter_agrees(network):
    model, shape = network
    on_meta = netscope.summarize(model, shape, device="meta")
    with patch.object(OpCache, "lookup", lambda *_: None):
        assert on_meta == netscope.summarize(model, shape, device="meta"), "as if every op ran"
    on_cpu = netscope.summarize(model, shape, device="cpu")
    for summary in (on_meta, on_cpu):
        assert summary.totals.params == sum(row.own.params for row in summary.rows) == summary.rows[0].total.params
        assert summary.totals.flops == sum(row.own.flops for row in summary.rows) == summary.rows[0].total.flops
        assert not summary.totals - Figures.sum(row.own for row in summary.rows)
        assert not summary.totals - summary.rows[0].total
        assert summary.totals.unread_params == idle_params(model)
        assert not summary.uncounted_ops
        assert Summary.from_json(summary.to_json()) == summary
    assert on_meta.totals == on_cpu.totals
    assert [row.output_shapes for row in on_meta.rows] == [row.output_shapes for row in on_cpu.rows]
    distinct = {id(parameter): parameter.numel() for parameter in model.parameters()}
    assert on_meta.totals.params == sum(distinct.values())

    with torch.device("meta"):
        twin = model.to("meta").requires_grad_(False)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            twin(torch.empty(shape))
    assert on_meta.totals.flops == counter.get_total_flops()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(networks(), st.data())
def test_on_random_networks_a_step_costs_what_torchs_counter_says(network, data):
    model, shape = network
    # Torch's counter takes the gradient of a grouped convolution's weights for that of an ungrouped one.
    assume(all(getattr(module, "groups", 1) == 1 for module in model.modules()))
    for parameter in model.parameters():
        parameter.requires_grad_(data.draw(st.booleans()))
    twin = copy.deepcopy(model).to("meta").train()
    try:
        with FlopCounterMode(display=False) as counter:
            twin(torch.empty(shape, device="meta")).sum().backward()
    except RuntimeError:  # nothing to train, or a value that is needed again was overwritten
        assume(False)
    summary = netscope.summarize(model, shape, mode="train", optimizer="adam", device="meta")
    assert summary.totals.step_flops == counter.get_total_flops()
    assert summary.totals.backward_flops == sum(row.own.backward_flops for row in summary.rows)
    assert not summary.totals - Figures.sum(row.own for row in summary.rows)
    assert summary.totals.optimizer_bytes == 2 * 4 * summary.totals.trainable_params
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_an_empty_batch_costs_nothing(device):
    assert netscope.summarize(nn.Linear(4, 4), torch.empty(0, 4), device=device).totals.flops == 0
