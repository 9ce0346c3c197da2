"""Matrix products and attention, whichever ops run for them."""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from netscope.analysis.computation.moves import expand, permute, reshape, transpose
from netscope.analysis.computation.values import Application, Value, make_commutative, make_value
from netscope.schema import Shape

_QKV = ("query", "key", "value")
ATTENTION_PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "scaled_dot_product_attention": (*_QKV, "attn_mask", "dropout_p", "is_causal"),
        "_scaled_dot_product_attention_math": (*_QKV, "attn_mask", "dropout_p", "is_causal"),
        "_scaled_dot_product_flash_attention_for_cpu": (*_QKV, "dropout_p", "is_causal"),
        "_scaled_dot_product_flash_attention": (*_QKV, "dropout_p", "is_causal"),
        "_scaled_dot_product_efficient_attention": (*_QKV, "attn_mask", "", "dropout_p", "is_causal"),
        "_scaled_dot_product_cudnn_attention": (*_QKV, "attn_mask", "", "dropout_p", "is_causal"),
        "_scaled_dot_product_fused_attention_overrideable": (*_QKV, "attn_mask", "dropout_p", "is_causal"),
    }
)
"""The positional parameters of the ops for attention."""

_MATRIX = 2
"""The number of dimensions of a matrix, and the number of operands of a product without a bias."""

_ROUNDING = 1e-6


def rewrite_product(op: Application) -> Value | None:
    """Returns a matrix product; None if it has factors."""
    tensors = op.operands
    if op.kwargs or len(tensors) != sum(arg is not None for arg in op.args):
        return None
    if op.op in {"linear", "mkldnn_linear"}:
        product = op.make("matmul", tensors[0], transpose(tensors[1]))
        return add_bias(product, tensors[2]) if tensors[2:] else product
    if op.op in {"mm", "bmm"}:
        return reshape(_multiply(tensors[0], tensors[1], op), op.shape)
    if op.op == "addmm":
        return reshape(add_bias(_multiply(tensors[1], tensors[2], op), tensors[0]), op.shape)
    return None


def _multiply(left: Value, right: Value, op: Application) -> Value:
    """Returns the product of the tensors as they were before torch flattened or expanded their leading dimensions."""
    first, second = _restore_batch(left), _restore_batch(right)
    if len(right.shape) == _MATRIX:
        return make_value("matmul", (first, right), (*first.shape[:-1], right.shape[-1]), op.dtype)
    if prod(first.shape[:-2]) != prod(second.shape[:-2]):
        return op.make("matmul", left, right)
    second = reshape(second, (*first.shape[:-2], *second.shape[-2:]))
    shape = (*first.shape[:-1], second.shape[-1])
    if first.name == "expand" and second.name != "expand":
        first = first.args[0]
    elif second.name == "expand" and first.name != "expand":
        second = second.args[0]
    product = make_value("matmul", (first, second), shape, op.dtype)
    return _match_attention(product) or product


def _restore_batch(value: Value) -> Value:
    """Returns the tensor whose leading dimensions were flattened to the first of ``value``."""
    if value.name != "reshape" or not value.shape:
        return value
    original, kept = value.args[0], len(value.shape) - 1
    return original if len(original.shape) > kept and original.shape[-kept:] == value.shape[-kept:] else value


def add_bias(product: Value, bias: Value) -> Value:
    """Returns the sum of a product and another tensor; a parameter is the third operand of the product itself."""
    is_parameter = bias.name in {"own", "elsewhere"} and bias.shape == product.shape[-1:]
    if product.name == "matmul" and len(product.args) == _MATRIX and is_parameter:
        return make_value("matmul", (*product.args, bias), product.shape, product.dtype)
    return make_commutative("add", (product, bias), product.shape, product.dtype)


# Attention


def rewrite_attention(op: Application) -> Value:
    """Returns the attention that a fused op computes."""
    named = dict(zip(ATTENTION_PARAMETERS[op.op], op.args, strict=False)) | op.kwargs
    return _attend(named, op.shape, op.dtype)


def _attend(named: Mapping[str, Any], shape: Shape, dtype: str) -> Value:
    """Returns attention with the arguments that are not as by default."""
    query, key, value = (named[name] for name in _QKV)
    groups = query.shape[-3] // key.shape[-3] if len(query.shape) == len(key.shape) > _MATRIX + 1 else 1
    if groups > 1:
        key, value = _repeat_heads(key, groups), _repeat_heads(value, groups)
    mask, dropout, scale = named.get("attn_mask"), named.get("dropout_p"), named.get("scale")
    has_default_scale = scale is None or abs(scale * query.shape[-1] ** 0.5 - 1) < _ROUNDING
    options = (
        ("mask", mask),
        ("dropout", f"{dropout:.6g}" if dropout else None),
        ("is_causal", named.get("is_causal") or None),
        ("scale", None if has_default_scale else f"{scale:.6g}"),
    )
    given = tuple(option for option in options if option[1] is not None)
    return make_value("attention", (query, key, value, *given), shape, dtype)


def _repeat_heads(value: Value, groups: int) -> Value:
    """Returns keys or values with each head repeated, as for grouped query attention."""
    *batch, heads, length, size = value.shape
    expanded = expand(reshape(value, (*batch, heads, 1, length, size)), (*batch, heads, groups, length, size))
    return reshape(expanded, (*batch, heads * groups, length, size))


def _match_attention(product: Value) -> Value | None:
    """Returns the attention that ``softmax((q s) @ (k s)ᵀ + mask) @ v`` computes, which runs where no fused op can."""
    weights, value = product.args
    dropout = 0.0
    if weights.name == "dropout":
        weights, dropout = weights.args[0], float(weights.args[1])
    if weights.name != "softmax" or weights.args[1] != len(weights.shape) - 1:
        return None
    scores, mask = weights.args[0], None
    if scores.name == "add" and all(isinstance(arg, Value) for arg in scores.args):
        scores, mask = sorted(scores.args, key=lambda arg: arg.name != "matmul")
    if scores.name != "matmul" or len(scores.args) != _MATRIX:
        return None
    (query, scale), (key, other) = map(_split_scale, scores.args)
    if scale is None or scale != other or not len(query.shape) == len(key.shape) == len(value.shape):
        return None
    is_causal = mask is not None and _is_causal(mask)
    named = {
        "query": query,
        "key": transpose(key, -2, -1),
        "value": value,
        "attn_mask": None if is_causal else mask,
        "dropout_p": dropout,
        "is_causal": is_causal,
        "scale": scale**2,
    }
    return _attend(named, product.shape, product.dtype)


def _split_scale(value: Value) -> tuple[Value, float | None]:
    """Returns a tensor before it was multiplied by a number, and that number."""
    if value.name == "permute" and value.args[0].name == "mul":
        inner, scale = _split_scale(value.args[0])
        return permute(inner, value.args[1]), scale
    numbers = [arg for arg in value.args if isinstance(arg, (int, float))] if value.name == "mul" else []
    tensors = [arg for arg in value.args if isinstance(arg, Value)]
    return (tensors[0], numbers[0]) if numbers and tensors else (value, None)


def _is_causal(mask: Value) -> bool:
    """Whether a mask is zero in its lower triangle, and minus infinity above it."""
    lower = mask.args[0] if mask.name == "where" else None
    return isinstance(lower, Value) and lower.name == "tril" and lower.args[0].name == "ones" and not lower.args[1:]
