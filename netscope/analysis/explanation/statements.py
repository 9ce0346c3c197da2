"""What else there is to say about a layer: what a norm normalises, how attention splits its width."""

from math import prod

from netscope.analysis.explanation.notation import product_text
from netscope.schema import Derivation, LayerRow


def statements(row: LayerRow) -> tuple[Derivation, ...]:
    """In words with the figures put in; none for a layer of which there is nothing to say."""
    if not row.output_shapes:
        return ()
    for rule in (_batch_norm, _layer_norm, _group_norm, _attention, _recurrent, _joins):
        found = rule(row)
        if found is not None:
            return (Derivation(quantity="what it does", rule=found[0], arithmetic=found[1], value=None),)
    return ()


Found = tuple[str, str] | None

_NORM = "y = (x − mean) / √(variance + ε) · γ + β"


def _batch_norm(row: LayerRow) -> Found:
    if "num_features" not in row.hyperparameters or not row.input_shapes:
        return None
    shape = row.input_shapes[0]
    places = (shape[0], *shape[2:])
    buffers = [item for item in row.tensors if item.is_buffer and item.shape]
    running = "the running ones when evaluating" if buffers else "of each picture by itself"
    per = "channel" if len(shape) > 2 else "feature"  # noqa: PLR2004 - (N, C, …)
    text = f"one mean and variance for each {per}: when training over {product_text(places)} values, {running}"
    return _NORM, text


def _layer_norm(row: LayerRow) -> Found:
    normalised = row.hyperparameters.get("normalized_shape")
    sizes = normalised if isinstance(normalised, tuple) else (normalised,)
    if not all(isinstance(size, int) for size in sizes) or not row.input_shapes:
        return None
    shape = row.input_shapes[0]
    own = shape[len(shape) - len(sizes) :]
    places = prod(shape[: len(shape) - len(sizes)])
    text = f"one mean and variance for each of {places:,} places, over {product_text(own)} values"
    if "RMS" in row.type_name:
        return "y = x / √(mean of x² + ε) · γ", text.replace("mean and variance", "mean square")
    return _NORM, text


def _group_norm(row: LayerRow) -> Found:
    groups, channels = row.hyperparameters.get("num_groups"), row.hyperparameters.get("num_channels")
    if not (isinstance(groups, int) and isinstance(channels, int)) or not row.input_shapes:
        return None
    each = (channels // groups, *row.input_shapes[0][2:])
    return _NORM, f"one mean and variance for each of {groups} groups, over {product_text(each)} values"


def _attention(row: LayerRow) -> Found:
    width, heads = row.hyperparameters.get("embed_dim"), row.hyperparameters.get("num_heads")
    if not (isinstance(width, int) and isinstance(heads, int)) or heads < 1:
        return None
    each = width // heads
    return (
        "softmax(Q·Kᵀ / √d)·V for each head",
        f"{heads} heads of {width} / {heads} = {each} features; scores are scaled by 1/√{each} = {each**-0.5:.4g}",
    )


def _recurrent(row: LayerRow) -> Found:
    rules = {
        "LSTM": ("c = f·c + i·g, h = o·tanh(c)", "4 gates: input, forget, cell and output"),
        "GRU": ("h = (1 − z)·n + z·h", "3 gates: reset, update and new"),
        "RNN": ("h = tanh(W·x + b + U·h + c)", "1 gate"),
    }
    found = next((rule for name, rule in rules.items() if row.type_name.startswith(name)), None)
    if found is None or not row.input_shapes or "hidden_size" not in row.hyperparameters:
        return None
    symbols, gates = found
    hidden = row.hyperparameters["hidden_size"]
    return symbols, f"{gates}, of {hidden} units each, at every step of the sequence, one after the other"


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
