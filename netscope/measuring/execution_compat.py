"""What measuring needs of torch that is private or differs between versions, each behind one name."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

_MOST_COMPILED = 256


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Lets matrix products and convolutions of float32 round their operands to TF32, or not.

    torch 2.9 brought switches of another kind (``fp32_precision``), after whose use reading the old ones raises an
    error; torch's own code and models read these, so they are what is set, unless a caller has used the new ones.
    """
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    attribute, value = "allow_tf32", allowed
    try:
        before = [getattr(place, attribute) for place in places]
    except RuntimeError:
        places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)  # type: ignore[attr-defined]
        attribute, value = "fp32_precision", "tf32" if allowed else "ieee"  # type: ignore[assignment]
        before = [getattr(place, attribute) for place in places]
    for place in places:
        setattr(place, attribute, value)
    try:
        yield
    finally:
        for place, former in zip(places, before, strict=True):
            setattr(place, attribute, former)


def compilations() -> int:
    """How many graphs torch's compiler has made in this process."""
    utils: Any = sys.modules.get("torch._dynamo.utils")
    return int(utils.counters["stats"].get("unique_graphs", 0)) if utils is not None else 0


def compile_s() -> float:
    """Seconds that torch's compiler has taken in this process so far, its back end included."""
    utils: Any = sys.modules.get("torch._dynamo.utils")
    times = getattr(utils, "compilation_time_metrics", {}) if utils is not None else {}
    # The backward graph is compiled when it is first needed, outside of the forward graph's time.
    parts = ("_compile.compile_inner", "compile_fx.<locals>.bw_compiler")
    return float(sum(sum(times.get(part, ())) for part in parts))


@contextmanager
def compiling(wanted: bool) -> Iterator[None]:
    """Has the compiler compile however many models, forgetting what it compiled before, and that afterwards."""
    if not wanted:
        yield
        return
    config: Any = import_module("torch._dynamo.config")
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # until torch 2.6
    before = getattr(config, name)
    setattr(config, name, max(before, _MOST_COMPILED))
    forget_compiled()
    try:
        yield
    finally:
        forget_compiled()
        setattr(config, name, before)


def forget_compiled() -> None:
    """Drops what was compiled, and with it the memory that its graphs hold."""
    import_module("torch._dynamo").reset()


@contextmanager
def waits_noted(device: torch.device) -> Iterator[list[Any]]:
    """Yields a list that has an entry for each time that the host waits for the GPU while it lasts."""
    if device.type != "cuda":
        yield []
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
    """Whether memory did not suffice, on whatever device and however the library that met it says so."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    signs = (
        "can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",
    )  # fmt: skip
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def sharded(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with its parameters spread over the processes; moves them to the device as it goes.

    What is spread together is gathered together: the children of lists of blocks, the innermost first, as torch's
    documentation has it; and the rest. A block that shares a parameter with what is outside of it belongs to the rest.
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
            is_whole = len(parameters) > 1 and not isinstance(child, (nn.ModuleList, nn.Sequential))
            if is_whole and all(owners[parameter] <= inside for parameter in parameters):
                blocks[child] = None
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def exchange_gradients(model: nn.Module, wanted: bool) -> None:
    """Switches on or off whether a step of ``DistributedDataParallel`` exchanges its gradients."""
    wrapped: Any = model
    wrapped.require_backward_grad_sync = wanted


def has_bfloat16(device: torch.device) -> bool:
    """Whether the GPU computes in bfloat16 by itself."""
    return torch.cuda.get_device_capability(device) >= (8, 0) or bool(torch.version.hip)


def has_tf32(device: torch.device) -> bool:
    """Whether the GPU's matrix units take TF32."""
    return torch.cuda.get_device_capability(device) >= (8, 0) and not torch.version.hip


def in_backward() -> bool:
    """Whether a backward pass is running in this thread."""
    return torch._C._current_autograd_node() is not None


def delay_device(cycles: int) -> None:
    """Keeps the GPU busy for so many cycles of its clock."""
    torch.cuda._sleep(cycles)


def channels_last(tensor: Tensor) -> Tensor:
    """The tensor with its channels last in memory, if it is a batch of pictures or volumes; else as it is."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    found = formats.get(tensor.dim())
    return tensor if found is None else tensor.contiguous(memory_format=found)
