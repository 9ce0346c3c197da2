"""Finds the origin of an architecture by its name, e.g. for a saved summary."""

from netscope.schema import Architecture
from netscope.sources.base import Origin
from netscope.sources.builtin import BuiltInSource, find_built_in_origin
from netscope.sources.families import find_family_origin
from netscope.sources.timm import TimmSource
from netscope.sources.torchvision import TorchvisionSource


def find_origin(architecture: Architecture) -> Origin | None:
    """Returns the origin of an architecture; None if unknown."""
    if architecture.source == BuiltInSource.name:
        return find_built_in_origin(architecture.name)
    if architecture.source in (TorchvisionSource.name, TimmSource.name):
        return find_family_origin(architecture.name.partition(".")[0])
    return None
