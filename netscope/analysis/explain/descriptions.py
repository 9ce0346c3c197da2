"""What else there is to say about a layer: what a norm normalises, how attention splits its width."""

from math import prod

from netscope.analysis.explain.formatting import format_product
from netscope.schema import Derivation, LayerRow


def describe_behavior(row: LayerRow) -> tuple[Derivation, ...]:
    """In words with the figures put in; none for a layer of which there is nothing to say."""
    if not row.output_shapes:
        return ()
    for rule in (_batch_norm, _layer_norm, _group_norm, _attention, _recurrent, _joins):
        found = rule(row)
        if found is not None:
            return (Derivation(quantity="what it does", rule=found[0], arithmetic=found[1], value=None),)
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
    places = (shape[0], *shape[2:])
    tracked = any(item.is_buffer and item.name == "running_mean" for item in row.tensors)
    running = "when training, the running ones when evaluating" if tracked else "of the batch, also when evaluating"
    per = "channel" if len(shape) > 2 else "feature"  # noqa: PLR2004 - (N, C, …)
    return _norm_rule(row), f"one mean and variance for each {per}, over {format_product(places)} values {running}"


def _layer_norm(row: LayerRow) -> Found:
    normalised = row.hyperparameters.get("normalized_shape")
    sizes = tuple(normalised) if isinstance(normalised, tuple) else (normalised,)
    shape = row.input_shapes[0] if row.input_shapes else ()
    # A subclass may normalise another dimension than the last.
    if not sizes or shape[len(shape) - len(sizes) :] != sizes or row.type_name not in ("LayerNorm", "RMSNorm"):
        return None
    places = prod(shape[: len(shape) - len(sizes)])
    over = f"over {format_product(shape[len(shape) - len(sizes) :])} values"
    if row.type_name == "RMSNorm":
        return "y = x / √(mean of x² + ε) · γ", f"one mean square for each of {places:,} places, {over}"
    return _norm_rule(row), f"one mean and variance for each of {places:,} places, {over}"


def _group_norm(row: LayerRow) -> Found:
    groups, channels = row.hyperparameters.get("num_groups"), row.hyperparameters.get("num_channels")
    if not (isinstance(groups, int) and isinstance(channels, int)) or not row.input_shapes:
        return None
    each = (channels // groups, *row.input_shapes[0][2:])
    return _norm_rule(row), f"one mean and variance for each of {groups} groups, over {format_product(each)} values"


def _attention(row: LayerRow) -> Found:
    width, heads = row.hyperparameters.get("embed_dim"), row.hyperparameters.get("num_heads")
    if not (isinstance(width, int) and isinstance(heads, int)) or heads < 1:
        return None
    if not any("softmax" in op.op or "scaled_dot_product" in op.op for op in row.ops):
        return None
    each = width // heads
    return (
        "softmax(Q·Kᵀ / √d)·V for each head",
        f"{heads} heads of {width} / {heads} = {each} features; scores are scaled by 1/√{each} = {each**-0.5:.4g}",
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
    return (
        symbols,
        f"{gates}, of {values['hidden_size']} units each, at every step of the sequence, one after the other",
    )


def _joins(row: LayerRow) -> Found:
    """A module that reads several others' outputs in ops of its own: a skip connection, branches side by side."""
    ops = {op.op.removeprefix("aten.").rstrip("_") for op in row.ops}
    sources = [source or "the root" for source in row.reads_from]
    if len(sources) < 2:  # noqa: PLR2004 - it takes two to join
        return None
    listed = f"{', '.join(sources[:-1])} and {sources[-1]}"
    if "cat" in ops:
        return "", f"puts side by side what {listed} made"
    if "add" in ops:
        return "", f"adds what {listed} made"
    if "mul" in ops:
        return "", f"multiplies what {listed} made"
    return None
