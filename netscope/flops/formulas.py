"""The formulas. Each multiply–add is two FLOPs; a bias added along the way is not counted.

Arguments bear the names of torch's schemas and come in their order; what a formula has no use for ends in ``*_``.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from netscope.flops.registry import flop_formula
from netscope.schema import TensorSpec

Specs = tuple[TensorSpec, ...]


# Matrix products


def _product(left: TensorSpec, right: TensorSpec) -> int:
    """FLOPs of (…, M, K) @ (K, N) or (…, K, N): each of the outputs sums K products."""
    return 2 * prod(left.shape) * right.shape[-1]


@flop_formula("aten.mm", "aten.bmm", "aten._int_mm", "aten._scaled_mm", "aten._scaled_mm_v2")
def matrix_product(self: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of (M, K) @ (K, N), or of a batch of them."""
    return _product(self, mat2)


@flop_formula("aten.addmm", "aten._addmm_activation", "aten.baddbmm", "aten.addbmm", "aten._scaled_addmm")
def added_matrix_product(self: TensorSpec, mat1: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the product in ``self + mat1 @ mat2``."""
    return _product(mat1, mat2)


@flop_formula("aten.linear", "aten.mkldnn_linear", "mkldnn._linear_pointwise", "mkldnn._mkl_linear")
def linear(input: TensorSpec, weight: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of (…, K) with a weight of (N, K): each of the outputs sums K products."""
    return 2 * prod(input.shape) * weight.shape[0]


@flop_formula("aten.mv", "aten.dot", "aten.vdot")
def matrix_vector_product(self: TensorSpec, *_: Any) -> int:
    """FLOPs of (M, K) @ (K), or of (K) · (K): each element of the first takes part once."""
    return 2 * prod(self.shape)


@flop_formula("aten.addmv")
def added_matrix_vector_product(self: TensorSpec, mat: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the product in ``self + mat @ vec``."""
    return 2 * prod(mat.shape)


@flop_formula("aten.addr")
def added_outer_product(self: TensorSpec, vec1: TensorSpec, vec2: TensorSpec, **_: Any) -> int:
    """FLOPs of ``self + vec1 ⊗ vec2``: one multiply–add for each element."""
    return 2 * vec1.shape[0] * vec2.shape[0]


@flop_formula(
    "aten._grouped_mm",
    "aten._scaled_grouped_mm",
    "aten._scaled_grouped_mm_v2",
    "transformers.grouped_mm_fallback",  # where this torch, or this device, has none of its own
)
def grouped_matrix_product(self: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of products whose rows, columns or inner dimension are split among the groups.

    (T, K) with (G, K, N): each of the T rows meets one group's matrix. (G, M, K) with (K, T): each of the T columns
    likewise. (G, M, K) with (G, K, N): a batch of products. (M, T) with (T, N): the inner dimension is split, each
    part of it once.
    """
    columns_are_split = len(self.shape) > len(mat2.shape)
    rows_and_inner = self.shape[1:] if columns_are_split else self.shape
    return 2 * prod(rows_and_inner) * mat2.shape[-1]


@flop_formula("aten._weight_int8pack_mm")
def int8_packed_product(self: TensorSpec, mat2: TensorSpec, *_: Any) -> int:
    """FLOPs of (M, K) with an int8 weight of (N, K)."""
    return 2 * prod(self.shape) * mat2.shape[0]


@flop_formula("aten._trilinear")
def trilinear(
    i1: TensorSpec,
    i2: TensorSpec,
    i3: TensorSpec,
    expand1: tuple[int, ...],
    expand2: tuple[int, ...],
    expand3: tuple[int, ...],
    sumdim: tuple[int, ...],
    *_: Any,
) -> int:
    """FLOPs of the sum of i1 · i2 · i3, which ``nn.Bilinear`` runs as x1 with the weight, then the result with x2.

    torch inserts a dimension of size one at each place in ``expand`` and multiplies with broadcasting; what i3 does not
    have is summed after the first product, the rest of ``sumdim`` after the second.
    """
    first, second, third = (
        _expanded(spec.shape, expand) for spec, expand in ((i1, expand1), (i2, expand2), (i3, expand3))
    )
    pair = [max(sizes) for sizes in zip(first, second, strict=True)]
    summed_early = {dim for dim in sumdim if dim in expand3}
    partial = [1 if dim in summed_early else size for dim, size in enumerate(pair)]
    return 2 * (prod(pair) + prod(max(sizes) for sizes in zip(partial, third, strict=True)))


def _expanded(shape: tuple[int, ...], places: tuple[int, ...]) -> list[int]:
    """``shape`` with a size of one inserted at each of ``places``."""
    sizes = list(shape)
    for place in sorted(places):
        sizes.insert(place, 1)
    return sizes


# Convolutions


def convolution_flops(
    input_shape: tuple[int, ...], weight_shape: tuple[int, ...], output_shape: tuple[int, ...], transposed: bool
) -> int:
    """FLOPs of a convolution of any dimension and grouping.

    Args:
        input_shape: (N, C_in, …).
        weight_shape: (C_out, C_in / groups, …), or (C_in, C_out / groups, …) if transposed.
        output_shape: (N, C_out, …).
        transposed: whether it scatters instead of gathers.

    Each output of an ordinary convolution sums the products of one filter, ``weight[0].numel()`` of them; each input of
    a transposed one is multiplied with ``weight[0].numel()`` weights.
    """
    positions = input_shape if transposed else output_shape
    return 2 * prod(positions) * prod(weight_shape[1:])


@flop_formula("aten.convolution", "aten._convolution", "aten.convolution_overrideable")
def convolution(
    input: TensorSpec,
    weight: TensorSpec,
    bias: TensorSpec | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    transposed: bool,
    *_: Any,
    outputs: Specs,
) -> int:
    """FLOPs of a convolution as torch's front end dispatches it."""
    return convolution_flops(input.shape, weight.shape, outputs[0].shape, transposed)


@flop_formula(
    "aten.mkldnn_convolution",
    "aten.cudnn_convolution",
    "aten.cudnn_convolution_relu",
    "aten.cudnn_convolution_add_relu",
    "aten.miopen_convolution",
    "aten.miopen_depthwise_convolution",
    "aten._conv_depthwise2d",
    "aten.conv_depthwise3d",
    "aten._nnpack_spatial_convolution",
    "aten._slow_conv2d_forward",
    "aten.slow_conv3d_forward",
    "aten.slow_conv_dilated2d",
    "aten.slow_conv_dilated3d",
    "mkldnn._convolution_pointwise",
)
def backend_convolution(self: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs, **__: Any) -> int:
    """FLOPs of an ordinary convolution as a backend runs it."""
    return convolution_flops(self.shape, weight.shape, outputs[0].shape, transposed=False)


@flop_formula(
    "aten.cudnn_convolution_transpose",
    "aten.miopen_convolution_transpose",
    "aten.slow_conv_transpose2d",
    "aten.slow_conv_transpose3d",
)
def backend_transposed_convolution(self: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs, **__: Any) -> int:
    """FLOPs of a transposed convolution as a backend runs it."""
    return convolution_flops(self.shape, weight.shape, outputs[0].shape, transposed=True)


@flop_formula("aten.conv_tbc")
def time_batch_channel_convolution(self: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs) -> int:
    """FLOPs of (T, B, C_in) with a weight of (K, C_in, C_out): each output sums K · C_in products."""
    kernel, channels, _filters = weight.shape
    return 2 * prod(outputs[0].shape) * kernel * channels


@flop_formula("torchvision.deform_conv2d")
def deformable_convolution(input: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs) -> int:
    """FLOPs of the convolution over the sampled positions; sampling itself interpolates and is not counted."""
    return convolution_flops(input.shape, weight.shape, outputs[0].shape, transposed=False)


# Attention


def attention_flops(query: TensorSpec, key: TensorSpec, value: TensorSpec) -> int:
    """FLOPs of (…, H, L, E) against (…, G, S, E) and (…, G, S, V): the scores, then the weighted sum of the values.

    With grouped queries (G < H) each query head still meets a whole key head. A causal or other mask changes nothing:
    masked scores are counted like the others, as in ``torch.utils.flop_counter``.
    """
    *heads, length, width = query.shape
    sources, value_width = key.shape[-2], value.shape[-1]
    return 2 * prod(heads) * length * sources * (width + value_width)


@flop_formula(
    "aten._scaled_dot_product_attention_math_for_mps",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten.scaled_dot_product_attention",
)
def scaled_dot_product_attention(query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of fused attention, in whichever kernel."""
    return attention_flops(query, key, value)


@flop_formula("higher_order.flex_attention")
def flex_attention(query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of attention with a score function of its own, which is elementwise.

    A block mask changes nothing: masked scores are counted like the others, as in every other kernel.
    """
    return attention_flops(query, key, value)


@flop_formula("aten._native_multi_head_attention")
def native_multi_head_attention(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    embed_dim: int,
    num_head: int,
    qkv_weight: TensorSpec,
    qkv_bias: TensorSpec | None,
    proj_weight: TensorSpec,
    *_: Any,
    **__: Any,
) -> int:
    """FLOPs of the fast path of ``nn.MultiheadAttention``: (B, L, D) projected to q, k and v, attended, projected."""
    batch, length, width = query.shape
    sources = key.shape[1]
    projections = width * embed_dim * (length + 2 * sources)
    attention = 2 * length * sources * embed_dim
    return 2 * batch * (projections + attention + length * embed_dim * proj_weight.shape[0])


@flop_formula("aten._transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    src: TensorSpec,
    embed_dim: int,
    num_heads: int,
    qkv_weight: TensorSpec,
    qkv_bias: TensorSpec | None,
    proj_weight: TensorSpec,
    proj_bias: TensorSpec | None,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: TensorSpec,
    norm_bias_1: TensorSpec,
    norm_weight_2: TensorSpec,
    norm_bias_2: TensorSpec,
    ffn_weight_1: TensorSpec,
    ffn_bias_1: TensorSpec,
    ffn_weight_2: TensorSpec,
    *_: Any,
    **__: Any,
) -> int:
    """FLOPs of the fast path of ``nn.TransformerEncoderLayer``: self-attention on (B, L, D) and two linear layers."""
    batch, length, _width = src.shape
    attention = native_multi_head_attention(
        src, src, src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias
    )
    feed_forward = 2 * batch * length * (prod(ffn_weight_1.shape) + prod(ffn_weight_2.shape))
    return attention + feed_forward


# Recurrent layers


@flop_formula("aten.mkldnn_rnn_layer")
def mkldnn_recurrent_layer(
    input: TensorSpec,
    weight0: TensorSpec,
    weight1: TensorSpec,
    *_: Any,
) -> int:
    """FLOPs of one direction of one layer on the CPU: (T, B, I) with weights of (gates · H, I) and (gates · H, H)."""
    steps, batch, _width = input.shape
    return 2 * steps * batch * (prod(weight0.shape) + prod(weight1.shape))


@flop_formula("aten.mkldnn_rnn_layer_backward")
def mkldnn_recurrent_layer_backward(input: TensorSpec, weight1: TensorSpec, weight2: TensorSpec, *_: Any) -> int:
    """FLOPs of all of its gradients, which are always computed: those of data and of weights cost a forward each."""
    return 2 * mkldnn_recurrent_layer(input, weight1, weight2)


@flop_formula("aten._cudnn_rnn_backward", "aten.miopen_rnn_backward")
def cudnn_recurrent_layers_backward(input: TensorSpec, weight: Specs, *rest: Any) -> int:
    """FLOPs of the gradients of data, and of the weights if the last of the four outputs is asked for."""
    *_, output_mask = rest
    return cudnn_recurrent_layers(input, weight) * (1 + bool(output_mask[-1]))


@flop_formula("aten.linear_backward", "aten.mkldnn_linear_backward")
def linear_backward(
    self: TensorSpec, grad_output: TensorSpec, weight: TensorSpec, output_mask: tuple[bool, ...]
) -> int:
    """FLOPs of the gradients that were asked for: each of input's and weight's costs what the forward pass does."""
    input_wanted, weight_wanted, *_ = output_mask
    return linear(self, weight) * (bool(input_wanted) + bool(weight_wanted))


@flop_formula("torchvision._deform_conv2d_backward")
def deformable_convolution_backward(grad: TensorSpec, input: TensorSpec, weight: TensorSpec, *_: Any) -> int:
    """FLOPs of the gradients of data (columns, from which input's and offsets' are interpolated) and of weights."""
    return 2 * convolution_flops(input.shape, weight.shape, grad.shape, transposed=False)


@flop_formula("aten._cudnn_rnn", "aten.miopen_rnn")
def cudnn_recurrent_layers(
    input: TensorSpec,
    weight: tuple[TensorSpec, ...],
    *_: Any,
) -> int:
    """FLOPs of all layers and directions on the GPU: every weight matrix meets every element of the sequence.

    ``input`` is (T, B, I) or (B, T, I), or (elements, I) for packed sequences.
    """
    elements = prod(input.shape[:-1])
    matrices = [item.shape for item in weight if len(item.shape) > 1]
    return 2 * elements * sum(prod(shape) for shape in matrices)


@flop_formula("aten.quantized_lstm", "aten.quantized_gru")
def quantized_recurrent_layers(input: TensorSpec, *rest: Any, **_: Any) -> int:
    """FLOPs of all layers and directions in int8: every weight matrix meets every element of the sequence.

    The states come before the weights, and for packed sequences the lengths before these; a state has three dimensions.
    """
    matrices = [spec.shape for spec in _specs_in(rest) if len(spec.shape) == 2]  # noqa: PLR2004 - as matrices have
    return 2 * prod(input.shape[:-1]) * sum(prod(shape) for shape in matrices)


@flop_formula(
    "quantized.quantized_lstm_cell_dynamic",
    "quantized.quantized_gru_cell_dynamic",
    "quantized.quantized_rnn_relu_cell_dynamic",
    "quantized.quantized_rnn_tanh_cell_dynamic",
)
def quantized_cell(input: TensorSpec, hx: Any, w_ih: Specs, w_hh: Specs, *_: Any) -> int:
    """FLOPs of one step of a cell in int8: (B, I) and (B, H) with weights of (gates · H, I) and (gates · H, H)."""
    return 2 * input.shape[0] * (prod(w_ih[0].shape) + prod(w_hh[0].shape))


def _specs_in(value: Any) -> list[TensorSpec]:
    if isinstance(value, TensorSpec):
        return [value]
    return [spec for item in value for spec in _specs_in(item)] if isinstance(value, tuple) else []


# Quantised layers, whose packed weights are given unpacked: the weight, then the bias


@flop_formula(
    "quantized.linear",
    "quantized.linear_dynamic",
    "quantized.linear_dynamic_fp16",
    "quantized.linear_leaky_relu",
    "quantized.linear_relu",
    "quantized.linear_relu_dynamic",
    "quantized.linear_relu_dynamic_fp16",
    "quantized.linear_tanh",
    "quantized.linear_with_input_q_dq_qweight_dq_output_fp32",
    "quantized.linear_with_input_q_dq_qweight_dq_relu_output_fp32",
)
def quantized_linear(X: TensorSpec, *rest: Any, **_: Any) -> int:  # noqa: N803 - the schema's name
    """FLOPs of (…, K) with a packed weight of (N, K)."""
    return 2 * prod(X.shape) * _packed_weight(rest).shape[0]


@flop_formula(
    *(f"quantized.conv{dimensions}d{suffix}" for dimensions in (1, 2, 3) for suffix in ("", "_relu", "_dynamic")),
    "quantized.conv2d_add",
    "quantized.conv2d_add_relu",
)
def quantized_convolution(qx: TensorSpec, *rest: Any, outputs: Specs, **_: Any) -> int:
    """FLOPs of a convolution with a packed weight of (C_out, C_in / groups, …)."""
    return convolution_flops(qx.shape, _packed_weight(rest).shape, outputs[0].shape, transposed=False)


@flop_formula(
    *(f"quantized.conv_transpose{dimensions}d{suffix}" for dimensions in (1, 2, 3) for suffix in ("", "_dynamic"))
)
def quantized_transposed_convolution(qx: TensorSpec, weight: Specs, *_: Any, outputs: Specs, **__: Any) -> int:
    """FLOPs of a transposed convolution with a packed weight of (C_in, C_out / groups, …)."""
    return convolution_flops(qx.shape, weight[0].shape, outputs[0].shape, transposed=True)


def _packed_weight(arguments: Sequence[Any]) -> TensorSpec:
    weight: TensorSpec = next(value for value in arguments if isinstance(value, tuple))[0]
    return weight


@flop_formula("quantized.matmul")
def quantized_matrix_product(qa: TensorSpec, qb: TensorSpec, *_: Any) -> int:
    """FLOPs of (…, M, K) @ (…, K, N)."""
    return _product(qa, qb)


# Backward passes


@flop_formula("aten.convolution_backward", "aten.convolution_backward_overrideable")
def convolution_backward(
    grad_output: TensorSpec,
    input: TensorSpec,
    weight: TensorSpec,
    *rest: Any,
) -> int:
    """FLOPs of the gradients that were asked for: each of input's and weight's costs what the forward pass does."""
    transposed = next(value for value in rest if isinstance(value, bool))
    output_mask = rest[-1]
    forward = convolution_flops(input.shape, weight.shape, grad_output.shape, transposed)
    input_wanted, weight_wanted, *_ = output_mask
    return forward * (bool(input_wanted) + bool(weight_wanted))


@flop_formula(
    "aten._scaled_dot_product_cudnn_attention_backward",
    "aten._scaled_dot_product_efficient_attention_backward",
    "aten._scaled_dot_product_flash_attention_backward",
    "aten._scaled_dot_product_flash_attention_for_cpu_backward",
    "aten._scaled_dot_product_fused_attention_overrideable_backward",
)
def scaled_dot_product_attention_backward(
    grad_out: TensorSpec, query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any
) -> int:
    """FLOPs of fused attention's gradients: the scores once more, then those of scores, query, key and value."""
    return attention_backward_flops(query, key, value)


@flop_formula("higher_order.flex_attention_backward")
def flex_attention_backward(query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the gradients of attention with a score function of its own, likewise."""
    return attention_backward_flops(query, key, value)


def attention_backward_flops(query: TensorSpec, key: TensorSpec, value: TensorSpec) -> int:
    """FLOPs of five products of (L, S) with E or V: scores, and the gradients of scores, query, key and value."""
    *heads, length, width = query.shape
    sources, value_width = key.shape[-2], value.shape[-1]
    return 2 * prod(heads) * length * sources * (3 * width + 2 * value_width)
