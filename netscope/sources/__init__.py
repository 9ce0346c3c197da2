"""A name → an ``nn.Module``. Nothing here imports torch before something is built."""

from netscope.sources.base import ModelSource, Origin, Published, ResolvedArchitecture, unknown_name
from netscope.sources.construction import build
from netscope.sources.origins import origin_of
from netscope.sources.python import lent_module
from netscope.sources.registry import list_names, resolve
from netscope.sources.spec import parse_value

__all__ = [
    "ModelSource",
    "Origin",
    "Published",
    "ResolvedArchitecture",
    "build",
    "lent_module",
    "list_names",
    "origin_of",
    "parse_value",
    "resolve",
    "unknown_name",
]
