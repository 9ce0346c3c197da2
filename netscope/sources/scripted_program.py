"""A look at TorchScript before it is loaded: a program that does more than compute is refused with what it would do.

Loading one runs what it says of how it is put together (``__setstate__``), and tracing it runs the rest. Its code is
text, in a grammar that is Python's; so it is read like that, and every op in it has to be one that only computes.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from netscope.errors import BuildError
from netscope.flops.callable_ops import SCRIPT_LANGUAGE, SCRIPT_OPS, is_side_effect_free
from netscope.runtime.archives import opened_archive, read_member

_ROOTS = frozenset({"torch", "ops", "__torch__", "getattr"})
_UNNAMED = "unnamed."
_SETS_STATE = "__setstate__"
_REPEATS = (ast.For, ast.While, ast.BinOp, ast.ListComp, ast.DictComp)
_ASKS = frozenset({"eq", "ne", "len", "__is__", "__isnot__", "__not__"})


def is_scripted(names: Iterable[str]) -> bool:
    """Whether these are the members of a TorchScript archive; torch looks them up without regard to case."""
    return any("/code/" in name.casefold() for name in names)


def check_scripted_program(path: Path) -> None:
    """Checks that the code in the archive does nothing but compute.

    Raises:
        BuildError: it does, with the name of what does more; or it cannot be read.
        zipfile.BadZipFile: the archive is damaged.
    """
    with opened_archive(path, may_compress=True) as archive:
        for name in archive.namelist():
            if is_scripted([name]) and not name.casefold().endswith(".debug_pkl"):
                try:
                    # As text: torch knows no other encoding, whatever a first line may claim.
                    tree = ast.parse(read_member(archive, name).decode())
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                    raise BuildError(f"its code in {name[:80]!r} cannot be read") from error
                _check(tree)


def _check(tree: ast.Module) -> None:
    # ``a.b`` in ``a.b.c``, and ``a``: what is looked at as a part of the whole.
    parts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if id(node) not in parts:
            name = next((name for name in _names(node, is_called=id(node) in called) if not _is_harmless(name)), None)
            if name is not None:
                what = name.removeprefix(_UNNAMED) + " by another name" * name.startswith(_UNNAMED)
                raise BuildError(f"it uses {what.lstrip('.')}, which does more than compute or is unknown")
        if isinstance(node, ast.ClassDef):
            _check_loading(node)


def _names(node: ast.AST, *, is_called: bool) -> Iterator[str]:
    """What a piece of code may call: ``aten.add``, or ``.add`` for a method or an attribute of anything."""
    if isinstance(node, ast.Attribute):
        root, *rest = _chain(node)
        if root == "torch":
            yield "aten." + ".".join(rest)
        elif root == "ops" or (root == "__torch__" and rest[:2] == ["torch", "classes"]):
            yield ".".join(rest[2:] if root == "__torch__" else rest)
        elif root != "__torch__":
            yield from (f".{name}" for name in rest)
    elif isinstance(node, (ast.FunctionDef, ast.arg)):
        yield f".{node.name if isinstance(node, ast.FunctionDef) else node.arg}"
    elif isinstance(node, ast.Name):
        # By another name, what stands for all of torch could be anything.
        if node.id in _ROOTS and not (node.id == "getattr" and is_called):
            yield _UNNAMED + node.id
        elif node.id == "print":
            yield "prim.Print"
    elif isinstance(node, ast.Call) and _chain(node.func) == ["getattr"]:
        value = node.args[1].value if len(node.args) == 2 and isinstance(node.args[1], ast.Constant) else None  # noqa: PLR2004
        yield f".{value}" if isinstance(value, str) else f"{_UNNAMED}getattr"


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its parts; an empty one for what is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return parts[::-1]


def _is_harmless(op: str) -> bool:
    namespace, _, name = op.rpartition(".")
    if namespace in ("", "aten", "prim"):
        is_known = name in SCRIPT_LANGUAGE or is_side_effect_free(f"aten.{name}")
        return is_known or (not namespace and name not in _ops_of_torch())
    return op in SCRIPT_OPS or is_side_effect_free(op)


@cache
def _ops_of_torch() -> frozenset[str]:
    """The ops that a method of anything may mean."""
    import torch

    names = (schema.name.partition("::") for schema in torch._C._jit_get_all_schemas())
    return frozenset(name for namespace, _, name in names if namespace in ("aten", "prim"))


def _check_loading(kind: ast.ClassDef) -> None:
    """Checks that what runs while a class is loaded only sets attributes, and packs weights.

    Raises:
        BuildError: it does more.
    """
    functions = {item.name: item for item in kind.body if isinstance(item, ast.FunctionDef)}
    pending, seen = [_SETS_STATE], set[str]()
    while pending:
        name = pending.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            calls = _chain(node.func) if isinstance(node, ast.Call) else []
            is_own = calls[:1] == ["self"] and len(calls) == 2 and calls[1] in functions  # noqa: PLR2004
            is_plain = is_own or calls in (["annotate"], ["unchecked_cast"], ["uninitialized"])
            is_plain = is_plain or calls[:2] == ["ops", "quantized"] or (calls[:1] == ["torch"] and calls[1] in _ASKS)
            if isinstance(node, _REPEATS) or (calls and not is_plain):
                raise BuildError(f"{_SETS_STATE} of {kind.name} does more than set attributes")
            pending += calls[1:] if is_own else []
