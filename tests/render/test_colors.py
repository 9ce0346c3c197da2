"""The palette: complete, and readable on light and on dark backgrounds."""

from typing import get_args

import pytest

from netscope.render.colors import COLORS, css_properties
from netscope.render.families import Family
from netscope.schema import ChangeKind

TEXTS = ("ink", "soft", "more", "less", "changed-text", "added-text", "removed-text", "moved-text")


def luminance(color):
    """The relative luminance of WCAG 2."""
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("background", ["paper", "surface", "hover"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_has_the_contrast_that_wcag_asks_for(text, background, scheme):
    low, high = sorted(luminance(getattr(COLORS[name], scheme)) for name in (text, background))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_every_family_and_every_kind_of_change_has_its_color():
    assert {f"family-{family.label}" for family in Family} <= COLORS.keys()
    assert set(get_args(ChangeKind)) <= COLORS.keys()


def test_css_gets_both_colors_of_a_role():
    assert css_properties("x-", ("ink",)) == "--x-ink:light-dark(#1b1d21,#e8e9ec);"
