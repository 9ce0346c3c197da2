"""Families of layers, by their hyperparameters: what one layer may replace in another architecture."""

from netscope.schema.layer import LayerRow

_FAMILIES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"in_channels", "out_channels", "kernel_size"}), "convolution"),
    (frozenset({"in_features", "out_features"}), "linear"),
    (frozenset({"nf", "nx"}), "linear"),  # transformers' Conv1D
    (frozenset({"nf", "nx"}), "linear"),  # transformers' Conv1D
    (frozenset({"input_size", "hidden_size"}), "recurrent"),
    (frozenset({"embed_dim", "num_heads"}), "attention"),
    (frozenset({"num_embeddings", "embedding_dim"}), "embedding"),
    (frozenset({"num_features"}), "normalization"),
    (frozenset({"normalized_shape"}), "normalization"),
    (frozenset({"num_channels", "num_groups"}), "normalization"),
    (frozenset({"num_parameters"}), "activation"),
    (frozenset({"kernel_size"}), "pooling"),
    (frozenset({"output_size"}), "pooling"),
)
"""The hyperparameters that identify a family of layers, whatever their class."""


def find_family(row: LayerRow) -> str:
    """Returns the family of a layer, such as ``"pooling"``; the name of its class if no family is known."""
    name = row.type_name.lower()
    for keys, found in _FAMILIES:
        if keys <= row.hyperparameters.keys():
            return f"transposed {found}" if "transpose" in name else found
    if "drop" in name or name == "identity":
        return "dropout"
    if "norm" in name:
        return "normalization"
    if "pool" in name:
        return "pooling"
    is_elementwise = not row.tensors and row.calls and row.input_shapes[:1] == row.output_shapes != ()
    if is_elementwise and row.operations:
        return "activation"
    return row.type_name
