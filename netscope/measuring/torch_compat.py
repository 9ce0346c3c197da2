"""What measuring needs of torch that is private or differs between versions, each behind one name."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Lets matrix products and convolutions of float32 round their operands to TF32, or not."""
    name = "tf32" if allowed else "ieee"
    cuda: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(cuda, "fp32_precision"):  # from torch 2.9 on, where mixing it with the older switches is an error
        places, attribute, value = (cuda, cudnn.conv, cudnn.rnn), "fp32_precision", name
    else:
        places, attribute, value = (cuda, cudnn), "allow_tf32", allowed  # type: ignore[assignment]
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
    return float(sum(times.get("_compile.compile_inner", ())))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice, on whatever device and however the library that met it says so."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    signs = ("can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def sharded(model: nn.Module) -> nn.Module:
    """The model with the parameters of each of its larger parts, and the rest of its own, spread over the processes.

    What is spread together is gathered together: the children of its lists of blocks, as torch's documentation has it.
    """
    from torch.distributed.fsdp import fully_shard

    for module in model.modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)):
            for child in module:
                if sum(1 for _ in child.parameters()) > 1 and not isinstance(child, (nn.ModuleList, nn.Sequential)):
                    fully_shard(child)
    fully_shard(model)
    return model


def exchange_gradients(model: nn.Module, wanted: bool) -> None:
    """Switches on or off whether a step exchanges its gradients with the other processes."""
    wrapped: Any = model
    if hasattr(wrapped, "set_requires_gradient_sync"):
        wrapped.set_requires_gradient_sync(wanted)
    elif hasattr(wrapped, "require_backward_grad_sync"):
        wrapped.require_backward_grad_sync = wanted


def has_bfloat16(device: torch.device) -> bool:
    """Whether the GPU computes in bfloat16 by itself."""
    return torch.cuda.get_device_capability(device) >= (8, 0) or bool(torch.version.hip)


def has_tf32(device: torch.device) -> bool:
    """Whether the GPU's matrix units take TF32."""
    return torch.cuda.get_device_capability(device) >= (8, 0) and not torch.version.hip


def delay_device(cycles: int) -> None:
    """Keeps the GPU busy for so many cycles of its clock."""
    torch.cuda._sleep(cycles)


def channels_last(tensor: Tensor) -> Tensor:
    """The tensor with its channels last in memory, if it is a batch of pictures or volumes; else as it is."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    found = formats.get(tensor.dim())
    return tensor if found is None else tensor.contiguous(memory_format=found)
