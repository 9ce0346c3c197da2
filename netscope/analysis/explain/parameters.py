"""The derivation of a layer's parameter count."""

from math import prod

from netscope.analysis.explain.formatting import join_factors, join_sizes
from netscope.schema import Derivation, LayerRow

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""The number of gates of a recurrent layer, by the beginning of its class's name."""


def derive_params(row: LayerRow) -> Derivation | None:
    """Returns the derivation of a row's own parameter count; None if it has no parameters."""
    if not row.own.params:
        return None
    for rule in (_convolution, _linear, _norm, _embedding, _attention, _recurrent):
        found = rule(row)
        if found is not None and found[2] == row.own.params:
            symbols, numbers, value = found
            return Derivation(
                quantity="parameters",
                rule=symbols,
                arithmetic=f"{numbers} = {value:,}",
                value=value,
                short=f"{numbers} = {value:,}",
            )
    return _list_tensors(row)


Found = tuple[str, str, int] | None


def integers(row: LayerRow, *names: str) -> tuple[int, ...] | None:
    """Returns the values of these hyperparameters; None if one is missing or not an integer."""
    values = tuple(row.hyperparameters.get(name) for name in names)
    return tuple(value for value in values if isinstance(value, int)) if all(type(v) is int for v in values) else None


def has_bias(row: LayerRow) -> bool:
    """Whether one of its parameters is a bias."""
    return any("bias" in item.name for item in row.tensors if not item.is_buffer)


def kernel_of(row: LayerRow) -> tuple[int, ...]:
    """Returns the sizes of a layer's kernel; empty if it has none."""
    weight = next((item.shape for item in row.tensors if item.name == "weight"), None)
    return weight[2:] if weight is not None else ()


def _convolution(row: LayerRow) -> Found:
    channels = integers(row, "in_channels", "out_channels")
    if channels is None or "kernel_size" not in row.hyperparameters:
        return None
    groups = row.hyperparameters.get("groups", 1)
    if not isinstance(groups, int) or groups < 1:
        return None
    before, after = channels
    weights = join_factors((*kernel_of(row), before // groups))
    each = prod(kernel_of(row)) * before // groups
    symbols = "K·K·C_in" + ("/groups" if groups > 1 else "")
    if has_bias(row):
        return f"({symbols} + 1)·C_out", f"({weights} + 1)·{after}", (each + 1) * after
    return f"{symbols}·C_out", f"{weights}·{after}", each * after


def _linear(row: LayerRow) -> Found:
    features = integers(row, "in_features", "out_features")
    if features is None:
        return None
    before, after = features
    if has_bias(row):
        return "(in + 1)·out", f"({before} + 1)·{after}", (before + 1) * after
    return "in·out", f"{before}·{after}", before * after


def _norm(row: LayerRow) -> Found:
    weight = next((item for item in row.tensors if item.name == "weight" and not item.is_buffer), None)
    is_norm = {"num_features", "num_channels", "normalized_shape"} & row.hyperparameters.keys()
    if weight is None or weight.shape is None or not is_norm:
        return None
    scaled = join_factors(weight.shape)
    if has_bias(row):
        return "a scale γ and a shift β for each", f"2·{scaled}", 2 * prod(weight.shape)
    return "a scale γ for each", scaled, prod(weight.shape)


def _embedding(row: LayerRow) -> Found:
    sizes = integers(row, "num_embeddings", "embedding_dim")
    return None if sizes is None else ("a vector for each id", join_factors(sizes), prod(sizes))


def _attention(row: LayerRow) -> Found:
    sizes = integers(row, "embed_dim", "num_heads")
    if sizes is None:
        return None
    width = sizes[0]
    bias = f" + {width}" if has_bias(row) else ""
    one = width * width + (width if has_bias(row) else 0)
    # torch's attention layer has its output projection as a child, whose weights it uses without calling it.
    if row.own.params == one * 3:
        return "Q, K and V: 3·(E·E + E)", f"3·({width}·{width}{bias})", one * 3
    return "Q, K, V and the output: 4·(E·E + E)", f"4·({width}·{width}{bias})", one * 4


def sum_gates(row: LayerRow, biases: int) -> tuple[int, list[str], int] | None:
    """Returns a recurrent layer's gates, its weights as terms, and their sum, with this many biases per unit."""
    sizes = integers(row, "input_size", "hidden_size", "num_layers")
    gates = next((count for name, count in GATES.items() if row.type_name.startswith(name)), None)
    if sizes is None or gates is None or row.hyperparameters.get("proj_size"):
        return None
    features, hidden, layers = sizes
    directions = 2 if row.hyperparameters.get("bidirectional") else 1
    terms, total = [], 0
    for number in range(layers):
        before = features if number == 0 else hidden * directions
        added = f" + {biases}" if biases else ""
        terms.append(f"{gates}·{hidden}·({before} + {hidden}{added})" + (f"·{directions}" if directions > 1 else ""))
        total += gates * hidden * (before + hidden + biases) * directions
    return gates, terms, total


def _recurrent(row: LayerRow) -> Found:
    biases = 2 if has_bias(row) else 0
    found = sum_gates(row, biases)
    if found is None:
        return None
    gates, terms, total = found
    each = "each layer and direction" if row.hyperparameters.get("bidirectional") else "each layer"
    return f"{gates}·hidden·(in + hidden + {biases}) for {each}", " + ".join(terms), total


def _list_tensors(row: LayerRow) -> Derivation:
    """Returns the shape of each tensor and the sum of their sizes."""
    parts = [
        f"{item.name} {join_sizes(item.shape)}"
        for item in row.tensors
        if not item.is_buffer and item.shared_with is None and item.shape is not None
    ]
    text = f"{' + '.join(parts)} = {row.own.params:,}"
    return Derivation(quantity="parameters", rule="", arithmetic=text, value=row.own.params, short=text)
