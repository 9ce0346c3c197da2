"""Saved files: exported programs, which are data; scripted ones, which run; and weights alone, which only have sizes.

Nothing is unpickled but tensors: pickles are read by ``torch.load(weights_only=True)``, which refuses what is more.
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

from netscope.errors import BuildError, MissingExtraError, UnknownNameError, UsageError
from netscope.runtime.archives import open_archive, read_member
from netscope.runtime.pickles import check_nesting
from netscope.schema import Architecture
from netscope.schema.inputs import ForwardInputs
from netscope.sources.base import ResolvedArchitecture
from netscope.sources.spec import SAVED

if TYPE_CHECKING:
    from torch import Tensor, nn

DEEPEST, MOST_TENSORS = 100, 100_000
"""Of modules in modules, and of tensors: more than any model has."""

WHERE_STATES_ARE = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which checkpoints keep the weights beside everything else."""

BUFFER_NAMES = frozenset(
    {
        "running_mean", "running_var", "num_batches_tracked", "position_ids", "token_type_ids", "inv_freq",
        "relative_position_index", "attn_mask", "masked_bias",
    }
)  # fmt: skip
"""What buffers are usually called; in a file of weights they look like parameters."""

SAFETENSORS_DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
        "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    }
)  # fmt: skip


def resolve_saved(text: str, target: str, options: dict[str, Any]) -> ResolvedArchitecture:
    """The program or the weights in the file ``target``.

    Raises:
        UnknownNameError: there is no such file.
        UsageError: options are given, which a saved file does not take.
        BuildError: it cannot be read, or holds more than data.
        MissingExtraError: the package that reads it is not installed.
    """
    path = Path(target).expanduser()
    if not path.is_file():
        raise UnknownNameError(f"{text}: there is no file {target!r} here")
    if options:
        raise UsageError(f"{text}: a saved file takes no @ arguments")
    return READERS[path.suffix](path, text)


def _exported(path: Path, text: str) -> ResolvedArchitecture:
    """What ``torch.export.save`` wrote, as data."""
    from netscope.sources.program import read_program

    with _readable(text, "an exported program"):
        program = read_program(path)
    return replace(_resolved(text, path, _no_module, lambda _module: None, user_owned=False), program=program)


def _no_module() -> "nn.Module":
    raise NotImplementedError  # a saved program stands in its place


def _archive(path: Path, text: str) -> ResolvedArchitecture:
    """A TorchScript program or a pickled state dict, whichever ``.pt`` and its like hold."""
    import torch

    from netscope.sources.scripted_program import check_scripted_program, is_scripted

    mapped = zipfile.is_zipfile(path)
    names: list[str] = []
    if mapped:
        with _readable(text, "an archive"), open_archive(path, may_compress=True) as archive:
            names = archive.namelist()
    if is_scripted(names):
        with _readable(text, "a scripted program"):
            check_pickles(path, may_compress=True)
            check_scripted_program(path)
            module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        return _resolved(text, path, lambda: module, lambda _module: None, user_owned=True)
    # Mapped, so that nothing is read and yet tied tensors can be told by their addresses.
    with _readable(text, "a state dict"):
        check_pickles(path)
        content = torch.load(path, map_location="cpu" if mapped else "meta", mmap=mapped, weights_only=True)
        states = _on_meta(_states(content))
    if not states:
        raise BuildError(f"{text}: {path.name} holds no tensors under names, so it is no state dict")
    return _weights(text, path, states)


