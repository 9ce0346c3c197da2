"""Descriptions of a layer's operation: the values that a norm averages, the heads of an attention."""

from math import prod

from netscope.analysis.explain.formatting import format_product
from netscope.schema import Derivation, LayerRow


def describe_behavior(row: LayerRow) -> tuple[Derivation, ...]:
    """Returns the description of a layer's operation, in words and its own numbers; empty if none is known."""
    if not row.output_shapes:
        return ()
    for rule in (_batch_norm, _layer_norm, _group_norm, _attention, _recurrent, _joins):
        found = rule(row)
        if found is not None:
            return (Derivation(quantity="operation", rule=found[0], arithmetic=found[1], value=None),)
    return ()


Found = tuple[str, str] | None


def _norm_rule(row: LayerRow) -> str:
    names = {item.name for item in row.tensors if not item.is_buffer}
    scaled = " · γ" if "weight" in names else ""
    shifted = " + β" if "bias" in names else ""
    return f"y = (x − mean) / √(variance + ε){scaled}{shifted}"


def _batch_norm(row: LayerRow) -> Found:
    if "num_features" not in row.hyperparameters or not row.input_shapes or "BatchNorm" not in row.type_name:
        return None
    shape = row.input_shapes[0]
    averaged = (shape[0], *shape[2:])
    tracked = any(item.is_buffer and item.name == "running_mean" for item in row.tensors)
    running = "in train mode, the running ones in eval mode" if tracked else "of the batch, also in eval mode"
    per = "channel" if len(shape) > 2 else "feature"  # noqa: PLR2004 - (N, C, …)
    return _norm_rule(row), f"one mean and variance for each {per}, over {format_product(averaged)} values {running}"


def _layer_norm(row: LayerRow) -> Found:
    normalized = row.hyperparameters.get("normalized_shape")
    sizes = tuple(normalized) if isinstance(normalized, tuple) else (normalized,)
    shape = row.input_shapes[0] if row.input_shapes else ()
    # A subclass may normalize another dimension than the last.
    if not sizes or shape[len(shape) - len(sizes) :] != sizes or row.type_name not in ("LayerNorm", "RMSNorm"):
        return None
    positions = prod(shape[: len(shape) - len(sizes)])
    over = f"over {format_product(shape[len(shape) - len(sizes) :])} values"
    if row.type_name == "RMSNorm":
        return "y = x / √(mean of x² + ε) · γ", f"one mean square{_each(positions, 'position')}, {over}"
    return _norm_rule(row), f"one mean and variance{_each(positions, 'position')}, {over}"


def _group_norm(row: LayerRow) -> Found:
    groups, channels = row.hyperparameters.get("num_groups"), row.hyperparameters.get("num_channels")
    if not (isinstance(groups, int) and isinstance(channels, int)) or not row.input_shapes:
        return None
    each = (channels // groups, *row.input_shapes[0][2:])
    return _norm_rule(row), f"one mean and variance{_each(groups, 'group')}, over {format_product(each)} values"


def _each(count: int, noun: str) -> str:
    """Returns ``" for each of 32 groups"``; empty for one."""
    return f" for each of {count:,} {noun}s" if count != 1 else ""


def _attention(row: LayerRow) -> Found:
    width, heads = row.hyperparameters.get("embed_dim"), row.hyperparameters.get("num_heads")
    if not (isinstance(width, int) and isinstance(heads, int)) or heads < 1:
        return None
    if not any("softmax" in op.op or "scaled_dot_product" in op.op for op in row.ops):
        return None
    each = width // heads
    count = "1 head" if heads == 1 else f"{heads} heads"
    return (
        "softmax(Q·Kᵀ / √d)·V for each head",
        f"{count} of {width} / {heads} = {each} features; scores scaled by 1/√{each} = {each**-0.5:.4g}",
    )


def _recurrent(row: LayerRow) -> Found:
    values = row.hyperparameters
    if values.get("proj_size") or not row.input_shapes or "hidden_size" not in values:
        return None
    rules = {
        "LSTM": ("c = f·c + i·g, h = o·tanh(c)", "4 gates: input, forget, cell and output"),
        "GRU": ("h = (1 − z)·n + z·h", "3 gates: reset, update and new"),
        "RNN": (f"h = {'relu' if values.get('mode') == 'RNN_RELU' else 'tanh'}(W·x + b + U·h + c)", "1 product"),
    }
    if row.type_name not in rules:
        return None
    symbols, gates = rules[row.type_name]
    return (symbols, f"{gates}, of {values['hidden_size']} units each, at every step of the sequence in turn")


def _joins(row: LayerRow) -> Found:
    """Describes a module that joins the outputs of others itself: a skip connection, or parallel branches."""
    ops = {op.op.removeprefix("aten.").rstrip("_") for op in row.ops}
    sources = [source or "the root" for source in row.reads_from]
    if len(sources) < 2:  # noqa: PLR2004 - joins two or more
        return None
    listed = f"{', '.join(sources[:-1])} and {sources[-1]}"
    if "cat" in ops:
        return "", f"concatenates the outputs of {listed}"
    if "add" in ops:
        return "", f"adds the outputs of {listed}"
    if "mul" in ops:
        return "", f"multiplies the outputs of {listed}"
    return None
