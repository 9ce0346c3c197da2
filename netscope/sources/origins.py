"""Where an architecture comes from, once all that is left of it is its name."""

from netscope.schema import Architecture
from netscope.sources.base import Origin
from netscope.sources.builtin import BuiltInSource, origin_of_built_in
from netscope.sources.families import origin_of_family
from netscope.sources.timm import TimmSource
from netscope.sources.torchvision import TorchvisionSource


def origin_of(architecture: Architecture) -> Origin | None:
    """Where an architecture of a saved summary comes from; None if that is not known."""
    if architecture.source == BuiltInSource.name:
        return origin_of_built_in(architecture.name)
    if architecture.source in (TorchvisionSource.name, TimmSource.name):
        return origin_of_family(architecture.name.partition(".")[0])
    return None
