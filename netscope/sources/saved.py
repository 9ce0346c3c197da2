"""Resolves saved files: exported programs, TorchScript programs, and weights without a forward pass.

Pickles are read by ``torch.load(weights_only=True)``, which refuses everything except tensors and plain data.
"""

import io
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netscope.errors import MissingExtraError, SavedResultError, UnknownNameError, UsageError
from netscope.runtime.archives import open_archive, read_member
from netscope.runtime.files import expand_home
from netscope.runtime.pickles import check_nesting
from netscope.schema import Architecture
from netscope.schema.inputs import ForwardInputs
from netscope.sources.base import ResolvedArchitecture
from netscope.sources.spec import FILE_SOURCE

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_DEPTH, MAX_TENSORS = 100, 100_000
"""Limits on the nesting of modules and the number of tensors, above those of any real model."""

STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "module")
"""Keys of the weights in checkpoints that also contain other state."""

BUFFER_NAMES = frozenset(
    {
        "running_mean", "running_var", "num_batches_tracked", "position_ids", "token_type_ids", "inv_freq",
        "relative_position_index", "attn_mask", "masked_bias",
    }
)  # fmt: skip
"""Usual names of buffers; a weights file does not distinguish them from parameters."""

SAFETENSORS_DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
        "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    }
)  # fmt: skip


def resolve_saved(text: str, target: str, options: dict[str, Any]) -> ResolvedArchitecture:
    """Returns the program or the weights in the file ``target``.

    Raises:
        UnknownNameError: the file does not exist.
        UsageError: options are given, which a saved file does not take.
        SavedResultError: the file cannot be read, or contains more than data.
        MissingExtraError: the package that reads it is not installed.
    """
    path = expand_home(target)
    if not path.is_file():
        raise UnknownNameError(f"{text}: file {target!r} not found")
    if options:
        raise UsageError(f"{text}: a saved file takes no @ options")
    return READERS[path.suffix](path, text)


def _read_exported_program(path: Path, text: str) -> ResolvedArchitecture:
    """Returns the program that ``torch.export.save`` wrote, as plain data."""
    from netscope.sources.program import read_program

    with _translate_errors(text, "an exported program"):
        program = read_program(path)
    return replace(_make_resolved(text, path, _no_module, lambda _module: None, user_owned=False), program=program)


def _no_module() -> "nn.Module":
    raise NotImplementedError  # callers use ``ResolvedArchitecture.program`` instead


def _read_archive(path: Path, text: str) -> ResolvedArchitecture:
    """Returns the TorchScript program or the pickled state dict in a ``.pt``, ``.pth``, ``.bin`` or ``.ckpt`` file."""
    import torch

    from netscope.sources.scripted_program import check_scripted_program, is_scripted

    is_zip = zipfile.is_zipfile(path)
    names: list[str] = []
    if is_zip:
        with _translate_errors(text, "an archive"), open_archive(path, may_compress=True) as archive:
            names = archive.namelist()
    if is_scripted(names):
        with _translate_errors(text, "a scripted program"):
            check_pickles(path, may_compress=True)
            check_scripted_program(path)
            module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        return _make_resolved(text, path, lambda: module, lambda _module: None, user_owned=True)
    # Memory-mapped, so no values are read and tied tensors still have the same address.
    with _translate_errors(text, "a state dict"):
        check_pickles(path)
        content = torch.load(path, map_location="cpu" if is_zip else "meta", mmap=is_zip, weights_only=True)
        states = _copy_to_meta(_find_state_dict(content))
    if not states:
        raise SavedResultError(f"{text}: {path.name} is not a state dict: it contains no named tensors")
    return _resolve_weights(text, path, states)


