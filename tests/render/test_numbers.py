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
    10**22: "10,000.000 E",
}


@pytest.mark.parametrize("value", SCALED)
def test_scaled(value):
    assert numbers.scaled(value) == SCALED[value]


@pytest.mark.parametrize(
    ("value", "scaled", "brief"),
    [
        (999, "999", "999"),
        (4_096, "4.096 K", "4.10 K"),
        (25_557_032, "25.557 M", "25.6 M"),
        (999_600_000, "999.600 M", "1.00 B"),
        (6_738_415_616, "6.738 B", "6.74 B"),
        (1_000_000_000_000, "1.000 T", "1.00 T"),
    ],
)
def test_parameters_are_counted_in_billions(value, scaled, brief):
    assert numbers.scaled(value, "count") == scaled
    assert numbers.brief(value, "count") == brief


def test_three_digits_are_left_of_flops_and_bytes():
    assert numbers.brief(2_270_512_192) == "2.27 G"
    assert numbers.brief(1_013 * 1024, "bytes") == "1,013 KiB"
    assert numbers.brief(512, "bytes") == "512 B"
    assert numbers.compact(62_378_344) == "62.4M"


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (9999.96, "10,000"), (123.44, "123.4"), (99.996, "100.0"), (1.2344, "1.234"), (0.1, "0.100"),
     (0.0, "0.000")],
)  # fmt: skip
def test_rates_have_four_digits(value, text):
    assert numbers.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.0, "1,230 s"), (1.234, "1.23 s"), (0.99999, "1.00 s"), (0.0123, "12.3 ms"), (0.00999999, "10.0 ms"),
     (0.000456, "456 µs"), (0.0000012, "1.20 µs"), (2e-8, "0.02 µs")],
)  # fmt: skip
def test_seconds_have_three_digits_and_the_unit_that_fits(value, text):
    assert numbers.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.423, "42.3%"), (0.0052, "0.52%"), (0.00001, "<0.01%"), (0.0, "0.00%"), (1.5, "150.0%")]
)
def test_fractions(value, text):
    assert numbers.fraction(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.004, "0.40%"), (1.0, "100.0%"), (13.8, ">100%"), (float("inf"), ">100%")]
)
def test_a_margin_of_more_than_all_says_nothing(value, text):
    assert numbers.margin(value) == text
