"""The few hyperparameters that tell a layer's reader what it does."""

import pytest
from torch import nn

from netscope.render.hyperparameters import notable_hyperparameters
from netscope.tracing.modules import collect_hyperparameters

LAYERS = {
    "3→96, 11×11, s4, p2": nn.Conv2d(3, 96, 11, stride=4, padding=2),
    "6→6, 3×5, s2×1, p0×1, d2, g3, no bias": nn.Conv2d(
        6, 6, (3, 5), stride=(2, 1), padding=(0, 1), dilation=2, groups=3, bias=False
    ),
    "4→4, 3, depthwise": nn.Conv1d(4, 4, 3, groups=4),
    "3→6, 3×3, p same": nn.Conv2d(3, 6, 3, padding="same"),
    "8→4, 2×2×2, s2": nn.ConvTranspose3d(8, 4, 2, stride=2),
    "9216→4096": nn.Linear(9216, 4096),
    "4→2, no bias": nn.Linear(4, 2, bias=False),
    "4, 5→6": nn.Bilinear(4, 5, 6),
    "3×3, s2": nn.MaxPool2d(3, 2),
    "2×2, s2, ceil": nn.AvgPool2d(2, ceil_mode=True),
    "3, p1": nn.MaxPool1d(3, 1, 1),
    "6×6": nn.AdaptiveAvgPool2d((6, 6)),
    "1×1": nn.AdaptiveAvgPool2d(1),
    "·×7": nn.AdaptiveAvgPool2d((None, 7)),
    "64": nn.BatchNorm2d(64),
    "768": nn.LayerNorm(768),
    "4×5": nn.LayerNorm((4, 5)),
    "64, 8 groups": nn.GroupNorm(8, 64),
    "p=0.5": nn.Dropout(0.5),
    "1000×64": nn.Embedding(1000, 64),
    "64, 4 heads": nn.MultiheadAttention(64, 4),
    "8→16": nn.LSTM(8, 16),
    "8→16, 2 layers, bidirectional": nn.LSTM(8, 16, 2, bidirectional=True),
    "×2, nearest": nn.Upsample(scale_factor=2),
    "": nn.ReLU(inplace=True),
}


@pytest.mark.parametrize("expected", LAYERS)
def test_layers_of_torch(expected):
    layer = LAYERS[expected]
    assert ", ".join(notable_hyperparameters(type(layer).__name__, collect_hyperparameters(layer))) == expected


def test_a_subclass_reads_like_its_parent():
    class MyConv(nn.Conv2d):
        def __init__(self, channels):
            super().__init__(channels, 2 * channels, 3)

    layer = MyConv(4)
    assert notable_hyperparameters("MyConv", collect_hyperparameters(layer)) == ("4→8", "3×3")


def test_an_unknown_layer_shows_the_numbers_and_words_that_it_kept():
    class Mine(nn.Module):
        def __init__(self, width, heads, rate, mode, flag, _other):
            super().__init__()
            self.width, self.heads, self.rate, self.mode, self.flag = width, heads, rate, mode, flag

    layer = Mine(64, 4, 0.1, "same", True, 3)
    assert notable_hyperparameters("Mine", collect_hyperparameters(layer)) == ("width=64", "heads=4", "mode=same")
