"""Stand-ins for what torch imports to answer a question that takes no import: torchvision's compiler, torch's algebra.

torch asks of each size whether it is a symbol, in functions of ``torch.fx.experimental.symbolic_shapes``, which imports
sympy. The sizes of a trace are numbers. torchvision imports ``torch._dynamo`` for a function that it calls only where
an op has to be deterministic on a GPU. Together these take half of the time until the first op.

A stand-in answers for plain numbers and hands all else to the function that it stands for. One is given only to the
modules of torch and torchvision that are known to ask, for the names that are known, and only as long as nobody else
has imported the real one.
"""

import builtins
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, SimpleNamespace
from typing import Any

_COMPILER = "torch._dynamo.utils"
_SYMBOLS = "torch.fx.experimental.symbolic_shapes"
_SETTINGS = "torch.fx.experimental._config"
_ALGEBRA = "sympy"
_import = builtins.__import__


def import_with_stubs(name: str, *how: Any, **named: Any) -> Any:
    """As ``__import__``; ``how`` holds the importing module's names, its locals, and what it wants by name."""
    stand_in = _STAND_INS.get(name)
    if stand_in is None or name in sys.modules or not how or (how[0] or {}).get("__name__") not in stand_in.askers:
        return _import(name, *how, **named)
    # ``import a.b`` gives a; and what imports the real one may count on what that imports.
    fits = ("." not in name or any(how[2:3])) and _SETTINGS in sys.modules
    return stand_in if fits else _import(name, *how, **named)


class _StandIn(SimpleNamespace):
    """In the place of a module, which is imported for whatever else is wanted of it."""

    def __init__(self, module: str, askers: Iterable[str], **names: Any) -> None:
        super().__init__(**names)
        self.module = module
        self.askers = frozenset(askers)

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


def _standing_in(module: str, name: str, answer: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that calls ``answer``, and the real one where that has none."""

    def stand_in(*arguments: Any, **named: Any) -> Any:
        found = answer(*arguments) if answer and not named else None
        return getattr(import_module(module), name)(*arguments, **named) if found is None else found

    return stand_in


def _itself(value: Any, *_: Any) -> bool | None:
    """What may be assumed of a condition: of a plain one, what it is."""
    return value if type(value) is bool else None


def _all(*values: Any) -> bool | None:
    return all(values) if {*map(type, values)} == {bool} else None


def _any(*values: Any) -> bool | None:
    return any(values) if {*map(type, values)} == {bool} else None


def _equal(left: Any, right: Any) -> bool | None:
    """Of two sizes, or of two shapes."""
    if type(left) is int and type(right) is int:
        return left == right
    if not (isinstance(left, (list, tuple)) and isinstance(right, (list, tuple))):
        return None
    plain = all(type(size) is int for size in (*left, *right))
    return tuple(left) == tuple(right) if plain else None


def _not_nested(size: Any) -> bool | None:
    return False if type(size) is int else None


_ANSWERS: Mapping[str, Callable[..., bool | None]] = MappingProxyType(
    {
        "expect_true": _itself,
        "guard_or_false": _itself,
        "guard_or_true": _itself,
        "guard_size_oblivious": _itself,
        "is_nested_int": _not_nested,
        "statically_known_true": _itself,
        "sym_and": _all,
        "sym_eq": _equal,
        "sym_or": _any,
    }
)
"""What stands in for functions of ``_SYMBOLS``."""

_RARE = ("guarding_hint_or_throw", "has_guarding_hint")
"""Those that are imported beside others, and seldom called."""

_STAND_INS: Mapping[str, _StandIn] = MappingProxyType(
    {
        _COMPILER: _StandIn(
            _COMPILER,
            ["torchvision.ops.roi_align"],
            is_compile_supported=_standing_in(_COMPILER, "is_compile_supported"),
        ),
        _SYMBOLS: _StandIn(
            _SYMBOLS,
            [
                "torch", "torch._decomp.decompositions", "torch._meta_registrations", "torch._prims",
                "torch._prims_common", "torch._refs", "torch._refs.linalg", "torch._refs.nn.functional",
            ],
            **{name: _standing_in(_SYMBOLS, name, answer) for name, answer in _ANSWERS.items()},
            **{name: _standing_in(_SYMBOLS, name) for name in _RARE},
        ),
        # It is asked only whether something is an expression; as long as there is no sympy, nothing is.
        _ALGEBRA: _StandIn(_ALGEBRA, ["torch._prims_common"], Basic=type("Basic", (), {})),
    }
)  # fmt: skip
"""By the name of the module that each stands for."""
