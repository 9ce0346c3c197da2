"""Where something was measured: machine, device, versions, revision."""

import os
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import torch

from netscope.measuring.telemetry import device_facts
from netscope.runtime.machine import cores, memory_bytes
from netscope.schema import BenchEnvironment

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_LAUNCH_BLOCKING", "KMP_AFFINITY", "KMP_BLOCKTIME",
    "LD_PRELOAD", "MALLOC_CONF", "MKL_NUM_THREADS", "NCCL_ALGO", "NCCL_P2P_DISABLE", "NCCL_PROTO",
    "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "OMP_PROC_BIND", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE",
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_CUDNN_V8_API_DISABLED",
)  # fmt: skip
"""What people set to make things faster or slower."""

_GIT_MOST_S = 5.0


def environment(device: torch.device, versions: dict[str, str], command: str) -> BenchEnvironment:
    """Everything about here and now that a measurement depends on.

    Args:
        device: that is measured.
        versions: of netscope and of what the architecture comes from.
        command: what was typed.
    """
    is_cuda = device.type == "cuda"
    revision, dirty = _revision()
    facts = device_facts(device) if is_cuda else None
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if is_cuda:
        found["cuda"] = str(torch.version.cuda or torch.version.hip)
        found["cudnn"] = str(torch.backends.cudnn.version())
    return BenchEnvironment(
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        command=command,
        versions={**versions, **found},
        system=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        cores=cores(),
        threads=torch.get_num_threads(),
        memory_bytes=memory_bytes(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        device=torch.cuda.get_device_name(device) if is_cuda else cpu_name(),
        device_memory_bytes=torch.cuda.get_device_properties(device).total_memory if is_cuda else None,
        driver=facts.driver if facts else None,
        device_limits=facts.limits if facts else {},
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        revision=revision,
        dirty=dirty,
    )


def cpu_name() -> str:
    """The CPU's model, as the system knows it."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    if platform.system() == "Darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _revision() -> tuple[str, bool]:
    """Of the repository around the working directory, and whether it has changes; ``""`` outside of one."""
    revision = _output("git", "rev-parse", "HEAD")
    return revision, bool(revision and _output("git", "status", "--porcelain", "--untracked-files=no"))


def _output(*command: str) -> str:
    try:
        finished = subprocess.run(  # noqa: S603 - fixed commands
            command, capture_output=True, text=True, errors="replace", timeout=_GIT_MOST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""
