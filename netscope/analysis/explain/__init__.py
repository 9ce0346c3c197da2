"""How the figures of each layer come about, in the reader's own numbers.

Each part knows the arithmetic of some layers, by the hyperparameters that they keep. What it derives is held against
what the pass itself gave; where the two differ, as in a subclass that computes otherwise, nothing is said.
"""

from collections.abc import Mapping

from netscope.analysis.explain.chain import derive_flattened_size
from netscope.analysis.explain.descriptions import describe_behavior
from netscope.analysis.explain.macs import derive_macs
from netscope.analysis.explain.parameters import derive_params
from netscope.analysis.explain.receptive_fields import derive_receptive_field
from netscope.analysis.explain.sizes import derive_sizes, spatial_rank
from netscope.schema import Derivation, LayerRow

__all__ = ["derive_flattened_size", "explain_layer", "find_remedy"]


def find_remedy(row: LayerRow) -> str:
    """The hyperparameter with which a layer would take what it was given, ``"fc.in_features=6400"``; empty if none."""
    shape = row.input_shapes[0] if row.input_shapes else ()
    groups = row.hyperparameters.get("groups", 1)
    for name, axis in (("in_features", -1), ("in_channels", -spatial_rank(row) - 1), ("num_features", 1)):
        expected = row.hyperparameters.get(name)
        if not isinstance(expected, int) or len(shape) <= abs(axis) - (axis < 0) or shape[axis] == expected:
            continue
        if not isinstance(groups, int) or shape[axis] % groups == 0:
            return f"{row.path}.{name}={shape[axis]}"
    return ""


def explain_layer(row: LayerRow, rows: Mapping[str, LayerRow]) -> tuple[Derivation, ...]:
    """Those of one module.

    Args:
        row: the module's.
        rows: all, by path.
    """
    found = [*derive_sizes(row), derive_params(row), derive_macs(row), derive_receptive_field(row, rows)]
    return (*(item for item in found if item is not None), *describe_behavior(row))
