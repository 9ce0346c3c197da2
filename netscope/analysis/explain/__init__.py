"""The arithmetic behind each layer's shapes, counts and receptive field, in the architecture's own numbers.

Each file has the arithmetic of some layers, which it recognizes by their hyperparameters. A derivation is compared with
the result of the trace and dropped if they differ, as for a subclass that computes something else.
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
    """Returns the change that makes a layer accept its input, ``"fc.in_features=6400"``; empty if there is none."""
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
    """Returns the derivations of one module's numbers.

    Args:
        row: row of the module.
        rows: all rows, by path.
    """
    found = [*derive_sizes(row), derive_params(row), derive_macs(row), derive_receptive_field(row, rows)]
    return (*(item for item in found if item is not None), *describe_behavior(row))
