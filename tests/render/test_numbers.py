"""How numbers and shapes are shown."""

import pytest

from netscope.render import numbers

SCALED = {
    0: "0",
    999: "999",
    1_000: "1.000 K",
    833_040: "833.040 K",
    999_999_499: "999.999 M",
    999_999_500: "1.000 G",
    2_270_512_192: "2.271 G",
    10**12: "1.000 T",
    10**22: "10000.000 E",
}


@pytest.mark.parametrize("value", SCALED)
def test_scaled(value):
    assert numbers.scaled(value) == SCALED[value]


SIZES = {0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 249_513_376: "237.95 MiB", 1024**3 - 1: "1.00 GiB"}


@pytest.mark.parametrize("value", SIZES)
def test_size(value):
    assert numbers.size(value) == SIZES[value]


SHARES = {(0, 5): "", (5, 0): "", (1, 1): "100.0%", (1, 3): "33.3%", (1, 10_000): "<0.1%", (5, 10_000): "0.1%"}


@pytest.mark.parametrize("case", SHARES)
def test_share(case):
    assert numbers.share(*case) == SHARES[case]


BARS = {(0, 8): "", (1, 1): "████", (1, 2): "██", (1, 32): "▏", (1, 64): "", (3, 8): "█▌", (1, 0): ""}


@pytest.mark.parametrize("case", BARS)
def test_bar(case):
    assert numbers.bar(*case, width=4) == BARS[case]


def test_count_signed_and_shape():
    assert numbers.count(62_378_344) == "62,378,344"
    assert (numbers.signed(1_024), numbers.signed(-1_024), numbers.signed(0)) == ("+1,024", "−1,024", "0")
    assert (numbers.shape((1, 3, 224, 224)), numbers.shape(())) == ("1×3×224×224", "scalar")


@pytest.mark.parametrize(
    ("delta", "whole", "text"),
    [
        (-1_277_504, 62_378_344, "−2.05%"),
        (1, 3, "+33.33%"),
        (28_670_016_448, 2_270_512_192, "+1,263%"),
        (1, 1_000_000, "+0.0001%"),
        (-38, 1_000_000, "−0.004%"),
        (0, 5, ""),
        (5, 0, ""),
    ],
)
def test_a_change_is_a_share_of_what_there_was_and_never_rounded_to_nothing(delta, whole, text):
    assert numbers.change(delta, whole) == text
