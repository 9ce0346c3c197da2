"""What a command imports, what it leaves out for one trace, and that nothing of that stays behind."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import netscope

UNASKED = {"timm", "transformers", "pandas", "torchinfo", "fvcore", "matplotlib"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}

needs_a_tried_torch = pytest.mark.skipif(
    tuple(map(int, version("torch").split(".")[:2])) < (2, 14), reason="torch imports its compiler before a trace"
)


def imported_by(*arguments):
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "netscope", *arguments], capture_output=True, text=True, check=True
    )
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def python(code):
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (("--version",), {"torch", "numpy", "msgspec", "netscope.cli.output", "netscope.schema"}),
        (("--help",), {"torch", "numpy", "msgspec", "netscope.cli.output", "netscope.schema"}),
        (("summary", "--help"), {"torch", "numpy", "netscope.cli.bench.command", "netscope.api"}),
        (("list", "--help"), {"torch", "numpy", "netscope.cli.summary", "netscope.api"}),
    ],
)
def test_what_shows_texts_imports_little(arguments, left_out):
    assert not imported_by(*arguments) & left_out


@needs_a_tried_torch
def test_a_built_in_needs_torch_alone():
    assert not imported_by("summary", "lenet5", "--no-cache") & {"torchvision", *UNASKED, *COMPILER}


@needs_a_tried_torch
def test_a_torchvision_model_needs_no_compiler():
    assert not imported_by("summary", "mobilenet_v3_small", "--no-cache") & {*UNASKED, *COMPILER}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet-d2l", "regnet_x_400mf", "shufflenet_v2_x0_5"])
def test_a_command_counts_what_the_library_counts(name):
    command = [sys.executable, "-m", "netscope", "summary", name, "--no-cache", "-f", "json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(finished.stdout) == json.loads(netscope.summarize(name).to_json())


@pytest.mark.slow
def test_a_detector_counts_alike_with_and_without_the_compiler():
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    command = [sys.executable, "-m", "netscope", "summary", name, "--no-cache", "-f", "json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(finished.stdout) == json.loads(netscope.summarize(name).to_json())


def test_after_a_trace_torch_compiles_as_ever():
    python("""
import builtins, sys
before = builtins.__import__
import netscope, torch
netscope.summarize("lenet5")
assert builtins.__import__ is before
assert "getattr" not in vars(torch._compile)
import torch._dynamo
from torch._dynamo.testing import CompileCounter
counter = CompileCounter()
x = torch.ones(3)
assert torch.equal(torch.compile(lambda x: x.sin() + 1, backend=counter)(x), x.sin() + 1)
assert counter.frame_count == 1
optimizer = torch.optim.SGD([torch.nn.Parameter(x)])
assert getattr(torch._compile._disable_dynamo(optimizer.step), "__wrapped__") == optimizer.step
""")


@pytest.mark.slow
def test_a_model_that_imports_the_compiler_in_its_forward_gets_all_of_it():
    python("""
import netscope, torch

class Net(torch.nn.Module):
    def forward(self, x):
        import torch._dynamo
        assert not torch._dynamo.is_compiling()
        torch._dynamo.disable(torch.relu)(x)
        return x.softmax(-1) * 2

ops = [op.name for op in netscope.trace(Net(), (2, 3)).ops]
assert ops == ["aten.relu", "aten._softmax", "aten.mul"], ops
assert "getattr" not in vars(torch._compile)
""")


@pytest.mark.slow
@needs_a_tried_torch
def test_a_process_of_our_own_imports_the_compiler_when_it_is_asked():
    python("""
import builtins, gc, sys
before = builtins.__import__, gc.isenabled(), gc.get_threshold()
from netscope.runtime import startup
from netscope.sources import torchvision
startup.mark_own_process()
torchvision._import_models()
assert (builtins.__import__, gc.isenabled(), gc.get_threshold()) == before
assert not {"torch._dynamo", "sympy"} & set(sys.modules)
import torch
from torchvision.ops import roi_align
x, boxes = torch.ones(1, 2, 8, 8), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
assert roi_align(x, boxes, 2).shape == (1, 2, 2, 2)
answers = [sys.modules["torchvision.ops.roi_align"].is_compile_supported(device) for device in ("cpu", "meta")]
import torch._dynamo.utils as real
assert answers == [real.is_compile_supported(device) for device in ("cpu", "meta")]
""")


@pytest.mark.slow
def test_in_a_process_of_others_torchvision_is_imported_as_ever():
    python("""
import sys
from netscope.sources import torchvision
torchvision._import_models()
import torch._dynamo.utils
assert sys.modules["torchvision.ops.roi_align"].is_compile_supported is torch._dynamo.utils.is_compile_supported
""")


def test_an_import_that_fails_leaves_nothing_behind():
    python("""
import builtins, gc
before = builtins.__import__, gc.get_threshold()
from netscope.runtime import startup
startup.mark_own_process()
try:
    with startup.stub_imports(), startup.defer_garbage_collection():
        assert builtins.__import__ is not before[0] and gc.get_threshold() != before[1]
        import there_is_none
except ModuleNotFoundError:
    pass
assert (builtins.__import__, gc.get_threshold()) == before
""")


def test_leaving_waits_for_threads_and_calls_what_is_registered_for_the_end():
    code = """
import atexit, sys, threading, time
from netscope.runtime import startup
def late():
    time.sleep(0.2)
    print("thread")
atexit.register(lambda: print("end"))
threading.Thread(target=late).start()
sys.stderr.write("told")
startup.exit_process(5)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (5, "thread\nend\n", "told")
