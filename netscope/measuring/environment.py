"""The environment of a measurement: machine, device, versions and git revision."""

import os
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import torch

from netscope.measuring.telemetry import read_gpu_properties
from netscope.runtime.machine import cores, memory_bytes
from netscope.schema import BenchEnvironment

SPEED_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_LAUNCH_BLOCKING", "KMP_AFFINITY", "KMP_BLOCKTIME",
    "LD_PRELOAD", "MALLOC_CONF", "MKL_NUM_THREADS", "NCCL_ALGO", "NCCL_P2P_DISABLE", "NCCL_PROTO",
    "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "OMP_PROC_BIND", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE",
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_CUDNN_V8_API_DISABLED",
)  # fmt: skip
"""Environment variables that affect speed."""

_COMMAND_TIMEOUT_S = 5.0


def collect_environment(device: torch.device, versions: dict[str, str], command: str) -> BenchEnvironment:
    """Returns everything about the machine and the software that a measurement depends on.

    Args:
        device: the measured device.
        versions: versions of netscope and of the architecture's source.
        command: the command line.
    """
    is_cuda = device.type == "cuda"
    revision, dirty = _read_revision()
    gpu = read_gpu_properties(device) if is_cuda else None
    runtime = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if is_cuda:
        runtime["cuda"] = str(torch.version.cuda or torch.version.hip)
        runtime["cudnn"] = str(torch.backends.cudnn.version())
    return BenchEnvironment(
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        command=command,
        versions={**versions, **runtime},
        system=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        cores=cores(),
        threads=torch.get_num_threads(),
        memory_bytes=memory_bytes(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        device=torch.cuda.get_device_name(device) if is_cuda else cpu_name(),
        device_memory_bytes=torch.cuda.get_device_properties(device).total_memory if is_cuda else None,
        driver=gpu.driver if gpu else None,
        device_limits=gpu.limits if gpu else {},
        variables={name: os.environ[name] for name in SPEED_VARIABLES if name in os.environ},
        revision=revision,
        dirty=dirty,
    )


def cpu_name() -> str:
    """Returns the model name of the CPU as the system reports it."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    if platform.system() == "Darwin":
        return _run("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _read_revision() -> tuple[str, bool]:
    """Returns the git revision of the working directory, empty outside a repository, and whether it has changes."""
    revision = _run("git", "rev-parse", "HEAD")
    return revision, bool(revision and _run("git", "status", "--porcelain", "--untracked-files=no"))


def _run(*command: str) -> str:
    """Returns the output of a command, or an empty string if it fails."""
    try:
        finished = subprocess.run(  # noqa: S603 - fixed commands
            command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""
