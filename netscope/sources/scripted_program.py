"""Checks a TorchScript program before it is loaded, and refuses it if it does more than compute.

Loading a program runs its ``__setstate__`` methods, and tracing runs the rest. Its code is text in Python's grammar, so
it is parsed as Python, and every op in it must be one that only computes.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from netscope.errors import SavedResultError
from netscope.flops.callable_ops import SCRIPT_LANGUAGE, SCRIPT_OPS, is_side_effect_free
from netscope.runtime.archives import open_archive, read_member

_RESTRICTED = frozenset({"torch", "ops", "__torch__", "getattr"})
_ALIAS = "alias."
_SET_STATE = "__setstate__"
_UNBOUNDED = (ast.For, ast.While, ast.BinOp, ast.ListComp, ast.DictComp)
_TESTS = frozenset({"eq", "ne", "len", "__is__", "__isnot__", "__not__"})


def is_scripted(names: Iterable[str]) -> bool:
    """Returns whether these are the members of a TorchScript archive; torch ignores the case of their names."""
    return any("/code/" in name.casefold() for name in names)


def check_scripted_program(path: Path) -> None:
    """Checks that the code in the archive only computes.

    Raises:
        SavedResultError: it does more, the message names the op; or it cannot be parsed.
        ValueError: the archive is not one that torch writes.
        zipfile.BadZipFile: the archive is damaged.
    """
    with open_archive(path, may_compress=True) as archive:
        for name in archive.namelist():
            if is_scripted([name]) and not name.casefold().endswith(".debug_pkl"):
                try:
                    # Decoded as UTF-8, as torch does, whatever encoding a comment in the first line declares.
                    tree = ast.parse(read_member(archive, name).decode())
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                    raise SavedResultError(f"its code in {name[:80]!r} cannot be parsed") from error
                _check_code(tree)


def _check_code(tree: ast.Module) -> None:
    # The nodes of ``a`` and ``a.b`` in ``a.b.c`` are checked as parts of the full name.
    parts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if id(node) not in parts:
            ops = _iterate_ops(node, is_called=id(node) in called)
            name = next((name for name in ops if not _is_allowed(name)), None)
            if name is not None:
                alias = " by another name" * name.startswith(_ALIAS)
                op = name.removeprefix(_ALIAS).lstrip(".")
                raise SavedResultError(f"it uses {op}{alias}, which is unknown or does more than compute")
        if isinstance(node, ast.ClassDef):
            _check_set_state(node)


def _iterate_ops(node: ast.AST, *, is_called: bool) -> Iterator[str]:
    """Yields the ops that a node may call: ``aten.add``, or ``.add`` for a method or attribute of any object."""
    if isinstance(node, ast.Attribute):
        root, *rest = _split_name(node)
        if root == "torch":
            yield "aten." + ".".join(rest)
        elif root == "ops" or (root == "__torch__" and rest[:2] == ["torch", "classes"]):
            yield ".".join(rest[2:] if root == "__torch__" else rest)
        elif root != "__torch__":
            yield from (f".{name}" for name in rest)
    elif isinstance(node, (ast.FunctionDef, ast.arg)):
        yield f".{node.name if isinstance(node, ast.FunctionDef) else node.arg}"
    elif isinstance(node, ast.Name):
        # An alias of a whole namespace could call any op in it.
        if node.id in _RESTRICTED and not (node.id == "getattr" and is_called):
            yield _ALIAS + node.id
        elif node.id == "print":
            yield "prim.Print"
    elif isinstance(node, ast.Call) and _split_name(node.func) == ["getattr"]:
        value = node.args[1].value if len(node.args) == 2 and isinstance(node.args[1], ast.Constant) else None  # noqa: PLR2004
        yield f".{value}" if isinstance(value, str) else f"{_ALIAS}getattr"


def _split_name(node: ast.expr) -> list[str]:
    """Returns the parts of ``a.b.c``; the first is empty if it is not a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return parts[::-1]


def _is_allowed(op: str) -> bool:
    namespace, _, name = op.rpartition(".")
    if namespace in ("", "aten", "prim"):
        is_known = name in SCRIPT_LANGUAGE or is_side_effect_free(f"aten.{name}")
        return is_known or (not namespace and name not in _list_torch_ops())
    return op in SCRIPT_OPS or is_side_effect_free(op)


@cache
def _list_torch_ops() -> frozenset[str]:
    """Returns the names of all torch ops that a method call may refer to."""
    import torch

    names = (schema.name.partition("::") for schema in torch._C._jit_get_all_schemas())
    return frozenset(name for namespace, _, name in names if namespace in ("aten", "prim"))


def _check_set_state(kind: ast.ClassDef) -> None:
    """Checks that the methods that run while a class is loaded only set attributes and pack weights.

    Raises:
        SavedResultError: they do more.
    """
    functions = {item.name: item for item in kind.body if isinstance(item, ast.FunctionDef)}
    pending, seen = [_SET_STATE], set[str]()
    while pending:
        name = pending.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            calls = _split_name(node.func) if isinstance(node, ast.Call) else []
            is_own = calls[:1] == ["self"] and len(calls) == 2 and calls[1] in functions  # noqa: PLR2004
            is_plain = is_own or calls in (["annotate"], ["unchecked_cast"], ["uninitialized"])
            is_plain = is_plain or calls[:2] == ["ops", "quantized"] or (calls[:1] == ["torch"] and calls[1] in _TESTS)
            if isinstance(node, _UNBOUNDED) or (calls and not is_plain):
                raise SavedResultError(f"{_SET_STATE} of {kind.name} does more than set attributes")
            pending += calls[1:] if is_own else []
