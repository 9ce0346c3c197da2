"""A name → an ``nn.Module``. Nothing here imports torch before something is built."""

from netscope.sources.base import ModelSource, Published, ResolvedArchitecture, unknown_name
from netscope.sources.construction import build
from netscope.sources.python import lent_module
from netscope.sources.registry import list_names, resolve

__all__ = [
    "ModelSource",
    "Published",
    "ResolvedArchitecture",
    "build",
    "lent_module",
    "list_names",
    "resolve",
    "unknown_name",
]
