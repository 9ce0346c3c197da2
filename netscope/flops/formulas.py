"""The FLOP formulas. One MAC is two FLOPs; adding a bias is not counted.

Parameters have the names and the order of torch's schemas. Arguments that a formula does not use are in ``*_``.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from netscope.flops.registry import flop_formula
from netscope.schema import TensorSpec

Specs = tuple[TensorSpec, ...]


# Matmuls


def _matmul(left: TensorSpec, right: TensorSpec) -> int:
    """Returns the FLOPs of (…, M, K) @ (K, N) or (…, K, N): each output sums K products."""
    return 2 * prod(left.shape) * right.shape[-1]


@flop_formula("aten.mm", "aten.bmm", "aten._int_mm", "aten._scaled_mm", "aten._scaled_mm_v2")
def matmul(self: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of (M, K) @ (K, N), or of a batch of them."""
    return _matmul(self, mat2)


@flop_formula("aten.addmm", "aten._addmm_activation", "aten.baddbmm", "aten.addbmm", "aten._scaled_addmm")
def matmul_with_addition(self: TensorSpec, mat1: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the product in ``self + mat1 @ mat2``."""
    return _matmul(mat1, mat2)


@flop_formula("aten.linear", "aten.mkldnn_linear", "mkldnn._linear_pointwise", "mkldnn._mkl_linear")
def linear(input: TensorSpec, weight: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of (…, K) with a weight of (N, K): each output sums K products."""
    return 2 * prod(input.shape) * weight.shape[0]


@flop_formula("aten.mv", "aten.dot", "aten.vdot")
def matrix_vector_product(self: TensorSpec, *_: Any) -> int:
    """FLOPs of (M, K) @ (K), or of (K) · (K): each element of the first operand is used once."""
    return 2 * prod(self.shape)


@flop_formula("aten.addmv")
def matrix_vector_product_with_addition(self: TensorSpec, mat: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the product in ``self + mat @ vec``."""
    return 2 * prod(mat.shape)


@flop_formula("aten.addr")
def outer_product_with_addition(self: TensorSpec, vec1: TensorSpec, vec2: TensorSpec, **_: Any) -> int:
    """FLOPs of ``self + vec1 ⊗ vec2``: one MAC per element."""
    return 2 * vec1.shape[0] * vec2.shape[0]


@flop_formula(
    "aten._grouped_mm",
    "aten._scaled_grouped_mm",
    "aten._scaled_grouped_mm_v2",
    "transformers.grouped_mm_fallback",  # the fallback if torch has no kernel for the device
)
def grouped_matmul(self: TensorSpec, mat2: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of matmuls whose rows, columns or inner dimension are split among the groups.

    (T, K) with (G, K, N): each of the T rows is multiplied with one group's matrix. (G, M, K) with (K, T): each of the
    T columns is multiplied with one group's matrix. (G, M, K) with (G, K, N): a batch of matmuls. (M, T) with (T, N):
    the inner dimension is split, and each of its elements is used once.
    """
    columns_are_split = len(self.shape) > len(mat2.shape)
    rows_and_inner = self.shape[1:] if columns_are_split else self.shape
    return 2 * prod(rows_and_inner) * mat2.shape[-1]


@flop_formula("aten._weight_int8pack_mm")
def int8_packed_matmul(self: TensorSpec, mat2: TensorSpec, *_: Any) -> int:
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

    torch inserts a dimension of size one at each position in ``expand`` and multiplies with broadcasting. Of the
    dimensions in ``sumdim``, the ones that i3 lacks are summed after the first product, the others after the second.
    """
    first, second, third = (
        _insert_dims(spec.shape, expand) for spec, expand in ((i1, expand1), (i2, expand2), (i3, expand3))
    )
    pair = [max(sizes) for sizes in zip(first, second, strict=True)]
    summed_early = {dim for dim in sumdim if dim in expand3}
    partial = [1 if dim in summed_early else size for dim, size in enumerate(pair)]
    return 2 * (prod(pair) + prod(max(sizes) for sizes in zip(partial, third, strict=True)))


def _insert_dims(shape: tuple[int, ...], positions: tuple[int, ...]) -> list[int]:
    """Returns ``shape`` with a size of one inserted at each of ``positions``."""
    sizes = list(shape)
    for position in sorted(positions):
        sizes.insert(position, 1)
    return sizes


# Convolutions


def count_convolution_flops(
    input_shape: tuple[int, ...], weight_shape: tuple[int, ...], output_shape: tuple[int, ...], transposed: bool
) -> int:
    """Returns the FLOPs of a convolution with any number of dimensions and groups.

    Args:
        input_shape: (N, C_in, …).
        weight_shape: (C_out, C_in / groups, …), or (C_in, C_out / groups, …) if transposed.
        output_shape: (N, C_out, …).
        transposed: whether it is a transposed convolution.

    Each output of an ordinary convolution sums ``weight[0].numel()`` products, the elements of one filter. Each input
    of a transposed one is multiplied with ``weight[0].numel()`` weights.
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
    """FLOPs of a convolution before torch selects a backend."""
    return count_convolution_flops(input.shape, weight.shape, outputs[0].shape, transposed)


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
    """FLOPs of an ordinary convolution in a backend."""
    return count_convolution_flops(self.shape, weight.shape, outputs[0].shape, transposed=False)


@flop_formula(
    "aten.cudnn_convolution_transpose",
    "aten.miopen_convolution_transpose",
    "aten.slow_conv_transpose2d",
    "aten.slow_conv_transpose3d",
)
def backend_transposed_convolution(self: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs, **__: Any) -> int:
    """FLOPs of a transposed convolution in a backend."""
    return count_convolution_flops(self.shape, weight.shape, outputs[0].shape, transposed=True)


@flop_formula("aten.conv_tbc")
def time_batch_channel_convolution(self: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs) -> int:
    """FLOPs of (T, B, C_in) with a weight of (K, C_in, C_out): each output sums K · C_in products."""
    kernel, channels, _filters = weight.shape
    return 2 * prod(outputs[0].shape) * kernel * channels


@flop_formula("torchvision.deform_conv2d")
def deformable_convolution(input: TensorSpec, weight: TensorSpec, *_: Any, outputs: Specs) -> int:
    """FLOPs of the convolution over the sampled positions; the sampling is an interpolation, which is not counted."""
    return count_convolution_flops(input.shape, weight.shape, outputs[0].shape, transposed=False)


# Attention


def count_attention_flops(query: TensorSpec, key: TensorSpec, value: TensorSpec) -> int:
    """Returns the FLOPs of attention: the scores, then the weighted sum of the values.

    The query is (…, H, L, E), the key (…, G, S, E) and the value (…, G, S, V). With grouped queries (G < H) each query
    head still uses one entire key head. A causal or other mask changes nothing: masked scores are counted, too, as in
    ``torch.utils.flop_counter``.
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
    """FLOPs of fused attention in any kernel."""
    return count_attention_flops(query, key, value)


@flop_formula("higher_order.flex_attention")
def flex_attention(query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of attention with a custom score function, which is elementwise and not counted.

    A block mask changes nothing: masked scores are counted, too, as in every other kernel.
    """
    return count_attention_flops(query, key, value)


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
    """FLOPs of the fast path of ``nn.MultiheadAttention`` on (B, L, D): four projections and attention."""
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
def mkldnn_recurrent_layer(input: TensorSpec, weight0: TensorSpec, weight1: TensorSpec, *_: Any) -> int:
    """FLOPs of one direction of one layer on the CPU: (T, B, I) with weights of (gates · H, I) and (gates · H, H)."""
    steps, batch, _width = input.shape
    return 2 * steps * batch * (prod(weight0.shape) + prod(weight1.shape))


@flop_formula("aten.mkldnn_rnn_layer_backward")
def mkldnn_recurrent_layer_backward(input: TensorSpec, weight1: TensorSpec, weight2: TensorSpec, *_: Any) -> int:
    """FLOPs of all gradients, which are always computed: the data's and the weights' cost a forward pass each."""
    return 2 * mkldnn_recurrent_layer(input, weight1, weight2)


@flop_formula("aten._cudnn_rnn_backward", "aten.miopen_rnn_backward")
def cudnn_recurrent_layers_backward(input: TensorSpec, weight: Specs, *rest: Any) -> int:
    """FLOPs of the gradients of data, and of the weights if the last of the four outputs is requested."""
    *_, output_mask = rest
    return cudnn_recurrent_layers(input, weight) * (1 + bool(output_mask[-1]))


@flop_formula("aten.linear_backward", "aten.mkldnn_linear_backward")
def linear_backward(
    self: TensorSpec, grad_output: TensorSpec, weight: TensorSpec, output_mask: tuple[bool, ...]
) -> int:
    """FLOPs of the requested gradients: the input's and the weight's cost a forward pass each."""
    needs_input, needs_weight, *_ = output_mask
    return linear(self, weight) * (bool(needs_input) + bool(needs_weight))


@flop_formula("torchvision._deform_conv2d_backward")
def deformable_convolution_backward(grad: TensorSpec, input: TensorSpec, weight: TensorSpec, *_: Any) -> int:
    """FLOPs of the gradients of columns, from which the input's and offsets' are interpolated, and of weights."""
    return 2 * count_convolution_flops(input.shape, weight.shape, grad.shape, transposed=False)


@flop_formula("aten._cudnn_rnn", "aten.miopen_rnn")
def cudnn_recurrent_layers(input: TensorSpec, weight: tuple[TensorSpec, ...], *_: Any) -> int:
    """FLOPs of all layers and directions on the GPU: each sequence element is multiplied with each weight matrix.

    ``input`` is (T, B, I) or (B, T, I), or (elements, I) for packed sequences.
    """
    elements = prod(input.shape[:-1])
    matrices = [item.shape for item in weight if len(item.shape) > 1]
    return 2 * elements * sum(prod(shape) for shape in matrices)


@flop_formula("aten.quantized_lstm", "aten.quantized_gru")
def quantized_recurrent_layers(input: TensorSpec, *rest: Any, **_: Any) -> int:
    """FLOPs of all layers and directions in int8: each sequence element is multiplied with each weight matrix.

    The states precede the weights, and for packed sequences the lengths precede the states. A state has three
    dimensions.
    """
    matrices = [spec.shape for spec in _find_specs(rest) if len(spec.shape) == 2]  # noqa: PLR2004 - a matrix
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


def _find_specs(value: Any) -> list[TensorSpec]:
    if isinstance(value, TensorSpec):
        return [value]
    return [spec for item in value for spec in _find_specs(item)] if isinstance(value, tuple) else []


# Quantized layers, whose packed parameters are unpacked in the trace: the weight, then the bias


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
    return 2 * prod(X.shape) * _get_packed_weight(rest).shape[0]


@flop_formula(
    *(f"quantized.conv{dimensions}d{suffix}" for dimensions in (1, 2, 3) for suffix in ("", "_relu", "_dynamic")),
    "quantized.conv2d_add",
    "quantized.conv2d_add_relu",
)
def quantized_convolution(qx: TensorSpec, *rest: Any, outputs: Specs, **_: Any) -> int:
    """FLOPs of a convolution with a packed weight of (C_out, C_in / groups, …)."""
    return count_convolution_flops(qx.shape, _get_packed_weight(rest).shape, outputs[0].shape, transposed=False)


@flop_formula(
    *(f"quantized.conv_transpose{dimensions}d{suffix}" for dimensions in (1, 2, 3) for suffix in ("", "_dynamic"))
)
def quantized_transposed_convolution(qx: TensorSpec, weight: Specs, *_: Any, outputs: Specs, **__: Any) -> int:
    """FLOPs of a transposed convolution with a packed weight of (C_in, C_out / groups, …)."""
    return count_convolution_flops(qx.shape, weight[0].shape, outputs[0].shape, transposed=True)


def _get_packed_weight(arguments: Sequence[Any]) -> TensorSpec:
    weight: TensorSpec = next(value for value in arguments if isinstance(value, tuple))[0]
    return weight


@flop_formula("quantized.matmul")
def quantized_matmul(qa: TensorSpec, qb: TensorSpec, *_: Any) -> int:
    """FLOPs of (…, M, K) @ (…, K, N)."""
    return _matmul(qa, qb)


# Backward passes


@flop_formula("aten.convolution_backward", "aten.convolution_backward_overrideable")
def convolution_backward(grad_output: TensorSpec, input: TensorSpec, weight: TensorSpec, *rest: Any) -> int:
    """FLOPs of the requested gradients: the input's and the weight's cost a forward pass each."""
    transposed = next(value for value in rest if isinstance(value, bool))
    output_mask = rest[-1]
    forward = count_convolution_flops(input.shape, weight.shape, grad_output.shape, transposed)
    needs_input, needs_weight, *_ = output_mask
    return forward * (bool(needs_input) + bool(needs_weight))


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
    """FLOPs of the gradients of fused attention."""
    return count_attention_backward_flops(query, key, value)


@flop_formula("higher_order.flex_attention_backward")
def flex_attention_backward(query: TensorSpec, key: TensorSpec, value: TensorSpec, *_: Any, **__: Any) -> int:
    """FLOPs of the gradients of attention with a custom score function."""
    return count_attention_backward_flops(query, key, value)


def count_attention_backward_flops(query: TensorSpec, key: TensorSpec, value: TensorSpec) -> int:
    """Returns the FLOPs of five matmuls: the scores again, and the gradients of scores, query, key and value.

    The scores are (L, S); three of the matmuls have E as their other dimension, two have V.
    """
    *heads, length, width = query.shape
    sources, value_width = key.shape[-2], value.shape[-1]
    return 2 * prod(heads) * length * sources * (3 * width + 2 * value_width)
