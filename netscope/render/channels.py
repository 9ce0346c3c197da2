"""The shapes of a chain that have their channels first, for drawings to scale."""

import re
from itertools import pairwise

from netscope.schema import ArchitectureReport

_CHANNELS_FIRST = re.compile("(Conv|ConvTranspose|BatchNorm|InstanceNorm|Pool)1d")
"""The types whose input is C×L; other layers take L×D."""


def have_channels_first(report: ArchitectureReport) -> list[bool]:
    """Returns for each stage of the chain whether two sizes after the batch are C×L and not L×D.

    An input has the layout of the layer that takes it.
    """
    taken = {row.path: row.input_shapes for row in report.summary.rows}
    first = [any(map(_CHANNELS_FIRST.search, stage.types)) for stage in report.chain]
    for position, (stage, following) in enumerate(pairwise(report.chain)):
        if stage.types == ("input",) and stage.shape in taken.get(following.paths[0], ()):
            first[position] = _CHANNELS_FIRST.search(following.types[0]) is not None
    return first
