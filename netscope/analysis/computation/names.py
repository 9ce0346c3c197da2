"""The canonical names of ops.

torch runs the same function as different ops, by version, device, memory layout, and whether gradients are needed: a
linear layer as ``addmm``, or as ``mm`` and ``add``; attention as one of six fused ops, or as products and a softmax.
"""

from collections.abc import Mapping
from types import MappingProxyType

_VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "matmul": "mm bmm addmm linear mkldnn_linear baddbmm addbmm",
        "attention": """
            scaled_dot_product_attention _scaled_dot_product_attention_math
            _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
            _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
            _scaled_dot_product_fused_attention_overrideable
        """,
        "convolution": """
            _convolution convolution_overrideable cudnn_convolution miopen_convolution mkldnn_convolution
            _slow_conv2d_forward slow_conv3d_forward _conv_depthwise2d conv_depthwise3d
        """,
        "batch_norm": """
            native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
            _native_batch_norm_legit_functional cudnn_batch_norm miopen_batch_norm _batch_norm_no_update
            _batch_norm_with_update _batch_norm_with_update_functional
        """,
        "layer_norm": "native_layer_norm",
        "group_norm": "native_group_norm",
        "rms_norm": "_fused_rms_norm",
        "softmax": "_softmax _safe_softmax",
        "log_softmax": "_log_softmax",
        "dropout": "native_dropout",
        "max_pool2d": "max_pool2d_with_indices mkldnn_max_pool2d",
        "max_pool3d": "max_pool3d_with_indices mkldnn_max_pool3d",
        "adaptive_avg_pool2d": "_adaptive_avg_pool2d mkldnn_adaptive_avg_pool2d",
        "adaptive_avg_pool3d": "_adaptive_avg_pool3d",
        "grid_sampler_2d": "cudnn_grid_sampler _grid_sampler_2d_cpu_fallback",
        "embedding_bag": "_embedding_bag _embedding_bag_forward_only",
        "weight_norm": "_weight_norm_interface",
        "ctc_loss": "_ctc_loss _cudnn_ctc_loss",
        "index": "_unsafe_index",
        "index_put": "_unsafe_index_put _index_put_impl",
        "clamp": "clamp_min clamp_max",
        "copy": "clone contiguous detach alias lift lift_fresh lift_fresh_copy _lazy_clone",
        "cast": "_to_copy convert_element_type",
        "reshape": "view view_copy _unsafe_view _reshape_alias flatten unflatten unsqueeze squeeze view_as",
        "permute": "transpose transpose_copy permute_copy t swapaxes numpy_T",
        "slice": "narrow slice_copy",
        "expand": "expand_copy expand_as broadcast_to",
        "split": "unsafe_split split_with_sizes unsafe_split_with_sizes chunk unsafe_chunk",
    }
)
"""Canonical names, with the other names that torch has for the same function."""

_CANONICAL = {variant: name for name, variants in _VARIANTS.items() for variant in variants.split()}

QUERIES = frozenset({"_local_scalar_dense", "_assert_async", "_assert_tensor_metadata", "_fused_sdp_choice", "size"})
"""Ops whose result is no tensor."""

IGNORED_ARGUMENTS = frozenset(
    {"device", "layout", "pin_memory", "memory_format", "non_blocking", "generator", "dtype", "implicit"}
)
"""Arguments about where and how a result is stored. Its dtype is known from the result."""


def strip_name(op: str) -> str:
    """Returns the name of an op without its namespace, and an in-place op's as of the op itself: ``"relu"``."""
    name = op.removeprefix("aten.").removeprefix("prims.")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def get_canonical_name(name: str) -> str:
    """Returns the canonical name for a name from ``strip_name``: ``"matmul"`` for ``"addmm"``."""
    return _CANONICAL.get(name, name)
