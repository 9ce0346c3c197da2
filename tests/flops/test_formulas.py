"""Each formula against arithmetic by hand, and against torch's own counter where that has one."""

from math import prod

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from netscope.flops import FORMULAS
from netscope.flops.registry import flop_formula
from netscope.schema import TensorSpec


def spec(*shape, dtype="float32"):
    return TensorSpec(shape=shape, dtype=dtype)


def flops(op, *args, outputs=None, **kwargs):
    formula = FORMULAS[op]
    if formula.takes_outputs:
        kwargs["outputs"] = outputs
    return formula.compute(*args, **kwargs)


PRODUCTS = {
    "aten.mm": ((spec(3, 5), spec(5, 7)), 2 * 3 * 5 * 7),
    "aten._int_mm": ((spec(3, 5, dtype="int8"), spec(5, 7, dtype="int8")), 2 * 3 * 5 * 7),
    "aten._scaled_mm": ((spec(3, 5), spec(5, 7), spec(), spec()), 2 * 3 * 5 * 7),
    "aten.bmm": ((spec(2, 3, 5), spec(2, 5, 7)), 2 * 2 * 3 * 5 * 7),
    "aten.addmm": ((spec(7), spec(3, 5), spec(5, 7)), 2 * 3 * 5 * 7),
    "aten.baddbmm": ((spec(2, 3, 7), spec(2, 3, 5), spec(2, 5, 7)), 2 * 2 * 3 * 5 * 7),
    "aten.addbmm": ((spec(3, 7), spec(2, 3, 5), spec(2, 5, 7)), 2 * 2 * 3 * 5 * 7),
    "aten.linear": ((spec(2, 3, 5), spec(7, 5), spec(7)), 2 * 2 * 3 * 5 * 7),
    "aten.mkldnn_linear": ((spec(2, 3, 5), spec(7, 5), None), 2 * 2 * 3 * 5 * 7),
    "aten.mv": ((spec(3, 5), spec(5)), 2 * 3 * 5),
    "aten.addmv": ((spec(3), spec(3, 5), spec(5)), 2 * 3 * 5),
    "aten.dot": ((spec(5), spec(5)), 2 * 5),
    "aten.addr": ((spec(3, 5), spec(3), spec(5)), 2 * 3 * 5),
    "aten._weight_int8pack_mm": ((spec(3, 5), spec(7, 5, dtype="int8"), spec(7)), 2 * 3 * 5 * 7),
}


@pytest.mark.parametrize("op", PRODUCTS)
def test_products_sum_the_inner_dimension_for_each_output(op):
    args, expected = PRODUCTS[op]
    assert flops(op, *args) == expected


GROUPED = {
    "rows split among the groups": ((spec(16, 5), spec(4, 5, 7)), 2 * 16 * 5 * 7),
    "columns split among the groups": ((spec(4, 3, 5), spec(5, 16)), 2 * 3 * 5 * 16),
    "a batch of products": ((spec(4, 3, 5), spec(4, 5, 7)), 2 * 4 * 3 * 5 * 7),
    "inner dimension split among the groups": ((spec(3, 16), spec(16, 7)), 2 * 3 * 16 * 7),
}


@pytest.mark.parametrize("case", GROUPED)
def test_grouped_products_meet_each_row_column_or_inner_element_once(case):
    args, expected = GROUPED[case]
    assert flops("aten._grouped_mm", *args) == expected


def test_a_grouped_product_of_transformers_own_counts_as_torchs_does():
    assert flops("transformers.grouped_mm_fallback", spec(16, 5), spec(4, 5, 7), spec(4)) == 2 * 16 * 5 * 7


def test_a_bilinear_layer_is_a_product_with_each_of_its_inputs():
    # nn.Bilinear(5, 7, 3) on a batch of 2: x1 (2, 5) with the weight (3, 5, 7), then the (2, 3, 7) with x2 (2, 7).
    args = (spec(2, 5), spec(3, 5, 7), spec(2, 7), (1, 3), (0,), (1, 2), (2, 3))
    assert flops("aten._trilinear", *args) == 2 * (2 * 3 * 5 * 7 + 2 * 3 * 7)


def test_native_attention_is_four_projections_and_two_products():
    batch, tokens, width = 2, 16, 64
    x = spec(batch, tokens, width)
    args = (x, x, x, width, 4, spec(3 * width, width), spec(3 * width), spec(width, width), spec(width))
    expected = 2 * batch * (4 * tokens * width * width + 2 * tokens * tokens * width)
    assert flops("aten._native_multi_head_attention", *args) == expected == 2 * 589_824


def test_a_fused_encoder_layer_adds_its_two_linear_layers():
    batch, tokens, width, hidden = 2, 16, 64, 256
    x, norm = spec(batch, tokens, width), spec(width)
    args = (x, width, 4, spec(3 * width, width), spec(3 * width), spec(width, width), spec(width))
    args += (False, False, 1e-5, norm, norm, norm, norm)
    args += (spec(hidden, width), spec(hidden), spec(width, hidden), spec(width))
    attention = 4 * tokens * width * width + 2 * tokens * tokens * width
    assert flops("aten._transformer_encoder_layer_fwd", *args) == 2 * batch * (attention + 2 * tokens * width * hidden)


