"""Resolves the name of an architecture to an ``nn.Module``. torch is imported only when a module is built."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.sources.base import Catalog as Catalog
    from netscope.sources.base import ModelSource as ModelSource
    from netscope.sources.base import Origin as Origin
    from netscope.sources.base import PublishedFigures as PublishedFigures
    from netscope.sources.base import ResolvedArchitecture as ResolvedArchitecture
    from netscope.sources.base import unknown_name_error as unknown_name_error
    from netscope.sources.construction import build as build
    from netscope.sources.origins import find_origin as find_origin
    from netscope.sources.python import STDIN as STDIN
    from netscope.sources.python import resolve_module as resolve_module
    from netscope.sources.registry import BUILT_IN as BUILT_IN
    from netscope.sources.registry import SOURCES as SOURCES
    from netscope.sources.registry import Location as Location
    from netscope.sources.registry import is_cacheable as is_cacheable
    from netscope.sources.registry import is_registered as is_registered
    from netscope.sources.registry import list_names as list_names
    from netscope.sources.registry import list_sources as list_sources
    from netscope.sources.registry import load_catalog as load_catalog
    from netscope.sources.registry import locate as locate
    from netscope.sources.registry import read_cache_key_content as read_cache_key_content
    from netscope.sources.registry import resolve as resolve
    from netscope.sources.spec import parse_value as parse_value
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "base": ["Catalog", "ModelSource", "Origin", "PublishedFigures", "ResolvedArchitecture",
                "unknown_name_error"],
            "construction": ["build"],
            "origins": ["find_origin"],
            "python": ["STDIN", "resolve_module"],
            "registry": ["BUILT_IN", "Location", "SOURCES", "is_cacheable", "is_registered", "list_names",
                "list_sources", "load_catalog", "locate", "read_cache_key_content", "resolve"],
            "spec": ["parse_value"],
        },
    )  # fmt: skip
