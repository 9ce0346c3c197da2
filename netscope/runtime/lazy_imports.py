"""Packages whose names are imported when they are first used: most commands need few of them."""

import ast
import linecache
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def names_of(package: str) -> Callable[[str], Any]:
    """A package's ``__getattr__``, for what it imports under ``if TYPE_CHECKING:``.

    So type checkers and people read the usual imports, and nothing says a second time where a name comes from.
    """
    homes: dict[str, str] = {}

    def attribute(name: str) -> Any:
        if not homes:
            homes.update(_homes(package))
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return attribute


def _homes(package: str) -> dict[str, str]:
    """By name: the module that it is imported from."""
    module = sys.modules[package]
    source = "".join(linecache.getlines(str(module.__file__), vars(module)))
    return {
        alias.name: node.module
        for block in ast.parse(source).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
