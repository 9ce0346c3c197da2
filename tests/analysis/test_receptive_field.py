"""Receptive fields against those measured by gradient: which input positions a unit's value changes with."""

from fractions import Fraction
from itertools import accumulate

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

import netscope
from netscope import sources
from netscope.analysis.receptive_field.fields import Field, Window
from netscope.zoo.catalog import BUILT_INS

LARGE = (
    "alexnet-grouped",
    "googlenet-d2l",
    "nin-d2l",
    "alexnet-tv",
    "alexnet-half",
    "alexnet-unpadded",
    "alexnet-d2l",
    "alexnet-slim",
    "vgg11-d2l",
)


def averaging(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **_):
    """Pools like max pooling, but depends on all of the window."""
    assert dilation == 1
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)


def positive(model):
    """The model with random positive weights that keep the scale, so that no activation hides anything."""
    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            weight = module.weight.data.uniform_(0.5, 1.5)
            weight /= weight[0].numel()
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.zero_()
            module.running_var.fill_(1)
    return model.double().eval()


def measured(model, x, path):
    """The first and the last position along each axis that the middle unit of a module's output changes with."""
    kept = []
    handle = model.get_submodule(path).register_forward_hook(lambda *call: kept.append(call[2]))
    x = x.clone().requires_grad_()
    model(x)
    handle.remove()
    output = kept[0]
    middle = output[:, :, output.shape[2] // 2, output.shape[3] // 2] if output.dim() == 4 else output
    (gradient,) = torch.autograd.grad((middle * torch.rand_like(middle)).sum(), x)
    touched = gradient.abs().sum((0, 1)) > 0
    spans = [touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()]
    return [(int(span[0]), int(span[-1])) for span in spans], output


ELSEWHERE = ("Linear", "LayerNorm", "Permute", "PixelUnshuffle")
"""Layers whose units are not found by their last two dimensions, where those hold positions."""


def agrees(model, shape, monkeypatch, every=1):
    """Whether the fields of a model's modules are those that are measured; returns how many were compared."""
    monkeypatch.setattr(F, "max_pool2d", averaging)
    torch.manual_seed(0)
    summary = netscope.summarize(model, shape)
    positive(model)
    x = (torch.rand(shape, dtype=torch.float64) + 0.5) / 100  # far below where a ReLU6 ends
    rows = [row for row in summary.rows if row.path and row.receptive_field]
    found = [
        row
        for row in rows
        if (len(row.output_shapes[0]) == 4 and row.type_name not in ELSEWHERE) or not row.receptive_field[0].unit
    ]
    compared = 0
    for row in found[::every]:
        spans, output = measured(model, x, row.path)
        fields = row.receptive_field
        assert [(field.first, field.last) for field in fields] == spans, row.path
        for field, (first, last), size in zip(fields, spans, x.shape[2:], strict=True):
            begin = field.start + field.unit * field.stride if field.stride else -1
            if begin >= 0 and begin + field.size <= size:  # else padding hides some of it, and not at the edges alone
                assert last - first + 1 == field.size, row.path
            if output.dim() == 4 and begin >= 0:
                assert begin == first, row.path
        compared += 1
    return compared


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in BUILT_INS]
)
def test_fields_of_the_built_ins_are_those_measured_by_gradient(name, monkeypatch):
    model = sources.resolve(name).factory()
    assert agrees(model, BUILT_INS[name].input_shape, monkeypatch, every=1 if name not in LARGE else 3) > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "every"),
    [
        ("resnet50", (1, 3, 704, 64), 4),
        ("inception_v3@init_weights=False", (1, 3, 1600, 80), 5),
        ("googlenet@init_weights=False", (1, 3, 900, 64), 5),
        ("densenet121", (1, 3, 512, 64), 12),
        ("mobilenet_v2", (1, 3, 640, 64), 5),
        ("convnext_tiny", (1, 3, 512, 64), 10),
        ("shufflenet_v2_x1_0", (1, 3, 512, 64), 5),
    ],
)
def test_fields_of_torchvision_models_are_those_measured_by_gradient(name, shape, every, monkeypatch):
    model = sources.resolve(name).factory()
    assert agrees(model, shape, monkeypatch, every=every) > 10