def test_attention_multiplies_queries_with_keys_and_scores_with_values():
    query, key, value = spec(2, 8, 10, 16), spec(2, 8, 20, 16), spec(2, 8, 20, 32)
    expected = 2 * 2 * 8 * 10 * 20 * (16 + 32)
    assert flops("aten._scaled_dot_product_flash_attention", query, key, value) == expected


def test_with_grouped_queries_each_query_head_meets_a_whole_key_head():
    query, key = spec(2, 8, 10, 16), spec(2, 2, 20, 16)
    assert flops("aten._scaled_dot_product_efficient_attention", query, key, key) == 2 * 2 * 8 * 10 * 20 * (16 + 16)


def test_a_recurrent_layer_meets_both_weights_at_each_step():
    steps, batch, inputs, hidden = 5, 3, 8, 16
    args = (spec(steps, batch, inputs), spec(4 * hidden, inputs), spec(4 * hidden, hidden))
    assert flops("aten.mkldnn_rnn_layer", *args) == 2 * steps * batch * 4 * hidden * (inputs + hidden)


def test_recurrent_layers_on_the_gpu_meet_every_weight_matrix_at_each_step():
    weights = (spec(64, 8), spec(64, 16), spec(64), spec(64), spec(64, 16), spec(64, 16), spec(64), spec(64))
    matrices = 64 * 8 + 3 * 64 * 16
    assert flops("aten._cudnn_rnn", spec(5, 3, 8), weights, 4) == 2 * 5 * 3 * matrices
    assert flops("aten._cudnn_rnn", spec(15, 8), weights, 4) == 2 * 15 * matrices


def test_a_time_batch_channel_convolution_sums_kernel_and_channels():
    assert flops("aten.conv_tbc", spec(10, 2, 4), spec(3, 4, 6), spec(6), 0, outputs=(spec(8, 2, 6),)) == (
        2 * 8 * 2 * 6 * 3 * 4
    )


CONVOLUTIONS = {
    "plain": (functional.conv2d, (2, 8, 16, 16), (12, 8, 3, 3), {"padding": 1}),
    "strided and dilated": (functional.conv2d, (2, 8, 17, 16), (12, 8, 3, 5), {"stride": 2, "dilation": 2}),
    "grouped": (functional.conv2d, (2, 8, 16, 16), (12, 2, 3, 3), {"groups": 4}),
    "depthwise": (functional.conv2d, (2, 8, 16, 16), (8, 1, 3, 3), {"groups": 8}),
    "one dimension": (functional.conv1d, (2, 8, 16), (12, 8, 3), {}),
    "three dimensions": (functional.conv3d, (2, 4, 8, 8, 8), (6, 4, 3, 3, 3), {"padding": 1}),
    "transposed": (functional.conv_transpose2d, (2, 8, 16, 16), (8, 16, 4, 4), {"stride": 2, "padding": 1}),
    "transposed and grouped": (functional.conv_transpose2d, (2, 8, 16, 16), (8, 4, 4, 4), {"groups": 2}),
    "without a batch": (functional.conv2d, (8, 16, 16), (12, 8, 3, 3), {}),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_count_as_torchs_own_counter_does(case):
    function, input_shape, weight_shape, settings = CONVOLUTIONS[case]
    x, weight = torch.empty(input_shape, device="meta"), torch.empty(weight_shape, device="meta")
    with FlopCounterMode(display=False) as counter:
        output = function(x, weight, **settings)
    transposed = "transpose" in function.__name__
    batched = spec(*x.shape) if x.dim() == weight.dim() else spec(1, *x.shape)
    result = spec(*output.shape) if x.dim() == weight.dim() else spec(1, *output.shape)
    args = (batched, spec(*weight_shape), None, (1,), (0,), (1,), transposed, (0,), 1)
    ours = flops("aten.convolution", *args, outputs=(result,))
    positions = prod(x.shape[-(weight.dim() - 2) :]) if transposed else prod(output.shape[-(weight.dim() - 2) :])
    batch = x.shape[0] if x.dim() == weight.dim() else 1
    filters = weight_shape[0] if transposed else output.shape[-(weight.dim() - 1)]
    assert ours == counter.get_total_flops() == 2 * batch * positions * filters * prod(weight_shape[1:])


def test_the_gradient_of_a_convolution_costs_as_much_per_side_as_the_forward_pass():
    x, weight, output = spec(2, 8, 16, 16), spec(12, 8, 3, 3), spec(2, 12, 16, 16)
    forward = 2 * 2 * 12 * 16 * 16 * 8 * 9
    rest = (None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1)
    for mask, sides in (((True, True, True), 2), ((False, True, True), 1), ((False, False, True), 0)):
        assert flops("aten.convolution_backward", output, x, weight, *rest, mask) == sides * forward


def test_the_gradient_of_attention_recomputes_the_scores():
    query, value = spec(2, 8, 10, 16), spec(2, 8, 10, 32)
    pairs = 2 * 8 * 10 * 10
    ours = flops("aten._scaled_dot_product_flash_attention_backward", value, query, query, value)
    assert ours == 2 * pairs * (3 * 16 + 2 * 32)


def test_an_op_has_one_formula():
    with pytest.raises(ValueError, match=r"aten\.mm already has a formula"):
        flop_formula("aten.mm")(lambda: 0)


def test_counting_needs_no_torch(no_torch):
    no_torch("import netscope.flops, netscope.analysis")
