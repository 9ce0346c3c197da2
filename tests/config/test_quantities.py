"""Quantities with units are parsed exactly, or refused."""

import pytest

from netscope.config.quantities import parse_percent, parse_quantity, parse_shape

QUANTITIES = {
    ("count", "26M"): 26_000_000,
    ("count", "2.3G"): 2_300_000_000,
    ("count", "2.28 g"): 2_280_000_000,
    ("count", "62_378_344"): 62_378_344,
    ("count", "62,378,344"): 62_378_344,
    ("count", "7B"): 7_000_000_000,
    ("count", "1.5T"): 1_500_000_000_000,
    ("count", "0.000001M"): 1,
    ("count", 26_000_001): 26_000_001,
    ("count", "123456789.123456789G"): 123_456_789_123_456_789,
    ("count", "12345678901234567890123456789012345678901"): 12345678901234567890123456789012345678901,
    ("bytes", "300MB"): 300_000_000,
    ("bytes", "300MiB"): 314_572_800,
    ("bytes", "1.5 KiB"): 1_536,
    ("bytes", "12b"): 12,
    ("bytes", 12): 12,
}


@pytest.mark.parametrize(("unit", "text"), QUANTITIES)
def test_a_quantity_is_exact(unit, text):
    assert parse_quantity(text, unit) == QUANTITIES[unit, text]


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("count", "26MB"),
        ("count", "1.5"),
        ("count", "0.5001K"),
        ("count", "many"),
        ("count", ""),
        ("count", "-3"),
        ("count", "1e6"),
        ("count", "2,3G"),
        ("count", "61,7M"),
        ("count", "1,234M"),
        ("count", "1__0"),
        ("count", "٣"),
        ("count", "9" * 5000),
        ("count", 2.5),
        ("count", True),
        ("count", [1]),
        ("bytes", "300M"),
        ("bytes", "0.3B"),
    ],
)
def test_anything_but_an_integer_is_refused(unit, text):
    with pytest.raises(ValueError, match=r"expected an integer, e\.g\."):
        parse_quantity(text, unit)


@pytest.mark.parametrize(
    ("unit", "text"), [("count", "62.000"), ("count", "1.0"), ("bytes", "300.000"), ("bytes", "5.0b")]
)
def test_a_decimal_without_a_suffix_is_refused(unit, text):
    """Some write 62,000 so."""
    with pytest.raises(
        ValueError, match=r"^ambiguous number '.+'; write an integer, or a decimal with a suffix, e\.g\."
    ):
        parse_quantity(text, unit)


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="-1 is negative"):
        parse_quantity(-1, "count")


@pytest.mark.parametrize(("value", "shape"), [("1x1000", (1, 1000)), ("5", (5,)), ([1, 2], (1, 2)), ("2×3", (2, 3))])
def test_a_shape(value, shape):
    assert parse_shape(value) == shape


@pytest.mark.parametrize("value", ["", "1x", "x", 3, [], [1.0], [-1], [True], None])
def test_anything_but_a_shape_is_refused(value):
    with pytest.raises(ValueError, match="invalid shape"):
        parse_shape(value)


@pytest.mark.parametrize(("value", "hundredths"), [("1%", 100), ("0.25 %", 25), ("100%", 10_000)])
def test_a_percentage_is_parsed_in_hundredths(value, hundredths):
    assert parse_percent(value) == hundredths


@pytest.mark.parametrize("value", ["1", 1, "1.234%", "-1%", "%"])
def test_anything_but_a_percentage_is_none(value):
    assert parse_percent(value) is None