def check_pickles(path: Path, *, may_compress: bool = False) -> None:
    """Checks an archive, and that no pickle in it, or in an older file, is too deep for torch's readers.

    Raises:
        BuildError: one is, or the archive is none of torch's.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            check_nesting(file)
        return
    with open_archive(path, may_compress=may_compress) as archive:
        for name in archive.namelist():
            if name.casefold().endswith(".pkl"):
                check_nesting(io.BytesIO(read_member(archive, name)), is_whole=True)


def _safetensors(path: Path, text: str) -> ResolvedArchitecture:
    """The header of a file of safetensors; the tensors are not read."""
    import torch

    try:
        from safetensors import safe_open
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{text}: reading it needs safetensors: pip install safetensors") from error
    states: dict[str, Tensor] = {}
    with _readable(text, "a file of safetensors"), safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            part = file.get_slice(name)
            dtype = getattr(torch, SAFETENSORS_DTYPES.get(part.get_dtype(), ""), None)
            if dtype is None:
                raise BuildError(f"{text}: {name} has the dtype {part.get_dtype()}, which torch does not have")
            states[name] = torch.empty(tuple(part.get_shape()), dtype=dtype, device="meta")
    return _weights(text, path, states)


READERS: Mapping[str, Callable[[Path, str], ResolvedArchitecture]] = MappingProxyType(
    {
        ".pt2": _exported,
        ".safetensors": _safetensors,
        **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _archive),
    }
)
"""How a file is read, by its suffix."""


def _resolved(
    text: str,
    path: Path,
    factory: Callable[[], "nn.Module"],
    default_inputs: Callable[["nn.Module"], ForwardInputs | None],
    *,
    user_owned: bool,
) -> ResolvedArchitecture:
    return ResolvedArchitecture(
        architecture=Architecture(spec=text, source=SAVED, name=str(path), options={}, description=""),
        factory=factory,
        default_inputs=default_inputs,
        user_owned=user_owned,
    )


def _weights(text: str, path: Path, states: Mapping[str, "Tensor"]) -> ResolvedArchitecture:
    """Modules as the dots in the names say, with nothing in them but tensors."""
    resolved = _resolved(
        text, path, lambda: _module_of(states), lambda _module: ForwardInputs(kwargs={}), user_owned=False
    )
    return replace(resolved, runs=False)


def _module_of(states: Mapping[str, "Tensor"]) -> "nn.Module":
    from torch import nn

    class Weights(nn.Module):
        """What a dot in a name stands for."""

        def forward(self) -> None:
            """Nothing: weights alone do not say what is done with them."""

    root = Weights()
    for path, tensor in states.items():
        *parents, name = path.split(".")
        module: nn.Module = root
        for parent in parents:
            # Not add_module, which refuses names that nn.Module has itself.
            module = module._modules.setdefault(parent, Weights())  # type: ignore[assignment]  # never None here
        if name in BUFFER_NAMES:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
    return root


def _states(content: Any) -> dict[str, "Tensor"]:
    """The tensors by name in a checkpoint, whose training state and settings are left out."""
    found = content
    for key in WHERE_STATES_ARE:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            found = content[key]
            break
    states: dict[str, Tensor] = {}
    for name, tensor in _named_tensors(found, "", set()):
        if name.count(".") > DEEPEST or len(states) > MOST_TENSORS:
            raise BuildError("it has more tensors than any model, or deeper ones")
        states[name] = tensor
    return states


def _named_tensors(content: Any, prefix: str, met: set[int]) -> Iterator[tuple[str, "Tensor"]]:
    """The tensors in mappings of mappings, named by the way to them; each mapping is met once."""
    import torch

    if isinstance(content, Mapping) and id(content) not in met:
        met.add(id(content))
        for name, value in content.items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}{name}", value
            else:
                yield from _named_tensors(value, f"{prefix}{name}.", met)


def _on_meta(states: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """The tensors without their memory; those that were one are one."""
    import torch

    made: dict[tuple[Any, ...], Tensor] = {}
    result = {}
    for name, tensor in states.items():
        address = tensor.data_ptr() if tensor.layout == torch.strided else 0
        key = (address or id(tensor), tensor.shape, tensor.dtype)
        if key not in made:
            made[key] = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        result[name] = made[key]
    return result


@contextmanager
def _readable(text: str, what: str) -> Iterator[None]:
    """Says in one sentence that the file is damaged, or holds more than data."""
    try:
        yield
    except BuildError as error:
        raise BuildError(f"{text} cannot be read as {what}: {error}") from error
    except Exception as error:
        message = str(error).strip()
        refused = re.search(r"(?:Unsupported )?(?:global|class|GLOBAL)[: ]+(?:GLOBAL )?([\w.]+)", message)
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise BuildError(
                f"{text} holds more than tensors ({refused[1]}), and netscope does not run what is in a pickle: save "
                f"the state_dict, or export the program"
            ) from error
        # torch advises to read a damaged pickle without care.
        damaged = isinstance(error, pickle.UnpicklingError)
        reason = "it is damaged, or no archive" if damaged else message.partition("\n")[0] or type(error).__name__
        raise BuildError(f"{text} cannot be read as {what}: {reason}") from error
