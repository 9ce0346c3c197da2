"""A failed forward pass is answered with the layer, what it expects, what it got, and the arithmetic."""

import pytest
from torch import nn

import netscope
from netscope.errors import InputError, TracingError

FAILURES = {
    "channels": (
        "alexnet",
        (1, 1, 224, 224),
        r"features\.0 \(Conv2d\) expects 3 input channels, got 1 in 1×1×224×224 \(model input x=1×1×224×224\)",
    ),
    "dimensions": (
        lambda: nn.Conv2d(3, 4, 7),
        (1, 1, 3, 8, 8),
        r"Conv2d expects a 4-D input \(N, 3, H, W\), got 1×1×3×8×8",
    ),
    "too small for a convolution": (
        lambda: nn.Conv2d(3, 4, 7),
        (1, 3, 5, 5),
        r"input too small: Conv2d gets 1×3×5×5, output size floor\(\(5 \+ 2·0 − 1·\(7 − 1\) − 1\) / 1\) \+ 1 = −1",
    ),
    "too small for a pooling": (
        "alexnet",
        (1, 3, 20, 20),
        r"input too small: features\.5 \(MaxPool2d\) gets 1×256×1×1, output size .* = 0 \(model input x=1×3×20×20\)",
    ),
    "features": (lambda: nn.Linear(8, 4), (1, 7), r"Linear expects 8 input features, got 7 in 1×7"),
    "flattened features": ("alexnet-d2l", (1, 1, 300, 300), r"classifier\.fc6 \(Linear\) expects 6400 input features"),
    "steps of a sequence": (lambda: nn.LSTM(8, 4), (5, 1, 7), r"LSTM expects 8 input features, got 7"),
    "a norm's channels": (lambda: nn.BatchNorm2d(8), (1, 4, 2, 2), r"BatchNorm2d expects 8 input channels, got 4"),
    "a norm's shape": (
        lambda: nn.LayerNorm((4, 4)),
        (1, 4, 5),
        r"LayerNorm normalizes the last dimensions 4×4, got 1×4×5",
    ),
    "floats for an embedding": (
        lambda: nn.Embedding(10, 4),
        (1, 3),
        r"needs integer ids, got float32; use e\.g\. inputs=\"1x3:int64\"",
    ),
}


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("case", FAILURES)
def test_the_reason_is_told_in_the_readers_own_numbers(case, device):
    model, shape, message = FAILURES[case]
    with pytest.raises(InputError, match=message) as raised:
        netscope.summarize(model if isinstance(model, str) else model(), shape, device=device)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


def test_one_value_per_channel_cannot_be_normalised_in_training():
    with pytest.raises(InputError, match="training needs a batch of at least 2"):
        netscope.summarize("inception_v3", (1, 3, 299, 299), mode="train")


def test_what_no_arithmetic_explains_is_told_as_it_was_raised():
    class Fails(nn.Module):
        def forward(self, _x):
            raise ValueError("not today")

    model = nn.Sequential(nn.Identity(), Fails())
    with pytest.raises(TracingError, match=r"failed in 1 \(Fails\): ValueError: not today") as raised:
        netscope.summarize(model, (1, 3))
    assert raised.value.exit_code == 3
