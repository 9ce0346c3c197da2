"""Packages whose names are imported on first use (PEP 562), because most commands need few of them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], list[str]]:
    """Returns the ``__getattr__`` and the ``__all__`` of a package.

    Args:
        package: name of the package.
        modules: the names to import from each module of the package. Type checkers read them as imports under
            ``if TYPE_CHECKING:``, which a test compares with these.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def get_attribute(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get_attribute, sorted(module_of)
