"""The user's model and the global state are unchanged after a trace, whether it succeeds or fails."""

import builtins
import copy
import functools
import gc
import importlib
import os
import random
import subprocess
import sys
import threading
import warnings
from typing import NamedTuple

import pytest
import torch
from torch import nn

import netscope
from netscope.api.bench.preflight import run_preflight
from netscope.errors import NetscopeError
from netscope.schema import BenchConfig
from netscope.sources import build
from netscope.tracing import PrivateGenerators, preserve_process_state


class Net(nn.Module):
    """Mixed train and eval, a frozen norm, tied weights, buffers, hooks, a lock, tensors outside of parameters."""

    def __init__(self, *, fails=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.frozen_norm = nn.BatchNorm2d(8).eval()
        self.tied = nn.Conv2d(3, 8, 3, padding=1)
        self.tied.weight = self.conv.weight
        self.dropout = nn.Dropout(0.5)
        self.lock = threading.Lock()
        self.scale = torch.full((8, 1, 1), 2.0)
        self.constants = [torch.ones(1), {"offset": torch.zeros(1)}]
        self.fails = fails
        self.conv.weight.requires_grad_(False)

    def forward(self, x):
        with self.lock:
            y = self.norm(self.conv(x)) + self.frozen_norm(self.tied(x))
            y = self.dropout(y) * self.scale + self.constants[0] + self.constants[1]["offset"]
            random.random()
            torch.rand(1)
            if self.fails:
                raise ValueError("half-way")
            return y


def state_of(model):
    return {
        "attributes": {name: dict(vars(module)) for name, module in model.named_modules()},
        "training": [module.training for module in model.modules()],
        "tensors": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "identities": [id(tensor) for tensor in model.state_dict(keep_vars=True).values()],
        "memory": [tensor.data_ptr() for tensor in model.state_dict().values()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grads": [parameter.grad for parameter in model.parameters()],
        "hooks": [
            (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            for module in model.modules()
        ],
    }


def global_state():
    return {
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "grad": torch.is_grad_enabled(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "path": sys.path.copy(),
        "forward": nn.Module.__call__,
        "modes": torch.utils._python_dispatch._len_torch_dispatch_stack(),
    }


def assert_same(before, after):
    assert before.keys() == after.keys()
    for key in before:
        if key == "tensors":
            assert all(torch.equal(before[key][name], after[key][name]) for name in before[key])
        elif key == "attributes":
            assert {name: set(fields) for name, fields in before[key].items()} == {
                name: set(fields) for name, fields in after[key].items()
            }
            assert all(
                fields[field] is after[key][name][field] for name, fields in before[key].items() for field in fields
            )
        else:
            assert before[key] == after[key], key


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["auto", "meta", "cpu"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_users_model_and_the_process_are_unchanged(fails, device, mode, monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # tests may be run by another thread
    model = Net(fails=fails)
    model.conv.bias.grad = torch.ones(8)
    before, world = state_of(model), global_state()
    if fails:
        with pytest.raises(NetscopeError, match="half-way"):
            netscope.summarize(model, (2, 3, 8, 8), device=device, mode=mode)
    else:
        netscope.summarize(model, (2, 3, 8, 8), device=device, mode=mode)
    assert_same(before, state_of(model))
    assert_same(world, global_state())


class WritesIntoItsWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        self.fc.weight.data.clamp_(max=0.0)
        self.fc.bias.add_(1.0)
        self.fc.weight.detach().numpy()[:] = 0
        return self.fc(x)


def test_writes_into_parameters_do_not_reach_the_callers_model():
    model = WritesIntoItsWeights()
    before = copy.deepcopy(model.state_dict())
    netscope.summarize(model, (1, 4), device="cpu")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_frozen_norm_stays_frozen_while_a_training_model_is_traced_in_train_mode():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4).eval()
            self.seen = []

        def forward(self, x):
            self.seen.append((self.training, self.norm.training))
            return self.norm(x)

    model = Asks()
    seen = model.seen
    summary = netscope.summarize(model, (2, 4), mode="train")
    assert summary.mode == "train"
    assert not seen, "the copy has a separate list"
    assert (model.training, model.norm.training) == (True, False)


def test_a_model_that_refuses_to_be_copied_is_not_run():
    class Refuses(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("never")

    with pytest.raises(NetscopeError, match=r"cannot copy .*pass its class or a factory function"):
        netscope.summarize(Refuses(2, 2), (1, 2))


def test_given_tensors_are_not_written_into():
    class Doubles(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    x = torch.ones(3)
    netscope.summarize(Doubles(), x, device="cpu")
    assert torch.equal(x, torch.ones(3))


def test_the_weights_of_a_half_precision_model_get_half_precision_inputs():
    summary = netscope.summarize(nn.Linear(4, 4).to(torch.bfloat16), (1, 4))
    assert summary.inputs[0].dtype == "bfloat16"
    assert summary.totals.param_bytes == 2 * 20
    assert summary.totals.param_dtypes == ("bfloat16",)


class ClosesOverItself(nn.Module):
    """Functions that a deep copy leaves alone: in an attribute, in a patched forward, in a hook, in a partial."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.run = lambda x: self.norm(self.fc(x))
        self.also = functools.partial(lambda layer, x: layer(x), self.fc)
        old = self.forward
        self.forward = lambda x: old(x) * 2
        self.fc.register_forward_hook(lambda _module, _inputs, output: output + self.norm.weight.sum())

    def forward(self, x):
        return self.also(self.run(x))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_functions_that_close_over_the_model_run_the_copy(device):
    model = ClosesOverItself()
    before = state_of(model)
    summary = netscope.summarize(model, (2, 4), device=device, mode="train")
    assert_same(before, state_of(model))
    rows = {row.path: row for row in summary.rows}
    assert (rows["fc"].calls, rows["norm"].calls) == (2, 1)
    assert summary.traced_on == device


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_objects_next_to_ones_that_cannot_be_copied_are_copied(device):
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.context = {"lock": threading.Lock(), "calls": 0, "seen": torch.zeros(1)}
            self.generator = torch.Generator().manual_seed(3)
            self.marker = MARKER

        def forward(self, x):
            assert self.marker is MARKER
            self.context["calls"] += 1
            self.context["seen"].add_(1)
            return x + 1

    model = Keeps()
    generator = model.generator.get_state()
    netscope.summarize(model, (2,), device=device)
    assert model.context["calls"] == 0
    assert model.context["seen"].item() == 0
    assert torch.equal(model.generator.get_state(), generator)


MARKER = object()


def test_a_write_in_inference_mode_does_not_reach_the_callers_model():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            with torch.inference_mode():
                self.weight.mul_(2)
            return x * self.weight

    model = Writes()
    version = model.weight._version
    netscope.summarize(model, (3,), device="cpu")
    assert torch.equal(model.weight, torch.ones(3))
    assert model.weight._version == version


def test_cuda_is_left_no_seed():
    before = len(torch.cuda._lazy_seed_tracker.get_calls())
    netscope.summarize(nn.Linear(2, 2), (1, 2))
    assert len(torch.cuda._lazy_seed_tracker.get_calls()) == before


def test_tensors_in_a_named_tuple_are_not_written_into():
    class Pair(NamedTuple):
        a: torch.Tensor
        b: torch.Tensor

    class Adds(nn.Module):
        def forward(self, pair):
            return pair.a.add_(1) + pair.b

    given = Pair(torch.zeros(3), torch.zeros(3))
    for device in ("meta", "cpu"):
        netscope.summarize(Adds(), [given], device=device)
    assert torch.equal(given.a, torch.zeros(3))


def test_a_parameter_keeps_its_class():
    class Scaled(nn.Parameter):
        def scaled(self):
            return self * 2

    class Uses(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = Scaled(torch.ones(4, 4))
            self.others = [nn.Parameter(torch.ones(4, 4))]

        def forward(self, x):
            return x @ self.weight.scaled() @ self.others[0]

    for device in ("meta", "cpu"):
        assert netscope.summarize(Uses(), (2, 4), device=device).totals.macs == 2 * 2 * 16


def test_weights_on_meta_cannot_be_run_elsewhere():
    class Asks(nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.sum().item() == 0 else x

    with torch.device("meta"):
        model = Asks(2, 2)
    with pytest.raises(NetscopeError, match="the model's weights are on meta, so there is nothing to run on cpu"):
        netscope.summarize(model, (1, 2))


def test_a_model_deeper_than_python_goes_is_copied():
    class Level(nn.Module):
        def __init__(self, below):
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.below = below

        def forward(self, x):
            return self.fc(x)

    model = None
    for _ in range(600):
        model = Level(model)
    limit = sys.getrecursionlimit()
    for device in ("meta", "cpu"):
        assert netscope.summarize(model, (1, 2), device=device).totals.params == 6 * 600
    assert sys.getrecursionlimit() == limit


# With other threads, and in forked processes. All waiting is for events; the timeout is for failing tests.

HANGS_S = 60


class Meets(nn.Module):
    """Draws numbers, then has ``do`` run in another thread while its forward pass is under way, and draws again."""

    def __init__(self, do):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.5)
        self.attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.do = [do]

    def forward(self, x):
        self.draw()
        failures = []

        def run():
            try:
                self.do[0]()
            except BaseException as failure:  # noqa: BLE001 - raised in the thread of the test
                failures.append(failure)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(HANGS_S)
        assert not thread.is_alive()
        assert not failures, failures
        self.draw()
        return self.attention(self.dropout(self.fc(x)))

    def draw(self):
        torch.rand(3)
        torch.rand_like(torch.empty(2))
        torch.randperm(4)
        nn.functional.dropout(torch.ones(8), 0.5, training=True)


def seen_by_any_thread():
    flex = importlib.import_module("torch.nn.attention.flex_attention")
    with pytest.raises(ValueError, match="only supported on"):
        flex._validate_device(*(torch.empty(1, device="meta") for _ in range(3)))
    return {
        "compile": torch.compile,
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "depth": sys.getrecursionlimit(),
        "warnings": warnings.filters.copy(),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "dtype": torch.get_default_dtype(),
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "import": builtins.__import__,
        "names of the compiler": sorted(vars(torch._compile)),
        "path": sys.path.copy(),
    }


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_another_thread_sees_no_change_while_a_model_is_traced(device, mode):
    before, seen = [], []
    model = Meets(lambda: seen.append(seen_by_any_thread()))

    def trace():
        before.append(seen_by_any_thread())
        netscope.summarize(model, (1, 3, 4), device=device, mode=mode)

    Meets(trace)(torch.ones(1, 3, 4))  # so that the trace, too, is not alone
    assert seen == before


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_training_in_another_thread_goes_on_as_if_nothing_was_traced(device):
    beside = Meets(None)

    def trained(between):
        torch.manual_seed(0)
        random.seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step():
            optimizer.zero_grad()
            model(torch.rand(2, 4) * random.random()).sum().backward()
            optimizer.step()

        for _ in range(3):
            step()
            between(step)
            step()
        return [parameter.tolist() for parameter in model.parameters()]

    def step_beside_a_trace(step):
        beside.do = [step]
        trace = threading.Thread(
            target=netscope.summarize, args=(beside, (1, 3, 4)), kwargs={"device": device, "mode": "train"}
        )
        trace.start()
        trace.join(HANGS_S)
        assert not trace.is_alive()

    assert trained(step_beside_a_trace) == trained(lambda step: step())


def test_weights_are_the_same_with_and_without_another_thread(monkeypatch):
    class Drawn(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.drawn = torch.randn(3)

    def built():
        with preserve_process_state():
            model = build(Drawn, "it", "cpu", PrivateGenerators)
        found.append([*model.fc.weight.flatten().tolist(), *model.drawn.tolist()])

    found = []
    before = torch.get_rng_state()
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    built()
    monkeypatch.undo()
    thread = threading.Thread(target=built)
    thread.start()
    thread.join()
    assert found[0] == found[1]
    assert torch.equal(before, torch.get_rng_state())


class Asks(nn.Module):
    """Counts a part of itself while it runs, in the same thread or in another."""

    def __init__(self, found, *, in_thread, device):
        super().__init__()
        self.part = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.found = [found]
        self.in_thread = in_thread
        self.device = device

    def forward(self, x):
        def ask():
            self.found[0](netscope.summarize(self.part, (2, 4), device=self.device))

        if self.in_thread:
            thread = threading.Thread(target=ask, daemon=True)
            thread.start()
            thread.join(HANGS_S)
            assert not thread.is_alive()
        else:
            ask()
        return self.part(x)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_summary_within_a_forward_that_is_traced_counts_once(in_thread, device, mode):
    inner = []
    outer = netscope.summarize(Asks(inner.append, in_thread=in_thread, device=device), (2, 4), device=device, mode=mode)
    assert [summary.totals.macs for summary in (outer, *inner)] == [32, 32]
    assert [[row.calls for row in summary.rows] for summary in (outer, *inner)] == [[1] * 4, [1] * 3]


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_training_step_is_counted_in_inference_mode(device):
    with torch.inference_mode():
        for inputs in ((2, 4), torch.ones(2, 4)):
            summary = netscope.summarize(nn.Linear(4, 4), inputs, device=device, mode="train")
            assert summary.totals.backward_flops == 64
            assert torch.is_inference_mode_enabled()
            assert not torch.is_grad_enabled()


def test_the_warnings_of_a_model_reach_the_user(tmp_path):
    path = tmp_path / "warns.py"
    path.write_text(
        "import warnings\n"
        "from torch import nn\n"
        "def net():\n"
        "    warnings.warn('old', FutureWarning)\n"
        "    return nn.Linear(2, 2)\n"
    )
    with pytest.warns(FutureWarning, match="old"):
        netscope.summarize(f"{path}:net", (1, 2))


def python(code):
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=2 * HANGS_S)


QUESTIONS = {
    "summary": lambda spec: netscope.summarize(spec, (1, 2)),
    "explain": lambda spec: netscope.explain(spec, inputs=(1, 2)),
    "what-if": lambda spec: netscope.explain(spec, inputs=(1, 2), what_if={"input": (2, 2)}),
    "verify": lambda spec: netscope.verify(spec, (1, 2)),
    "bench": lambda spec: run_preflight(spec, BenchConfig(device="cpu"), (1, 2)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_users_module_that_changes_the_default_dtype_changes_it_for_itself_only(question, tmp_path, monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    path = tmp_path / f"sets_{question.replace('-', '_')}.py"
    path.write_text("import torch\ntorch.set_default_dtype(torch.float64)\nnet = torch.nn.Linear\n")
    QUESTIONS[question](f"{path}:net@in_features=2,out_features=4")
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_process_forked_during_a_trace_can_trace():
    python("""
import os, threading
import netscope, torch

inside, forked = threading.Event(), threading.Event()

class Waits(torch.nn.Linear):
    def forward(self, x):
        inside.set()
        forked.wait()
        return super().forward(x)

thread = threading.Thread(target=netscope.summarize, args=(Waits(2, 2), (1, 2)))
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit(0 if netscope.summarize(torch.nn.Linear(2, 2), (1, 2)).totals.macs == 4 else 1)
status = os.waitpid(child, 0)[1]
forked.set()
thread.join()
assert status == 0, status
""")


@pytest.mark.slow
def test_a_forward_that_is_the_first_to_compile_runs_eagerly():
    python("""
import netscope, sys, torch

class Compiles(torch.nn.Linear):
    def forward(self, x):
        return torch.compile(super().forward, fullgraph=True)(x)

assert "torch._dynamo" not in sys.modules
for mode in ("eval", "train"):
    assert netscope.summarize(Compiles(2, 2), (1, 2), mode=mode, device="meta").totals.macs == 4
""")


@pytest.mark.slow
def test_a_distributed_model_is_counted_without_the_other_processes_or_rejected():
    python("""
import tempfile
import netscope, torch, torch.distributed
from torch import nn
from torch.distributed.fsdp import fully_shard

def net():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

with tempfile.NamedTemporaryFile() as file:
    torch.distributed.init_process_group("gloo", init_method=f"file://{file.name}", rank=0, world_size=1)
    for device in ("meta", "cpu"):
        for mode in ("eval", "train"):
            summary = netscope.summarize(nn.parallel.DistributedDataParallel(net()), (2, 4), device=device, mode=mode)
            assert summary.totals.macs == 48 and summary.traced_on == device
            assert not summary.uncounted_ops, summary.uncounted_ops
    model = net()
    fully_shard(model)
    try:
        netscope.summarize(model, (2, 4))
    except netscope.NetscopeError as error:
        assert "give the model as it is before it is sharded" in str(error), error
    else:
        raise AssertionError
    torch.distributed.destroy_process_group()
""")
