"""The derivation of the first fully connected layer's input size."""

from math import prod

from netscope.analysis.explain.formatting import format_product, join_sizes
from netscope.schema import Derivation, Summary, drop_batch_dimension

MAX_STEPS = 20
"""The most modules between the feature maps and the layer that only pass them on, such as a flattening or a dropout."""


def derive_flattened_size(summary: Summary) -> Derivation | None:
    """Returns the derivation of the first fully connected layer's input size; None without feature maps."""
    rows = {row.path: row for row in summary.rows}
    linear = next((row for row in summary.rows if "in_features" in row.hyperparameters and row.calls), None)
    if linear is None or not linear.input_shapes or not linear.input_shapes[0]:
        return None
    features = linear.input_shapes[0][-1]
    row = linear
    for _ in range(MAX_STEPS):
        source = rows.get(row.reads_from[0]) if len(row.reads_from) == 1 else None
        shape = source.output_shapes[0] if source is not None and source.output_shapes else ()
        if source is None or prod(shape[1:]) != features:
            return None
        if len(shape) > 2:  # noqa: PLR2004 - (N, C, …)
            maps = drop_batch_dimension(shape)
            return Derivation(
                quantity="first fully connected layer",
                rule="C·H·W",
                arithmetic=f"{join_sizes(maps)} of {source.path} flattened: {format_product(maps)} features for "
                f"{linear.path} ({linear.type_name})",
                value=features,
            )
        row = source
    return None
