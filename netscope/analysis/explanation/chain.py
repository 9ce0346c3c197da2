"""Where the size of the first fully connected layer comes from."""

from math import prod

from netscope.analysis.explanation.notation import by, product_text, without_batch
from netscope.schema import ChainStage, Derivation, LayerRow, Summary


def flattened_size(summary: Summary, chain: tuple[ChainStage, ...]) -> Derivation | None:
    """How many features the first fully connected layer is given, and from which feature maps; None without one."""
    linear = next(
        (row for row in summary.rows if row.own_params and "in_features" in row.hyperparameters and row.calls), None
    )
    if linear is None or not linear.input_shapes or not linear.input_shapes[0]:
        return None
    features = linear.input_shapes[0][-1]
    maps = _last_maps(chain, features, linear)
    if maps is None:
        return None
    shape = without_batch(maps.shape)
    text = f"{by(shape)} of {maps.paths[-1]} flattened: {product_text(shape)} features"
    if prod(shape) != features:
        return None
    return Derivation(
        quantity="first fully connected layer",
        rule="C·H·W",
        arithmetic=f"{text} for {linear.path} ({linear.type_name})",
        value=features,
    )


def _last_maps(chain: tuple[ChainStage, ...], features: int, linear: LayerRow) -> ChainStage | None:
    """The last stage before it whose units, several for each picture in a row, are its features."""
    last = None
    for stage in chain:
        if linear.path in stage.paths:
            break
        if len(stage.shape) > 2 and prod(stage.shape[1:]) == features:  # noqa: PLR2004 - (N, C, …)
            last = stage
    return last
