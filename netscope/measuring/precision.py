"""The device of a configuration, and torch's settings for its number format."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from netscope.errors import DeviceError
from netscope.measuring import execution_compat
from netscope.runtime.torchrun_env import is_torchrun_process, local_rank, local_world_size
from netscope.runtime.wording import show_argument
from netscope.schema import BenchConfig

REDUCED_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def default_device() -> str:
    """Returns ``"cuda"`` if available, otherwise ``"cpu"``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def select_device(config: BenchConfig) -> torch.device:
    """Returns the device of a configuration.

    Raises:
        DeviceError: the device does not exist or does not support the number format.
    """
    device = torch.device(config.device)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise DeviceError(
                f"torch found no CUDA device; use {show_argument('--device', 'cpu')} to measure on the CPU"
            )
        if (device.index or 0) >= count:
            raise DeviceError(f"{config.device} not found: torch found {count} CUDA device{'' if count == 1 else 's'}")
        processes = local_world_size() if is_torchrun_process() else config.nproc
        if processes > count:
            raise DeviceError(f"{show_argument('--nproc', processes)} needs {processes} GPUs, torch found {count}")
        if processes > 1:
            device = torch.device("cuda", local_rank())
        missing = (config.dtype == "bf16" and not execution_compat.has_bfloat16(device)) or (
            config.dtype == "tf32" and not execution_compat.has_tf32(device)
        )
        if missing:
            raise DeviceError(f"{torch.cuda.get_device_name(device)} does not support {config.dtype}; use fp32 or fp16")
    elif config.dtype == "tf32":
        raise DeviceError("tf32 requires an NVIDIA GPU, Ampere or newer; on the CPU use fp32, bf16 or fp16")
    return device


@contextmanager
def configure_torch(config: BenchConfig) -> Iterator[None]:
    """Applies the settings of ``config`` to torch, and restores them afterwards."""
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    # Shapes never change here, so cuDNN can search for the fastest algorithm once.
    torch.backends.cudnn.benchmark = True
    try:
        with execution_compat.allow_tf32(config.dtype == "tf32"):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark


def autocast(config: BenchConfig) -> Any:
    """Returns the autocast context of a forward pass."""
    if config.dtype not in REDUCED_DTYPES or config.cast:
        return nullcontext()
    kind = "cuda" if config.is_cuda else "cpu"
    # A captured graph must not cache casts of the weights, because the next capture would repeat them.
    return torch.autocast(kind, REDUCED_DTYPES[config.dtype], cache_enabled=not config.cuda_graph)


def get_cast_dtype(config: BenchConfig) -> torch.dtype | None:
    """Returns the dtype that weights and inputs are cast to; None for no cast."""
    return REDUCED_DTYPES.get(config.dtype) if config.cast else None


def get_matmul_dtype(config: BenchConfig) -> torch.dtype:
    """Returns the dtype of the operands of a matmul in this precision."""
    return REDUCED_DTYPES.get(config.dtype, torch.float32)
