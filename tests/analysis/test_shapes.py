"""The arithmetic of convolutions and poolings, against the published lines and against torch."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from netscope.analysis.shapes import SpatialArithmetic


def layer(kernel, stride=1, padding=0, **others):
    return {"kernel_size": kernel, "stride": stride, "padding": padding, **others}


PUBLISHED = {
    (224, 11, 4, 2): 55,
    (227, 11, 4, 0): 55,
    (224, 11, 4, 0): 54,
    (55, 3, 2, 0): 27,
    (27, 5, 1, 2): 27,
    (13, 3, 2, 0): 6,
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_the_published_lines_of_alexnet(case):
    size, kernel, stride, padding = case
    assert SpatialArithmetic.of(layer(kernel, stride, padding), size, 0).output == PUBLISHED[case]


def test_the_figures_are_put_into_the_formula():
    text = SpatialArithmetic.of(layer((11, 11), (4, 4), (2, 2)), 224, 0).text
    assert text == "floor((224 + 2·2 − 1·(11 − 1) − 1) / 4) + 1 = 55"


def test_axes_may_differ():
    assert SpatialArithmetic.of(layer((3, 5), (1, 2), (0, 1)), 9, 0).output == 7
    assert SpatialArithmetic.of(layer((3, 5), (1, 2), (0, 1)), 9, 1).output == 4


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_comes_out_as_torch_makes_it(padding, kernel, dilation):
    x, weight = torch.empty(1, 1, 9, device="meta"), torch.empty(1, 1, kernel, device="meta")
    expected = functional.conv1d(x, weight, None, 1, padding, dilation).shape[-1]
    assert SpatialArithmetic.of(layer(kernel, padding=padding, dilation=dilation), 9, 0).output == expected


def test_textbooks_write_it_shorter():
    assert SpatialArithmetic.of(layer(11, 4, 2), 224, 0).textbook == "(224 − 11 + 2 + 2)/4 + 1 = 55.25 → 55"
    assert SpatialArithmetic.of(layer(11, 4), 227, 0).textbook == "(227 − 11)/4 + 1 = 55"
    assert SpatialArithmetic.of(layer(11, 4), 224, 0).textbook == "(224 − 11)/4 + 1 = 54.25 → 54"
    assert SpatialArithmetic.of(layer(3, 1, 2, dilation=2), 9, 0).textbook == "(9 − (2·(3 − 1) + 1) + 2 + 2)/1 + 1 = 9"


def test_what_the_floor_throws_away_is_padding_first():
    with_padding = SpatialArithmetic.of(layer(11, 4, 2), 224, 0)
    assert (with_padding.unseen, with_padding.unseen_input) == (1, 0)
    without = SpatialArithmetic.of(layer(11, 4), 226, 0)
    assert (without.unseen, without.unseen_input) == (3, 3)


def test_sizes_that_give_the_same():
    assert SpatialArithmetic.of(layer(11, 4, 2), 224, 0).same_output == (223, 226)
    assert SpatialArithmetic.of(layer(1, 1), 1, 0).same_output == (1, 1)


@settings(max_examples=100)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_convolutions_come_out_as_torch_makes_them(size, kernel, stride, padding, dilation):
    ours = SpatialArithmetic.of(layer(kernel, stride, padding, dilation=dilation), size, 0).output
    assume(ours > 0)
    x, weight = torch.empty(1, 1, size, device="meta"), torch.empty(1, 1, kernel, device="meta")
    assert functional.conv1d(x, weight, None, stride, padding, dilation).shape[-1] == ours


@settings(max_examples=100)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.data(), st.integers(1, 3))
def test_poolings_that_round_up_come_out_as_torch_makes_them(size, kernel, stride, data, dilation):
    padding = data.draw(st.integers(0, kernel // 2))
    ours = SpatialArithmetic.of(layer(kernel, stride, padding, dilation=dilation, ceil_mode=True), size, 0).output
    assume(ours > 0 and size + 2 * padding >= dilation * (kernel - 1) + 1)
    x = torch.empty(1, 1, size, device="meta")
    assert functional.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode=True).shape[-1] == ours


@pytest.mark.parametrize("change", [{"kernel_size": ()}, {"stride": -1}, {"dilation": 0}, {"padding": ()}])
def test_no_rule_holds_for_what_no_layer_could_have(change):
    layer = {"kernel_size": (3,), "stride": 1, "padding": 0, "dilation": 1, **change}
    assert SpatialArithmetic.of(layer, 8, 0) is None
