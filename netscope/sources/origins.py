"""Where an architecture comes from, once all that is left of it is its name."""

from netscope.schema import Architecture
from netscope.sources.base import Origin
from netscope.sources.builtin import BuiltInSource, find_built_in_origin
from netscope.sources.families import find_family_origin
from netscope.sources.timm import TimmSource
from netscope.sources.torchvision import TorchvisionSource


def find_origin(architecture: Architecture) -> Origin | None:
    """Where an architecture of a saved summary comes from; None if that is not known."""
    if architecture.source == BuiltInSource.name:
        return find_built_in_origin(architecture.name)
    if architecture.source in (TorchvisionSource.name, TimmSource.name):
        return find_family_origin(architecture.name.partition(".")[0])
    return None
