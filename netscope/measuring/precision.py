"""Number formats: whether a device has one, and torch set to it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from netscope.errors import DeviceError
from netscope.measuring import execution_compat
from netscope.runtime.torchrun_env import in_group, local_group_size, local_rank
from netscope.schema import BenchConfig

REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def usual_device() -> str:
    """``"cuda"`` where there is one, else ``"cpu"``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(config: BenchConfig) -> torch.device:
    """The device that is asked for.

    Raises:
        DeviceError: there is none, or it has not the number format that is asked for.
    """
    device = torch.device(config.device)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise DeviceError("torch sees no CUDA device here; --device cpu measures on the CPU")
        if (device.index or 0) >= count:
            raise DeviceError(f"there is no {config.device}: torch sees {count} CUDA device{'' if count == 1 else 's'}")
        processes = local_group_size() if in_group() else config.nproc
        if processes > count:
            raise DeviceError(f"--nproc {processes} needs as many GPUs, and torch sees {count} here")
        if processes > 1:
            device = torch.device("cuda", local_rank())
        missing = (config.dtype == "bf16" and not execution_compat.has_bfloat16(device)) or (
            config.dtype == "tf32" and not execution_compat.has_tf32(device)
        )
        if missing:
            raise DeviceError(
                f"{torch.cuda.get_device_name(device)} does not compute in {config.dtype}; it has fp32 and fp16"
            )
    elif config.dtype == "tf32":
        raise DeviceError("tf32 is a format of NVIDIA's GPUs, from Ampere on; the CPU has fp32, bf16 and fp16")
    return device


@contextmanager
def set_up(config: BenchConfig) -> Iterator[None]:
    """Sets torch to what ``config`` says, and back afterwards."""
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    # Shapes never change here, so cuDNN may look for the fastest algorithm once.
    torch.backends.cudnn.benchmark = True
    try:
        with execution_compat.tf32(config.dtype == "tf32"):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark


def autocast(config: BenchConfig) -> Any:
    """The context that a forward pass runs in."""
    if config.dtype not in REDUCED or config.cast:
        return nullcontext()
    kind = "cuda" if config.is_cuda else "cpu"
    # A captured graph may not keep the casts of weights that the next capture would do again.
    return torch.autocast(kind, REDUCED[config.dtype], cache_enabled=not config.cuda_graph)


def cast_dtype(config: BenchConfig) -> torch.dtype | None:
    """What weights and inputs are cast to; None for as they are."""
    return REDUCED.get(config.dtype) if config.cast else None


def matmul_dtype(config: BenchConfig) -> torch.dtype:
    """Of the operands of a matrix product in this precision."""
    return REDUCED.get(config.dtype, torch.float32)