def check_pickles(path: Path, *, may_compress: bool = False) -> None:
    """Checks an archive or an older pickle file, whose pickles must not be nested too deeply for torch's readers.

    Raises:
        ValueError: a pickle is nested too deeply or damaged, or the archive is not one that torch writes.
        zipfile.BadZipFile: the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            check_nesting(file)
        return
    with open_archive(path, may_compress=may_compress) as archive:
        for name in archive.namelist():
            if name.casefold().endswith(".pkl"):
                check_nesting(io.BytesIO(read_member(archive, name)), is_single=True)


def _read_safetensors(path: Path, text: str) -> ResolvedArchitecture:
    """Returns the weights that the header of a safetensors file describes; their values are not read."""
    import torch

    try:
        from safetensors import safe_open
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{text}: reading this file needs safetensors; run pip install safetensors") from error
    states: dict[str, Tensor] = {}
    with _translate_errors(text, "a file of safetensors"), safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - the file object is not iterable
            part = file.get_slice(name)
            dtype = getattr(torch, SAFETENSORS_DTYPES.get(part.get_dtype(), ""), None)
            if dtype is None:
                raise SavedResultError(f"{name} has the dtype {part.get_dtype()}, which torch does not support")
            states[name] = torch.empty(tuple(part.get_shape()), dtype=dtype, device="meta")
    return _resolve_weights(text, path, states)


READERS: Mapping[str, Callable[[Path, str], ResolvedArchitecture]] = MappingProxyType(
    {
        ".pt2": _read_exported_program,
        ".safetensors": _read_safetensors,
        **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _read_archive),
    }
)
"""The reader of a file, by its suffix."""


def _make_resolved(
    text: str,
    path: Path,
    factory: Callable[[], "nn.Module"],
    default_inputs: Callable[["nn.Module"], ForwardInputs | None],
    *,
    user_owned: bool,
) -> ResolvedArchitecture:
    return ResolvedArchitecture(
        architecture=Architecture(spec=text, source=FILE_SOURCE, name=str(path), options={}, description=""),
        factory=factory,
        default_inputs=default_inputs,
        user_owned=user_owned,
    )


def _resolve_weights(text: str, path: Path, states: Mapping[str, "Tensor"]) -> ResolvedArchitecture:
    """Returns the module tree that the dotted names describe, containing only tensors."""
    resolved = _make_resolved(
        text, path, lambda: _build_module(states), lambda _module: ForwardInputs(kwargs={}), user_owned=False
    )
    return replace(resolved, runs=False)


def _build_module(states: Mapping[str, "Tensor"]) -> "nn.Module":
    from torch import nn

    class Weights(nn.Module):
        """A module without code: one level of the dotted names."""

        def forward(self) -> None:
            """Does nothing, because weights do not define a forward pass."""

    root = Weights()
    for path, tensor in states.items():
        *parents, name = path.split(".")
        module: nn.Module = root
        for parent in parents:
            # add_module refuses names that are attributes of nn.Module.
            module = module._modules.setdefault(parent, Weights())  # type: ignore[assignment]  # never None here
        if name in BUFFER_NAMES:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
    return root


def _find_state_dict(content: Any) -> dict[str, "Tensor"]:
    """Returns the tensors of a checkpoint by name, without training state and settings."""
    found = content
    for key in STATE_DICT_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            found = content[key]
            break
    states: dict[str, Tensor] = {}
    for name, tensor in _iterate_tensors(found, "", set()):
        if name.count(".") > MAX_DEPTH or len(states) > MAX_TENSORS:
            raise SavedResultError(f"it has more than {MAX_TENSORS:,} tensors, or more than {MAX_DEPTH} nested modules")
        states[name] = tensor
    return states


def _iterate_tensors(content: Any, prefix: str, visited: set[int]) -> Iterator[tuple[str, "Tensor"]]:
    """Yields the tensors in nested mappings under their dotted paths, visiting each mapping once."""
    import torch

    if isinstance(content, Mapping) and id(content) not in visited:
        visited.add(id(content))
        for name, value in content.items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}{name}", value
            else:
                yield from _iterate_tensors(value, f"{prefix}{name}.", visited)


def _copy_to_meta(states: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Returns the tensors on meta; tied tensors stay tied."""
    import torch

    copies: dict[tuple[Any, ...], Tensor] = {}
    result = {}
    for name, tensor in states.items():
        address = tensor.data_ptr() if tensor.layout == torch.strided else 0
        key = (address or id(tensor), tensor.shape, tensor.dtype)
        if key not in copies:
            copies[key] = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        result[name] = copies[key]
    return result


@contextmanager
def _translate_errors(text: str, what: str) -> Iterator[None]:
    """Converts errors of reading a file to a ``SavedResultError`` of one sentence."""
    try:
        yield
    except SavedResultError as error:
        raise SavedResultError(f"{text} cannot be read as {what}: {error}") from error
    except Exception as error:
        message = str(error).strip()
        refused = re.search(r"(?:Unsupported )?(?:global|class|GLOBAL)[: ]+(?:GLOBAL )?([\w.]+)", message)
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise SavedResultError(
                f"{text} contains more than tensors ({refused[1]}), and netscope does not run code from a pickle; save "
                f"the state_dict, or export the program with torch.export"
            ) from error
        # torch's message for a damaged pickle recommends to disable weights_only.
        damaged = isinstance(error, pickle.UnpicklingError)
        reason = "it is damaged, or not an archive" if damaged else message.partition("\n")[0] or type(error).__name__
        raise SavedResultError(f"{text} cannot be read as {what}: {reason}") from error
