"""The arithmetic of convolutions and poolings, against the published lines and against torch."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from netscope.analysis.shapes import spatial_arithmetic


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
    assert spatial_arithmetic(layer(kernel, stride, padding), size, 0).output == PUBLISHED[case]


def test_the_figures_are_put_into_the_formula():
    text = spatial_arithmetic(layer((11, 11), (4, 4), (2, 2)), 224, 0).text
    assert text == "floor((224 + 2·2 − 1·(11 − 1) − 1) / 4) + 1 = 55"


def test_axes_may_differ():
    assert spatial_arithmetic(layer((3, 5), (1, 2), (0, 1)), 9, 0).output == 7
    assert spatial_arithmetic(layer((3, 5), (1, 2), (0, 1)), 9, 1).output == 4


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_is_left_alone(padding):
    assert spatial_arithmetic(layer(3, padding=padding), 9, 0) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_convolutions_come_out_as_torch_makes_them(size, kernel, stride, padding, dilation):
    ours = spatial_arithmetic(layer(kernel, stride, padding, dilation=dilation), size, 0).output
    assume(ours > 0)
    x, weight = torch.empty(1, 1, size, device="meta"), torch.empty(1, 1, kernel, device="meta")
    assert functional.conv1d(x, weight, None, stride, padding, dilation).shape[-1] == ours
