"""The ops without MACs, grouped by the reason.

As in ``torch.utils.flop_counter``, only convolutions, matmuls, attention and recurrent layers are counted. Names are
torch's; ``get_zero_flop_reason`` also accepts their in-place, ``_copy``, ``_foreach_`` and backward variants.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

_ATEN_OPS: Mapping[str, str] = MappingProxyType(
    {
        "moves, views or selects elements": """
            alias as_strided as_strided_scatter block_diag cat ccol_indices channel_shuffle _chunk_cat clone _coalesce
            coalesce _coalesced col2im col_indices _conj constant_pad_nd contiguous copy _copy_from
            _copy_from_and_resize crow_indices _cudnn_rnn_flatten_weight detach diag_embed diagonal diagonal_scatter
            embedding embedding_dense_backward embedding_renorm expand fill flip _fw_primal gather im2col index
            index_copy index_fill index_put _index_put_impl index_select _indices indices
            _jagged_to_padded_dense_forward _lazy_clone lift lift_fresh _local_scalar_dense lu_unpack _make_dual
            masked_fill masked_scatter masked_select mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
            _mkldnn_reshape _mkldnn_transpose narrow _neg_view _nested_from_padded _nested_get_jagged_dummy
            _nested_get_lengths _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_offsets
            _nested_get_ragged_idx _nested_get_values _nested_select_backward _nested_tensor_from_mask
            _nested_tensor_from_tensor_list _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides
            _nested_view_from_buffer _nested_view_from_jagged _pack_padded_sequence _padded_dense_to_jagged_forward
            permute _pin_memory pixel_shuffle pixel_unshuffle put reflection_pad1d reflection_pad2d reflection_pad3d
            repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape _reshape_alias
            resize resize_as _resize_output roll rot90 row_indices scatter select select_scatter set slice
            slice_inverse slice_scatter _sparse_broadcast_to sparse_mask split split_with_sizes squeeze _stack stack t
            take _to_copy _to_dense to_mkldnn to_padded_tensor _to_sparse transpose tril triu unbind unfold
            _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate unsafe_split
            unsafe_split_with_sizes _unsafe_view unsqueeze _values values view view_as_complex view_as_real where zero
        """,
        "creates a tensor": """
            arange bartlett_window blackman_window complex _efficientzerotensor empty _empty_affine_quantized
            empty_like _empty_per_channel_affine_quantized empty_permuted empty_quantized empty_strided eye
            fft_fftfreq fft_rfftfreq from_file full full_like hamming_window hann_window kaiser_window linspace
            logspace new_empty new_empty_strided new_full new_ones new_zeros ones ones_like polar range scalar_tensor
            sparse_compressed_tensor sparse_coo_tensor _sparse_coo_tensor_with_dims_and_tensors tril_indices
            triu_indices zeros zeros_like
        """,
        "draws random numbers": """
            bernoulli binomial cauchy _cudnn_init_dropout_state exponential _fill_mem_eff_dropout_mask_ _fused_dropout
            geometric log_normal multinomial native_dropout normal normal_functional _philox_normal _philox_randint
            _philox_uniform poisson rand rand_like randint randint_like randn randn_like random randperm
            _sample_dirichlet _standard_gamma uniform
        """,
        "elementwise": """
            abs acos acosh add _add_relu addcdiv addcmul _amp_foreach_non_finite_check_and_unscale _amp_update_scale
            __and__ angle asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or
            bitwise_right_shift bitwise_xor ceil celu clamp clamp_max clamp_min _conj_physical conj_physical copysign
            cos cosh deg2rad digamma div elu eq equal erf erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod
            frac frexp _fused_adagrad _fused_adam _fused_adamw _fused_sgd gcd ge gelu glu gt hardshrink hardsigmoid
            hardswish hardtanh heaviside hypot i0 igamma igammac __ilshift__ __irshift__ isclose isfinite isin isinf
            isnan isneginf isposinf lcm ldexp le leaky_relu lerp lgamma linalg_cross log log10 log1p log2 log_sigmoid
            log_sigmoid_forward logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit __lshift__
            lt _masked_scale maximum minimum mish mul mvlgamma nan_to_num ne neg nextafter __or__ polygamma pow
            _prelu_kernel rad2deg reciprocal relu relu6 remainder round rrelu_with_noise rrelu_with_noise_functional
            __rshift__ rsqrt rsub selu sgn sigmoid sign signbit silu sin sinc sinh softplus softshrink special_airy_ai
            special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_chebyshev_polynomial_t
            special_chebyshev_polynomial_u special_chebyshev_polynomial_v special_chebyshev_polynomial_w special_entr
            special_erfcx special_hermite_polynomial_h special_hermite_polynomial_he special_i0e special_i1
            special_i1e special_laguerre_polynomial_l special_legendre_polynomial_p special_log_ndtr
            special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0
            special_modified_bessel_k1 special_ndtri special_scaled_modified_bessel_k0
            special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t
            special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v
            special_shifted_chebyshev_polynomial_w special_spherical_bessel_j0 special_xlog1py special_zeta sqrt
            square _standard_gamma_grad sub tan tanh _thnn_fused_gru_cell _thnn_fused_lstm_cell
            _thnn_fused_lstm_cell_backward_impl threshold _transform_bias_rescale_qkv trunc _weight_norm_interface
            xlogy __xor__
        """,
        "normalizes": """
            batch_norm batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats
            batch_norm_gather_stats_with_counts _batch_norm_no_update batch_norm_stats batch_norm_update_stats
            _batch_norm_with_update _batch_norm_with_update_functional cudnn_batch_norm _fused_rms_norm _log_softmax
            _log_softmax_backward_data _masked_softmax miopen_batch_norm native_batch_norm _native_batch_norm_legit
            _native_batch_norm_legit_functional _native_batch_norm_legit_no_training native_group_norm
            native_layer_norm _nested_tensor_softmax_with_shape quantized_batch_norm renorm rms_norm _safe_softmax
            _softmax softmax _softmax_backward_data
        """,
        "reduces, scans, sorts or compares": """
            all allclose amax amin _aminmax aminmax any argmax argmin argsort bincount bucketize count_nonzero cummax
            _cummax_helper cummin _cummin_helper cumprod cumsum dist _embedding_bag _embedding_bag_dense_backward
            _embedding_bag_forward_only _embedding_bag_per_sample_weights_backward _foreach_powsum hash_tensor histc
            histogram _histogramdd_bin_edges _histogramdd_from_bin_cts _histogramdd_from_bin_tensors index_add
            index_reduce _is_all_true _is_any_true kthvalue linalg__powsum linalg_vector_norm _logcumsumexp
            logcumsumexp logsumexp max mean median min mode nanmedian nansum native_norm nonzero nonzero_static norm
            prod scatter_add scatter_reduce searchsorted segment_reduce _segment_reduce_backward sort std std_mean sum
            topk trace _unique _unique2 unique_consecutive unique_dim unique_dim_consecutive var var_mean
        """,
        "pools or interpolates": """
            adaptive_avg_pool1d _adaptive_avg_pool2d adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool3d
            adaptive_max_pool2d adaptive_max_pool3d affine_grid_generator avg_pool2d avg_pool3d cudnn_grid_sampler
            fractional_max_pool2d fractional_max_pool3d grid_sampler_2d _grid_sampler_2d_cpu_fallback grid_sampler_3d
            max_pool2d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d
            mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mkldnn_max_pool3d quantized_max_pool1d quantized_max_pool2d
            quantized_max_pool3d upsample_bicubic2d _upsample_bicubic2d_aa upsample_bilinear2d _upsample_bilinear2d_aa
            _upsample_lanczos2d_aa upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
            _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_trilinear3d
        """,
        "is a loss": """
            binary_cross_entropy binary_cross_entropy_with_logits _ctc_loss _cudnn_ctc_loss huber_loss mse_loss
            multi_margin_loss multilabel_margin_loss multilabel_margin_loss_forward nll_loss nll_loss2d
            nll_loss2d_forward nll_loss_forward smooth_l1_loss soft_margin_loss
        """,
        "quantizes or reads quantization parameters": """
            dequantize _fake_quantize_learnable_per_channel_affine _fake_quantize_learnable_per_tensor_affine
            fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask
            _fake_quantize_per_tensor_affine_cachemask_tensor_qparams _fused_moving_avg_obs_fq_helper
            _fused_moving_avg_obs_fq_helper_functional int_repr _make_per_channel_quantized_tensor
            _make_per_tensor_quantized_tensor q_per_channel_axis q_per_channel_scales q_per_channel_zero_points
            q_scale q_zero_point qscheme quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic
        """,
        "only asserts or queries": """
            _assert_async _assert_scalar _assert_tensor_metadata dense_dim _dimI _dimV _functional_assert_async
            _functional_assert_scalar _fused_sdp_choice _has_same_storage_numel is_coalesced is_pinned is_same_size
            is_set_to _linalg_check_errors _nnz record_stream size sparse_dim stride sym_constrain_range
            sym_constrain_range_for_size sym_numel sym_size sym_storage_offset sym_stride
        """,
    }
)

_OTHER_NAMESPACES: Mapping[str, str] = MappingProxyType(
    {
        "prims.convert_element_type": "moves, views or selects elements",
        "prim.device": "only asserts or queries",
        "profiler._record_function_enter_new": "only asserts or queries",
        "profiler._record_function_exit": "only asserts or queries",
        "torchvision.nms": "reduces, scans, sorts or compares",
        "torchvision.ps_roi_align": "pools or interpolates",
        "torchvision.ps_roi_pool": "pools or interpolates",
        "torchvision.roi_align": "pools or interpolates",
        "torchvision.roi_pool": "pools or interpolates",
        "quantized.add": "elementwise",
        "quantized.add_relu": "elementwise",
        "quantized.add_scalar": "elementwise",
        "quantized.batch_norm2d": "normalizes",
        "quantized.cat": "moves, views or selects elements",
        "quantized.hardswish": "elementwise",
        "quantized.mul": "elementwise",
        "quantized.mul_scalar": "elementwise",
        "quantized.relu6": "elementwise",
    }
)

REASONS: Mapping[str, str] = MappingProxyType(
    {**{f"aten.{name}": reason for reason, names in _ATEN_OPS.items() for name in names.split()}, **_OTHER_NAMESPACES}
)
"""The reason why an op has no MACs, by its name."""


@cache
def get_zero_flop_reason(op: str) -> str:
    """Returns the reason why ``op`` has no MACs; empty if neither the op nor a variant of it is listed."""
    namespace, _, name = op.partition(".")
    variants = (name, name.removesuffix("_"), name.removesuffix("_copy"), name.removesuffix("_backward"))
    for variant in variants:
        reason = REASONS.get(f"{namespace}.{variant}")
        if reason:
            return reason
    stripped = name.removeprefix("_foreach_").removesuffix("_")
    return REASONS.get(f"{namespace}.{stripped}", "") if stripped != name else ""
