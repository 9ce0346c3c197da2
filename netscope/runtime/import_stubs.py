"""Stubs for modules that torch and torchvision import only to call a function whose result is known without them.

torch checks each size for being a symbol with functions of ``torch.fx.experimental.symbolic_shapes``, which imports
sympy. The sizes of a trace are plain integers. torchvision imports ``torch._dynamo`` for a function that it calls only
where an op must be deterministic on a GPU. Together these imports take half of the time until the first op.

A stub computes the result for plain numbers and otherwise calls the function of the real module. Only the modules of
torch and torchvision that are known to import these names get one, and only until the real module is imported.
"""

import builtins
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, SimpleNamespace
from typing import Any

_DYNAMO = "torch._dynamo.utils"
_SYMBOLIC_SHAPES = "torch.fx.experimental.symbolic_shapes"
_FX_CONFIG = "torch.fx.experimental._config"
_SYMPY = "sympy"
_import = builtins.__import__


def import_with_stubs(name: str, *args: Any, **kwargs: Any) -> Any:
    """Returns the module as ``__import__`` does, or its stub; ``args`` are globals, locals and the imported names."""
    stub = _STUBS.get(name)
    if stub is None or name in sys.modules or not args or (args[0] or {}).get("__name__") not in stub.importers:
        return _import(name, *args, **kwargs)
    # ``import a.b`` returns a; and an importer may rely on other modules that the real one imports.
    is_replaceable = ("." not in name or any(args[2:3])) and _FX_CONFIG in sys.modules
    return stub if is_replaceable else _import(name, *args, **kwargs)


class _StubModule(SimpleNamespace):
    """A stand-in for a module, which is imported when any other attribute is used."""

    def __init__(self, module: str, importers: Iterable[str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.module = module
        self.importers = frozenset(importers)

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


def _stub_function(module: str, name: str, compute: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Returns a function that calls ``compute``, and the real function if the result is None."""

    def stub(*args: Any, **kwargs: Any) -> Any:
        result = compute(*args) if compute and not kwargs else None
        return getattr(import_module(module), name)(*args, **kwargs) if result is None else result

    return stub


def _bool(value: Any, *_: Any) -> bool | None:
    """Returns the value of a condition on plain numbers."""
    return value if type(value) is bool else None


def _all(*values: Any) -> bool | None:
    return all(values) if {*map(type, values)} == {bool} else None


def _any(*values: Any) -> bool | None:
    return any(values) if {*map(type, values)} == {bool} else None


def _equal(left: Any, right: Any) -> bool | None:
    """Returns whether two sizes, or two shapes, are equal."""
    if type(left) is int and type(right) is int:
        return left == right
    if not (isinstance(left, (list, tuple)) and isinstance(right, (list, tuple))):
        return None
    plain = all(type(size) is int for size in (*left, *right))
    return tuple(left) == tuple(right) if plain else None


def _not_nested(size: Any) -> bool | None:
    return False if type(size) is int else None


_PLAIN_RESULTS: Mapping[str, Callable[..., bool | None]] = MappingProxyType(
    {
        "expect_true": _bool,
        "guard_or_false": _bool,
        "guard_or_true": _bool,
        "guard_size_oblivious": _bool,
        "is_nested_int": _not_nested,
        "statically_known_true": _bool,
        "sym_and": _all,
        "sym_eq": _equal,
        "sym_or": _any,
    }
)
"""Functions that return the results of ``_SYMBOLIC_SHAPES`` for plain numbers, by name."""

_RARELY_CALLED = ("guarding_hint_or_throw", "has_guarding_hint")
"""Functions that are imported together with the others and seldom called."""

_STUBS: Mapping[str, _StubModule] = MappingProxyType(
    {
        _DYNAMO: _StubModule(
            _DYNAMO,
            ["torchvision.ops.roi_align"],
            is_compile_supported=_stub_function(_DYNAMO, "is_compile_supported"),
        ),
        _SYMBOLIC_SHAPES: _StubModule(
            _SYMBOLIC_SHAPES,
            [
                "torch", "torch._decomp.decompositions", "torch._meta_registrations", "torch._prims",
                "torch._prims_common", "torch._refs", "torch._refs.linalg", "torch._refs.nn.functional",
            ],
            **{name: _stub_function(_SYMBOLIC_SHAPES, name, compute) for name, compute in _PLAIN_RESULTS.items()},
            **{name: _stub_function(_SYMBOLIC_SHAPES, name) for name in _RARELY_CALLED},
        ),
        # torch only checks whether a value is an expression; nothing is while sympy is not imported.
        _SYMPY: _StubModule(_SYMPY, ["torch._prims_common"], Basic=type("Basic", (), {})),
    }
)  # fmt: skip
"""The stubs by the name of the module that each replaces."""
