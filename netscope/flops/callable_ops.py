"""The ops in a file that may be called by name: ops without side effects that check their arguments.

An op is known to have no side effects if netscope has a formula for it, lists it as an op without FLOPs, or if it is
one of the composites below, which consist of such ops. Exceptions that must not be called are listed, too.
"""

from netscope.flops.registry import FORMULAS
from netscope.flops.zero_flop_ops import get_zero_flop_reason

_WITH_EFFECTS = frozenset(
    {"aten.from_file", "aten.pin_memory", "aten._pin_memory", "aten.record_stream", "aten.set", "aten.set_"}
)
"""Ops that access files, or memory outside of the tensor."""

_UNCHECKED = (
    "_amp_", "_cudnn", "_foreach_", "_fused_", "_mkldnn", "_miopen", "_nested", "_nnpack", "_sparse", "_stack",
    "cudnn_", "miopen_", "mkldnn_", "sparse_",
)  # fmt: skip
"""Prefixes of internal ops that do not check their arguments: with unexpected ones torch crashes."""

_COMPOSITE_NAMES = """
    absolute adaptive_max_pool1d adjoint alpha_dropout arccos arccosh arcsin arcsinh arctan arctan2 arctanh argwhere
    atleast_1d atleast_2d atleast_3d avg_pool1d bilinear broadcast_tensors broadcast_to _cast_Byte _cast_Char
    _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short cdist chalf chunk clip column_stack concat
    concatenate conj conv1d conv2d conv3d _convolution_mode conv_transpose1d conv_transpose2d conv_transpose3d
    corrcoef cosine_embedding_loss cosine_similarity cov cross cross_entropy_loss ctc_loss cumulative_trapezoid det
    diag diagflat diff divide dropout dsplit dstack einsum embedding_bag expand_as fake_quantize_per_channel_affine
    fake_quantize_per_tensor_affine feature_alpha_dropout feature_dropout fft_fft fft_fft2 fft_fftn fft_fftshift
    fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft
    fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn fill_diagonal fix flatten fliplr flipud float_power
    frobenius_norm ger greater greater_equal grid_sampler group_norm gru gru_cell hinge_embedding_loss hsplit hstack
    __iand__ imag inner instance_norm inverse __ior__ isreal istft __ixor__ kl_div kron l1_loss layer_norm less
    less_equal linalg_det linalg_diagonal linalg_inv linalg_matmul linalg_matrix_norm linalg_norm linalg_pinv
    linalg_slogdet linalg_solve linalg_svd linalg_vecdot logdet log_softmax lstm lstm_cell margin_ranking_loss matmul
    matrix_H max_pool1d max_pool1d_with_indices max_pool3d meshgrid mH moveaxis movedim msort mT multiply nanmean
    nanquantile native_channel_shuffle negative nll_loss_nd norm_except_dim not_equal nuclear_norm numpy_T one_hot
    outer pad _pad_circular _pad_enum pad_sequence pairwise_distance pdist pinverse poisson_nll_loss positive prelu
    quantile ravel real reshape_as resolve_conj resolve_neg rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell row_stack
    rrelu _scaled_dot_product_attention_math slogdet slow_conv3d special_digamma special_erf special_erfc
    special_erfinv special_exp2 special_expit special_expm1 special_gammainc special_gammaincc special_gammaln
    special_i0 special_log1p special_log_softmax special_logit special_logsumexp special_multigammaln special_ndtr
    special_polygamma special_psi special_round special_sinc special_softmax special_xlogy stft subtract sum_to_size
    swapaxes swapdims take_along_dim tensordot tensor_split thnn_conv2d tile to trapezoid trapz triplet_margin_loss
    true_divide type_as unflatten unsafe_chunk view_as vsplit vstack _weight_norm
"""
"""Composite ops in the namespace ``aten``; their in-place variants are also allowed."""

_COMPOSITES = frozenset(f"aten.{name}" for name in _COMPOSITE_NAMES.split())


SCRIPT_LANGUAGE = frozenset(
    """
    Bool Complex ComplexImplicit Delete Float FloatImplicit Int IntImplicit ScalarImplicit Size __contains__
    __derive_index __getitem__ __is__ __isnot__ __not__ __range_length __round_to_zero_floordiv _get_tracing_state
    _infer_size _list_to_tensor _set_item _shape_as_tensor _size_if_not_equal _tensor_to_list _unwrap_optional
    append as_tensor bin broadcast_shapes can_cast capitalize center chr clear count cpu cuda data degrees device
    dict dim divmod element_size endswith expandtabs extend fabs factorial find floordiv format gamma get get_device
    grad hash hex insert is_autocast_cpu_enabled is_autocast_enabled is_complex is_conj is_contiguous
    is_floating_point is_grad_enabled is_leaf is_neg is_nonzero is_scripting is_signed isalnum isalpha isdecimal
    isdigit isidentifier islower isnumeric isprintable isspace istitle isupper item items join keys len list ljust
    local_value lower lstrip mathremainder modf numel oct ord partition percentFormat pop popitem promote_types
    radians remove replace requires_grad_ result_type reverse rfind rindex rjust rpartition rsplit rstrip set
    setdefault sorted splitlines startswith storage_offset str strip swapcase tensor title to_dense update upper
    wait warn zfill EnumName EnumValue ModuleContainerIndex NumToTensor RaiseException StringIndex TupleIndex
    TupleUnpack Uninitialized dtype id is_cpu is_cuda is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_nested
    is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu itemsize layout max min name nbytes rangelist
    requires_grad set_grad_enabled tolist type unchecked_cast unchecked_unwrap_optional
    """.split()  # noqa: SIM905 - one per line would take two pages
)
"""Functions, methods and attributes of the TorchScript language."""

SCRIPT_OPS = frozenset(
    f"quantized.{kind}_{suffix}"
    for kind in (
        "linear", "conv", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
        "embedding_bag",
    )
    for suffix in ("prepack", "unpack", "relu")
) | {
    "quantized.linear_prepack_fp16", "quantized.linear_unpack_fp16", "quantized.embedding_byte",
    "quantized.make_quantized_cell_params_dynamic", "quantized.make_quantized_cell_params",
    "torchvision.box_iou_rotated", "rnn.CellParamsBase", "quantized.LinearPackedParamsBase",
    "quantized.Conv2dPackedParamsBase", "quantized.Conv3dPackedParamsBase", "quantized.EmbeddingPackedParamsBase",
}  # fmt: skip
"""Ops and classes of TorchScript programs without side effects for which netscope has no formula."""


def is_side_effect_free(op: str) -> bool:
    """Returns whether an op such as ``"aten.linear"`` is known to have no side effects."""
    if op in _WITH_EFFECTS:
        return False
    is_composite = op in _COMPOSITES or op.removesuffix("_") in _COMPOSITES
    return is_composite or op in FORMULAS or bool(get_zero_flop_reason(op))


def is_safe_to_call(op: str) -> bool:
    """Returns whether an op may be called with arguments from a file: it has no side effects and checks them."""
    name = op.partition(".")[2]
    return is_side_effect_free(op) and not name.startswith(_UNCHECKED) and not name.endswith("_backward")
