"""Memory, environment and telemetry, read from the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from netscope.errors import DeviceError
from netscope.measuring import collect_environment, select_device
from netscope.measuring.telemetry import TelemetrySampler, summarize_samples
from netscope.runtime.machine import available_memory_bytes, cores, memory_bytes
from netscope.runtime.nvml import REASONS, Gpu, driver_version
from netscope.schema import BenchConfig

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
CPU = torch.device("cpu")


@linux
def test_the_peak_excludes_memory_in_use_before():
    code = (
        "import torch\n"
        "from netscope.measuring.memory import PeakMemoryMeter\n"
        "there = torch.ones(2**24)\n"
        "peak = PeakMemoryMeter(torch.device('cpu'))\n"
        "torch.ones(2**25)\n"  # 128 MiB, gone at once
        "print(peak.peak_bytes())"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.9 * 2**27 < int(finished.stdout) < 1.5 * 2**27


@linux
def test_an_allocation_beyond_the_machines_memory_fails_and_nothing_is_killed():
    code = (
        "import torch\n"
        "from netscope.runtime.machine import available_memory_bytes\n"
        "from netscope.measuring.memory import limit_memory\n"
        "from netscope.measuring.execution_compat import is_out_of_memory\n"
        "more = available_memory_bytes() + 2**30\n"
        "with limit_memory():\n"
        "    torch.ones(2**20)\n"
        "    try:\n"
        "        torch.empty(more, dtype=torch.uint8)\n"
        "    except RuntimeError as error:\n"
        "        print(is_out_of_memory(error))\n"
        "torch.empty(more, dtype=torch.uint8)\n"
        "print('no limit is left')"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.stdout == "True\nno limit is left\n", finished.stderr


def test_the_machine_has_cores_and_memory():
    assert cores() >= 1
    assert 0 < available_memory_bytes() <= memory_bytes()


def test_an_environment_has_the_device_and_the_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = collect_environment(CPU, {"netscope": "1"}, "netscope bench")
    assert found.device == found.cpu != ""
    assert found.versions["torch"] == torch.__version__
    assert found.variables["OMP_NUM_THREADS"] == "2"
    assert (found.revision, found.dirty) == ("", False)


def test_the_revision_and_whether_it_has_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    Path("a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "-q", "-m", "one")
    clean = collect_environment(CPU, {}, "")
    assert (len(clean.revision), clean.dirty) == (40, False)
    Path("a.txt").write_text("2")
    assert collect_environment(CPU, {}, "").dirty


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_missing_device_is_an_error(device):
    with pytest.raises(DeviceError, match="torch found no CUDA device"):
        select_device(BenchConfig(device=device))


class Properties:
    uuid = "1234"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"device": "cuda", "dtype": "bf16"}, "Tesla T4 does not support bf16; use fp32 or fp16"),
        ({"device": "cuda", "dtype": "tf32"}, "Tesla T4 does not support tf32"),
        ({"device": "cuda:2"}, "cuda:2 not found: torch found 2 CUDA devices"),
        ({"device": "cuda", "nproc": 3}, "nproc=3 needs 3 GPUs, torch found 2"),
    ],
)
def test_a_gpu_without_the_number_format_or_too_few_gpus_are_an_error(config, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Tesla T4")
    with pytest.raises(DeviceError, match=message):
        select_device(BenchConfig(**config))


FAKE_NVML = """
class NVMLError(Exception):
    pass

NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
asked = 0

def nvmlInit():
    pass

def nvmlSystemGetDriverVersion():
    return b"570.1"

def nvmlDeviceGetHandleByUUID(uuid):
    assert uuid == "GPU-1234"
    return 7

def nvmlDeviceGetEnforcedPowerLimit(handle):
    return 350_000

def nvmlDeviceGetMaxClockInfo(handle, kind):
    if kind == NVML_CLOCK_MEM:
        raise NVMLError("not supported")
    return 1980

def nvmlDeviceGetCurrentClocksThrottleReasons(handle):
    global asked
    asked += 1
    return 0x4 if asked % 2 else 0x1

def nvmlDeviceGetClockInfo(handle, kind):
    if kind == NVML_CLOCK_MEM:
        raise NVMLError("not supported")
    return 1500 + asked % 2

def nvmlDeviceGetPowerUsage(handle):
    return 300_000

def nvmlDeviceGetTemperature(handle, kind):
    return 61

def nvmlDeviceGetComputeRunningProcesses(handle):
    return [object(), object()]
"""


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    """A fake driver, also in child processes."""
    (tmp_path / "pynvml.py").write_text(FAKE_NVML)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: Properties)
    yield
    sys.modules.pop("pynvml", None)


@pytest.mark.usefixtures("nvml")
def test_a_gpu_reports_its_limits_and_its_state():
    gpu = Gpu("GPU-1234")
    assert driver_version() == "570.1"
    assert gpu.limits() == {"power_limit_w": 350.0, "max_sm_clock_mhz": 1980.0}
    assert gpu.sample()["reasons"] == ["sw_power_cap"]
    assert gpu.sample()["reasons"] == []
    assert gpu.sample()["memory_clock_mhz"] is None  # this GPU does not report it


@pytest.mark.usefixtures("nvml")
def test_samples_come_from_another_process():
    sampler = TelemetrySampler(torch.device("cuda"))
    while not os.fstat(sampler._samples.fileno()).st_size:
        assert sampler._process.poll() is None
    found = sampler.stop()
    assert found.samples >= 1
    assert (found.power_w.median, found.temperature_c.high) == (300.0, 61.0)
    assert found.other_processes == 1
    assert set(found.throttle_reasons) <= set(REASONS)
    assert sampler._process.poll() is not None


def test_without_samples_there_is_no_telemetry():
    assert summarize_samples([]) is None
    assert TelemetrySampler(CPU).stop() is None
