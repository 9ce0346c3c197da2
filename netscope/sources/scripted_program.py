"""A look at TorchScript before it is loaded: a program that does more than compute is refused with what it would do.

Loading one runs what it says of how it is put together (``__setstate__``), and tracing it runs the rest. Its code is
text, in a grammar that is Python's; so it is read like that, and every op in it has to be one that only computes.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from netscope.errors import BuildError
from netscope.flops import is_callable
from netscope.sources.archive import opened_archive, read_member

_LANGUAGE = frozenset(
    """
    Bool Complex ComplexImplicit Delete Float FloatImplicit Int IntImplicit ScalarImplicit Size __contains__
    __derive_index __getitem__ __is__ __isnot__ __not__ __range_length __round_to_zero_floordiv _get_tracing_state
    _infer_size _list_to_tensor _set_item _shape_as_tensor _size_if_not_equal _tensor_to_list _unwrap_optional
    append as_tensor bin broadcast_shapes can_cast capitalize center chr clear count cpu cuda data degrees device
    dict dim divmod element_size endswith expandtabs extend fabs factorial find floordiv format gamma get get_device
    grad hash hex insert is_autocast_cpu_enabled is_autocast_enabled is_complex is_conj is_contiguous
    is_floating_point is_grad_enabled is_leaf is_neg is_nonzero is_scripting is_signed isalnum isalpha isdecimal
    isdigit isidentifier islower isnumeric isprintable isspace istitle isupper item items join keys len list ljust
    local_value lower lstrip mathremainder modf numel oct ord partition percentFormat pop popitem promote_types
    radians remove replace requires_grad_ result_type reverse rfind rindex rjust rpartition rsplit rstrip set
    setdefault sorted splitlines startswith storage_offset str strip swapcase tensor title to_dense update upper
    wait warn zfill EnumName EnumValue ModuleContainerIndex NumToTensor Print RaiseException StringIndex TupleIndex
    TupleUnpack Uninitialized dtype id is_cpu is_cuda is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_nested
    is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu itemsize layout max min name nbytes rangelist
    requires_grad tolist type unchecked_cast unchecked_unwrap_optional
    """.split()  # noqa: SIM905 - one to a line would take two pages
)
"""Functions, methods and attributes of TorchScript itself."""

_LISTED = frozenset(
    f"quantized.{kind}_{what}"
    for kind in (
        "linear", "conv", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
        "embedding_bag",
    )
    for what in ("prepack", "unpack", "relu")
) | {
    "quantized.linear_prepack_fp16", "quantized.linear_unpack_fp16", "quantized.embedding_byte",
    "quantized.make_quantized_cell_params_dynamic", "quantized.make_quantized_cell_params",
    "torchvision.box_iou_rotated",
}  # fmt: skip
"""Ops that compute and that netscope has no formula for."""

_SETS_STATE = "__setstate__"
_ASKS = frozenset({"eq", "ne", "len", "__is__", "__isnot__", "__not__"})


def check_scripted_program(path: Path) -> None:
    """Checks that the code in the archive does nothing but compute.

    Raises:
        BuildError: it does, with the name of what does more; or it cannot be read.
        zipfile.BadZipFile: the archive is damaged.
    """
    with opened_archive(path, may_compress=True) as archive:
        for name in archive.namelist():
            if "/code/" in name and name.endswith(".py"):
                try:
                    # As text: torch knows no other encoding, whatever a first line may claim.
                    tree = ast.parse(read_member(archive, name).decode())
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                    raise BuildError(f"its code in {name[:80]!r} cannot be read") from error
                _check(tree)


def _check(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        name = next((name for name in _names(node) if not _only_computes(name)), None)
        if name is not None:
            raise BuildError(f"it uses {name.lstrip('.')}, which does more than compute or is unknown")
        if isinstance(node, ast.ClassDef):
            _check_loading(node)


def _names(node: ast.AST) -> Iterator[str]:
    """What a piece of code may call: ``aten.add``, or ``.add`` for a method or an attribute of anything."""
    if isinstance(node, ast.Attribute):
        chain = _chain(node)
        if chain[0] == "torch":
            yield f"aten.{chain[1]}"
        elif chain[0] == "ops" and len(chain) > 2:  # noqa: PLR2004 - a namespace and a name
            yield f"{chain[1]}.{chain[2]}"
        elif chain[0] not in ("ops", "__torch__"):
            yield f".{node.attr}"
    elif isinstance(node, ast.FunctionDef):
        yield f".{node.name}"
    elif isinstance(node, ast.Call) and _chain(node.func) == ["getattr"]:
        constants = (item.value for item in node.args if isinstance(item, ast.Constant))
        yield from (f".{value}" for value in constants if isinstance(value, str) and value.isidentifier())


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its parts; an empty one for what is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return parts[::-1]


def _only_computes(op: str) -> bool:
    namespace, _, name = op.rpartition(".")
    if namespace in ("", "aten", "prim"):
        is_known = name in _LANGUAGE or is_callable(f"aten.{name}")
        return is_known or (not namespace and name not in _ops_of_torch())
    return op in _LISTED or is_callable(op)


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
            is_plain = calls[:1] in (["self"], ["annotate"], ["unchecked_cast"], ["uninitialized"])
            is_plain = is_plain or calls[:2] == ["ops", "quantized"] or (calls[:1] == ["torch"] and calls[1] in _ASKS)
            if isinstance(node, (ast.For, ast.While)) or (calls and not is_plain):
                raise BuildError(f"{_SETS_STATE} of {kind.name} does more than set attributes")
            pending += calls[1:2] if calls[:1] == ["self"] else []
