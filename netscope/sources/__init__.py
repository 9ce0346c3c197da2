"""A name → an ``nn.Module``. Nothing here imports torch before something is built."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.sources.base import Catalogue, ModelSource, Origin, Published, ResolvedArchitecture, unknown_name
    from netscope.sources.construction import build
    from netscope.sources.origins import origin_of
    from netscope.sources.python import user_module
    from netscope.sources.registry import (
        BUILT_IN,
        cacheable_content,
        catalogue,
        is_cacheable,
        is_registered,
        list_names,
        resolve,
        sources_at_hand,
    )
    from netscope.sources.spec import parse_value

__all__ = [
    "BUILT_IN",
    "Catalogue",
    "ModelSource",
    "Origin",
    "Published",
    "ResolvedArchitecture",
    "build",
    "cacheable_content",
    "catalogue",
    "is_cacheable",
    "is_registered",
    "list_names",
    "origin_of",
    "parse_value",
    "resolve",
    "sources_at_hand",
    "unknown_name",
    "user_module",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
