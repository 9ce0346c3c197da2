"""A name → an ``nn.Module``. Nothing here imports torch before something is built."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.sources.base import Catalogue as Catalogue
    from netscope.sources.base import ModelSource as ModelSource
    from netscope.sources.base import Origin as Origin
    from netscope.sources.base import Published as Published
    from netscope.sources.base import ResolvedArchitecture as ResolvedArchitecture
    from netscope.sources.base import unknown_name as unknown_name
    from netscope.sources.construction import build as build
    from netscope.sources.origins import origin_of as origin_of
    from netscope.sources.python import user_module as user_module
    from netscope.sources.registry import BUILT_IN as BUILT_IN
    from netscope.sources.registry import cacheable_content as cacheable_content
    from netscope.sources.registry import catalogue as catalogue
    from netscope.sources.registry import is_cacheable as is_cacheable
    from netscope.sources.registry import is_registered as is_registered
    from netscope.sources.registry import list_names as list_names
    from netscope.sources.registry import resolve as resolve
    from netscope.sources.registry import sources_at_hand as sources_at_hand
    from netscope.sources.spec import parse_value as parse_value
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "base": ["Catalogue", "ModelSource", "Origin", "Published", "ResolvedArchitecture", "unknown_name"],
            "construction": ["build"],
            "origins": ["origin_of"],
            "python": ["user_module"],
            "registry": ["BUILT_IN", "cacheable_content", "catalogue", "is_cacheable", "is_registered", "list_names",
                "resolve", "sources_at_hand"],
            "spec": ["parse_value"],
        },
    )  # fmt: skip
