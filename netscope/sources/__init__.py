"""Resolves the name of an architecture to an ``nn.Module``. torch is imported only when a module is built."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.sources.base import (
        Catalog,
        ModelSource,
        Origin,
        PublishedFigures,
        ResolvedArchitecture,
        unknown_name_error,
    )
    from netscope.sources.construction import build
    from netscope.sources.origins import find_origin
    from netscope.sources.python import resolve_module
    from netscope.sources.registry import (
        BUILT_IN,
        is_cacheable,
        is_registered,
        list_imported_sources,
        list_names,
        load_catalog,
        read_cache_key_content,
        resolve,
    )
    from netscope.sources.spec import parse_value

__all__ = [
    "BUILT_IN",
    "Catalog",
    "ModelSource",
    "Origin",
    "PublishedFigures",
    "ResolvedArchitecture",
    "build",
    "find_origin",
    "is_cacheable",
    "is_registered",
    "list_imported_sources",
    "list_names",
    "load_catalog",
    "parse_value",
    "read_cache_key_content",
    "resolve",
    "resolve_module",
    "unknown_name_error",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
