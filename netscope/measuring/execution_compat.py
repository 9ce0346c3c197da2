"""The private or version-dependent parts of torch that measuring uses, one function each."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

_RECOMPILE_LIMIT = 256


@contextmanager
def allow_tf32(allowed: bool) -> Iterator[None]:
    """Allows or forbids TF32 in float32 matmuls and convolutions.

    torch 2.9 added other switches (``fp32_precision``). Once they have been used, reading the old ones raises an error.
    torch's own code and models still read the old ones, so these are set unless a caller has used the new ones.
    """
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    attribute, value = "allow_tf32", allowed
    try:
        before = [getattr(backend, attribute) for backend in backends]
    except RuntimeError:
        backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)  # type: ignore[attr-defined]
        attribute, value = "fp32_precision", "tf32" if allowed else "ieee"  # type: ignore[assignment]
        before = [getattr(backend, attribute) for backend in backends]
    for backend in backends:
        setattr(backend, attribute, value)
    try:
        yield
    finally:
        for backend, former in zip(backends, before, strict=True):
            setattr(backend, attribute, former)


def count_compilations() -> int:
    """Returns the number of graphs that torch's compiler has created in this process."""
    utils: Any = sys.modules.get("torch._dynamo.utils")
    return int(utils.counters["stats"].get("unique_graphs", 0)) if utils is not None else 0


def read_compile_s() -> float:
    """Returns the seconds that torch's compiler and its backend have taken in this process so far."""
    utils: Any = sys.modules.get("torch._dynamo.utils")
    times = getattr(utils, "compilation_time_metrics", {}) if utils is not None else {}
    # The backward graph is compiled on first use, outside the time of the forward graph.
    parts = ("_compile.compile_inner", "compile_fx.<locals>.bw_compiler")
    return float(sum(sum(times.get(part, ())) for part in parts))


@contextmanager
def fresh_compiler(is_enabled: bool) -> Iterator[None]:
    """Clears torch's compiler before and after, and raises its limit on recompilations in between."""
    if not is_enabled:
        yield
        return
    config: Any = import_module("torch._dynamo.config")
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # until torch 2.6
    before = getattr(config, name)
    setattr(config, name, max(before, _RECOMPILE_LIMIT))
    reset_compiler()
    try:
        yield
    finally:
        reset_compiler()
        setattr(config, name, before)


def reset_compiler() -> None:
    """Drops all compiled graphs and frees their memory."""
    import_module("torch._dynamo").reset()


@contextmanager
def record_device_syncs(device: torch.device) -> Iterator[list[Any] | None]:
    """Yields a list that gets an entry each time the host waits for the GPU; None on a CPU."""
    if device.type != "cuda":
        yield None
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            yield noted
    finally:
        torch.cuda.set_sync_debug_mode(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device and from any library."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    messages = (
        "can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",
    )  # fmt: skip
    return isinstance(error, RuntimeError) and any(message in text for message in messages)


def apply_fsdp(model: nn.Module, device: torch.device) -> nn.Module:
    """Returns the model with its parameters sharded over the processes by FSDP, and moved to the device.

    As in torch's documentation, each child of a list of blocks is one unit, the innermost first, and the rest is
    another. A block that shares a parameter with a module outside it belongs to the rest.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    owners: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            owners.setdefault(id(parameter), set()).add(id(module))
    blocks: dict[nn.Module, None] = {}
    for module in reversed(list(model.modules())):
        for child in module.children() if isinstance(module, (nn.ModuleList, nn.Sequential)) else ():
            inside = {id(part) for part in child.modules()}
            parameters = [id(parameter) for parameter in child.parameters()]
            is_unit = len(parameters) > 1 and not isinstance(child, (nn.ModuleList, nn.Sequential))
            if is_unit and all(owners[parameter] <= inside for parameter in parameters):
                blocks[child] = None
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def set_gradient_sync(model: nn.Module, is_enabled: bool) -> None:
    """Sets whether a step of ``DistributedDataParallel`` synchronizes gradients."""
    wrapped: Any = model
    wrapped.require_backward_grad_sync = is_enabled


def has_bfloat16(device: torch.device) -> bool:
    """Whether the GPU supports bfloat16 in hardware."""
    return torch.cuda.get_device_capability(device) >= (8, 0) or bool(torch.version.hip)


def has_tf32(device: torch.device) -> bool:
    """Whether the GPU's matrix units support TF32."""
    return torch.cuda.get_device_capability(device) >= (8, 0) and not torch.version.hip


def is_in_backward() -> bool:
    """Whether a backward pass is running in this thread."""
    return torch._C._current_autograd_node() is not None


def delay_device(cycles: int) -> None:
    """Keeps the GPU busy for a number of clock cycles."""
    torch.cuda._sleep(cycles)


def to_channels_last(tensor: Tensor) -> Tensor:
    """Returns an image or volume batch in channels-last format, and any other tensor unchanged."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    memory_format = formats.get(tensor.dim())
    return tensor if memory_format is None else tensor.contiguous(memory_format=memory_format)