class Ops(nn.Module):
    """Sequences of layers and functions that rules have to follow."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(2, 4, 3), *(layer if isinstance(layer, nn.Module) else Function(layer) for layer in layers)]
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class ChannelsLast(nn.Module):
    """A layer over channels that stand last."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def windows(x):
    """(N, C, H, W) → windows of 3×3, each mixed in itself, and back: attention within windows."""
    n, c, h, w = x.shape
    x = x.view(n, c, h // 3, 3, w // 3, 3).permute(0, 2, 4, 3, 5, 1).reshape(-1, 9, c)
    x = torch.softmax(x @ x.transpose(1, 2), -1) @ x
    return x.view(n, h // 3, w // 3, 3, 3, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


def tokens(x):
    """(N, C, H, W) → attention of every position with every other, with a class token, and back."""
    n, c, h, w = x.shape
    x = torch.cat([x.new_zeros(n, 1, c), x.flatten(2).transpose(1, 2)], 1)
    x = x + torch.softmax(x @ x.transpose(1, 2), -1) @ x
    return x[:, 1:].transpose(1, 2).reshape(n, c, h, w)


def attention(x):
    """(N, C, H, W) → attention of every position with every other, and back."""
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).unflatten(2, x.shape[2:])


CASES = {
    "dilated": (nn.Conv2d(4, 4, 3, dilation=3, padding=2, stride=2),),
    "uneven": (nn.Conv2d(4, 4, (5, 1), stride=(3, 2), padding=(1, 0)), nn.Conv2d(4, 4, (1, 3))),
    "ceil": (nn.AvgPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2)),
    "adaptive": (nn.AdaptiveAvgPool2d((5, 7)), nn.Conv2d(4, 4, 3)),
    "transposed": (nn.Conv2d(4, 4, 3, stride=2), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1), nn.Conv2d(4, 4, 3)),
    "nearest": (nn.AvgPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)),
    "bilinear": (nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 4, 3)),
    "aligned": (nn.AvgPool2d(2), nn.Upsample(size=(23, 31), mode="bilinear", align_corners=True)),
    "squeeze": (lambda x: x * x.mean((2, 3), keepdim=True), nn.Conv2d(4, 4, 3)),
    "over rows": (lambda x: x + x.mean(2, keepdim=True), nn.Conv2d(4, 4, 3)),
    "slices": (lambda x: torch.cat([x[:, :2, 1:-1, ::1], x[:, 2:, 2:, :]], 1), nn.Conv2d(4, 4, 3)),
    "branches": (
        lambda x: torch.cat([F.avg_pool2d(x, 5, 1, 2), F.pad(x, (1, 0, 0, 0))[..., :-1]], 1),
        nn.Conv2d(8, 4, 1),
    ),
    "shuffled": (nn.PixelUnshuffle(2), nn.Conv2d(16, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 4, 3)),
    "channels last": (ChannelsLast(nn.Linear(4, 4)), ChannelsLast(nn.LayerNorm(4)), nn.Conv2d(4, 4, 3)),
    "turned": (lambda x: x.transpose(2, 3), nn.Conv2d(4, 4, (5, 1)), lambda x: x.transpose(2, 3)),
    "flipped": (lambda x: x.flip(2), nn.Conv2d(4, 4, (3, 1), padding=(2, 0))),
    "reflected": (nn.ReflectionPad2d((2, 1, 0, 3)), nn.Conv2d(4, 4, 3)),
    "windows": (windows, nn.Conv2d(4, 4, 1)),
    "tokens": (tokens, nn.Conv2d(4, 4, 1)),
    "groups": (nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3)),
    "normalised": (nn.InstanceNorm2d(4), nn.Conv2d(4, 4, 3)),
    "local response": (nn.LocalResponseNorm(3), nn.Conv2d(4, 4, 3)),
    "in place": (lambda x: x.clone().add_(F.avg_pool2d(x, 3, 1, 1)), nn.Conv2d(4, 4, 3)),
    "flattened": (nn.Flatten(), nn.LazyLinear(3)),
    "attention": (attention, nn.Conv2d(4, 4, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_fields_through_every_kind_of_op_are_those_measured_by_gradient(case, monkeypatch):
    model = Ops(*CASES[case])
    if case == "flattened":
        model(torch.rand(1, 2, 26, 38))
    assert agrees(model, (1, 2, 26, 38), monkeypatch) > 1


def test_what_is_not_followed_is_left_out_and_not_guessed():
    model = Ops(lambda x: x.sort(2).values, nn.Conv2d(4, 4, 3))
    rows = {row.path: row for row in netscope.summarize(model, (1, 2, 26, 38)).rows}
    assert rows["layers.0"].receptive_field
    assert rows["layers.2"].receptive_field == ()


class Buffered(nn.Module):
    """Writes into a part of a tensor that did not depend on the input."""

    def forward(self, x):
        out = torch.zeros_like(x)
        out[..., 1:-1] = F.avg_pool2d(x, 5, 1, 2)[..., 1:-1]
        return x + out


@pytest.mark.parametrize(
    "function",
    [
        Buffered(),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        lambda x: torch.stack([x, x.flip(2)], 3).flatten(2, 3),
        lambda x: F.interpolate(x, scale_factor=1.3),
        lambda x: F.glu(x, 3),
    ],
    ids=["buffer", "circular", "interleaved", "uneven factor", "gated positions"],
)
def test_where_positions_are_lost_no_field_is_claimed(function):
    rows = netscope.summarize(Ops(function, nn.Conv2d(4, 4, 3)), (1, 2, 26, 38)).rows
    assert {row.path: row for row in rows}["layers.2"].receptive_field == ()


def test_positions_that_are_stacked_are_positions_again():
    rows = netscope.summarize(Ops(lambda x: torch.stack(x.unbind(2), 2), nn.Conv2d(4, 4, 3)), (1, 2, 26, 38)).rows
    height, width = {row.path: row for row in rows}["layers.2"].receptive_field
    assert (height.size, height.first, height.last) == (5, 11, 15)
    assert (width.size, width.stride) == (5, 1)


def test_the_axes_are_those_that_the_first_convolution_slides_over():
    class ChannelsLastInput(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, (3, 5))

        def forward(self, x):
            return self.conv(x.permute(0, 3, 1, 2))

    rows = netscope.summarize(ChannelsLastInput(), (1, 40, 60, 3)).rows
    assert [field.size for field in rows[1].receptive_field] == [3, 5]
    assert [field.unit for field in rows[1].receptive_field] == [19, 28]


def test_only_where_all_units_see_the_same_is_it_said():
    rows = {row.path: row for row in netscope.summarize("swin_t").rows}
    window, whole = rows["features.1.0.attn"].receptive_field[0], rows["head"].receptive_field[0]
    assert (window.size, window.stride, window.same) == (28, None, False)
    assert (whole.first, whole.last, whole.stride, whole.same) == (0, 223, None, True)


def test_the_field_of_resnet_50_is_the_published_one():
    # Araujo et al. 2019, Computing Receptive Fields of Convolutional Neural Networks, gives 483 for the variant whose
    # blocks stride in their first convolution; torchvision's stride in their second one, which gives 427.
    rows = {row.path: row for row in netscope.summarize("resnet50").rows}
    (height, width) = rows["layer4"].receptive_field
    assert (height.size, height.stride, height.start, height.center) == (427, 32, -213, 0)
    assert height == width


def test_a_unit_of_alexnets_last_pooling_sees_195_pixels():
    rows = {row.path: row for row in netscope.summarize("alexnet-paper").rows}
    field = rows["features.12"].receptive_field[0]
    # 11, then + (K − 1)·stride so far: 2·4, 4·8, 2·8, 2·16, 2·16, 2·16, 2·16.
    assert field.size == 11 + 2 * 4 + 4 * 8 + 2 * 8 + 2 * 16 + 2 * 16 + 2 * 16 + 2 * 16
    assert field.stride == 32


@given(
    st.integers(1, 12), *[st.integers(1, 4)] * 2, st.integers(0, 4), st.integers(1, 3), st.integers(1, 12), st.data()
)
def test_a_window_slides_by_slices_as_it_does_tap_by_tap(size, kernel, stride, padding, dilation, count, data):
    steps = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    low = tuple(accumulate(steps, initial=-2))[1:]
    high = tuple(value + 2 for value in low)
    field = Field(low, high, low, high, Fraction(2))
    window = Window(kernel, stride, padding, dilation)
    expected = field.apply_windows([window.taps(place) for place in range(count)], Fraction(2 * stride))
    assert field.slide(count, window) == expected


SIZES = st.integers(1, 4)


def window(draw):
    """A convolution or pooling that an input of forty pixels outlives several of."""
    kernel, stride, padding = draw(SIZES), draw(st.integers(1, 2)), draw(st.integers(0, 2))
    kind = draw(st.sampled_from(["convolution", "pooling", "transposed"]))
    if kind == "pooling":
        return nn.AvgPool2d(kernel, stride, min(padding, kernel // 2), ceil_mode=draw(st.booleans()))
    if kind == "transposed":
        return nn.ConvTranspose2d(4, 4, max(kernel, stride), stride, min(padding, (kernel - 1) // 2))
    dilation = draw(st.integers(1, 2))
    # Where a window is all padding along one axis, it sees nothing along the other; the axes are followed one by one.
    return nn.Conv2d(4, 4, kernel, stride, min(padding, dilation * (kernel - 1)), dilation)


class Joined(nn.Module):
    """Two ways side by side, cut to one size and added."""

    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x):
        one, other = self.one(x), self.other(x)
        rows, columns = (min(one.shape[axis], other.shape[axis]) for axis in (2, 3))
        return one[:, :, :rows, :columns] + other[:, :, one.shape[2] - rows :, :][:, :, -rows:, :columns]


@st.composite
def networks(draw):
    def way():
        return nn.Sequential(*(window(draw) for _ in range(draw(st.integers(1, 2)))))

    return Ops(*(Joined(way(), way()) if draw(st.booleans()) else way() for _ in range(draw(st.integers(1, 2)))))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(networks())
def test_fields_of_random_networks_are_those_measured_by_gradient(monkeypatch, model):
    try:
        model(torch.zeros(1, 2, 42, 40))
    except RuntimeError:
        assume(False)
    assert agrees(model, (1, 2, 42, 40), monkeypatch) >= 1
