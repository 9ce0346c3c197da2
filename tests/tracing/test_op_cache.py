"""Cached results of ops on meta: a trace is the same as without the cache."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import netscope
from netscope.tracing import op_cache, torch_compat

try:
    from torchvision.models import list_models

    TORCHVISION = list_models()
except ImportError:
    TORCHVISION = []


class Blocks(nn.Module):
    """Layers that repeat, in place and not, with scalars of several types."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)) for _ in range(4)
        )

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            x = (x + block(x) * 2.0).add_(1)
            x = torch.cat([x[:, :2], x[:, 2:].contiguous() + number], 1)
        halves = x.chunk(2, 1)
        return [torch.softmax(half, -1).transpose(1, 2) for half in halves], x.to(torch.float16) @ x.half()


class Scalars(nn.Module):
    def forward(self, x):
        whole = torch.ones_like(x, dtype=torch.int64)
        return whole + 1, whole + 1.0, whole + True, whole.add_(1), x + 1, x.double() + 1


class Switching(nn.Module):
    def forward(self, x):
        whole = x.long()
        before = torch.true_divide(whole, 2)
        torch.set_default_dtype(torch.float64)
        after = torch.true_divide(whole, 2)
        torch.set_default_dtype(torch.float32)
        return before, after


class Overlapping(nn.Module):
    def forward(self, x):
        y = x + 0
        other = x + 1
        y[1:].add_(other[:-1])
        y.add_(y)
        y.t_()
        y.add_(y)
        z = y.to_sparse() if x.device.type != "meta" else y
        return y, z.shape


@pytest.fixture
def always_run(monkeypatch):
    """Returns a function that disables the cache."""

    def switch():
        monkeypatch.setattr(op_cache.OpCache, "lookup", lambda *_: None)

    return switch


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (Blocks, (2, 4, 8, 8)),
        (Scalars, (2, 3)),
        (Switching, (2, 3)),
        (Overlapping, (3, 3)),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, enable_nested_tensor=False), (5, 2, 8)),
        (lambda: nn.LSTM(4, 4, 2, bidirectional=True), (5, 2, 4)),
    ],
)
def test_a_trace_is_the_same_as_one_that_runs_every_op(model, inputs, mode, always_run):
    def traced():
        try:
            return netscope.trace(model(), inputs, device="meta", mode=mode)
        except netscope.NetscopeError as error:
            return str(error)

    quick = traced()
    always_run()
    assert quick == traced()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", TORCHVISION)
def test_all_of_torchvision_is_traced_as_if_every_op_ran(name, mode, always_run):
    def traced():
        try:
            trace = netscope.trace(f"torchvision/{name}", device="meta", mode=mode)
        except netscope.NetscopeError as error:
            return str(error)
        assert len(trace.ops) > 10
        return trace

    quick = traced()
    always_run()
    assert quick == traced()


def test_ops_that_repeat_are_not_run_again(monkeypatch):
    ran = []
    run_op = torch_compat.run_op
    monkeypatch.setattr(torch_compat, "run_op", lambda op, *args: ran.append(op) or run_op(op, *args))
    trace = netscope.trace(nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(9)]), (2, 8))
    assert sum(op.name == "aten.gelu" for op in trace.ops) == 9
    assert sum(op is torch.ops.aten.gelu.default for op in ran) == 1


def test_values_are_computed_off_meta():
    class Counting(nn.Module):
        def forward(self, x):
            total = torch.zeros(())
            for _ in range(3):
                total = total + torch.ones_like(total)
            self.total = total.item()
            return x[: int(total)]

    trace = netscope.trace(Counting(), (9, 2))
    assert trace.tensors[trace.calls[0].outputs[0]].shape == (3, 2)


def test_an_op_that_fails_fails_each_time():
    class Wrong(nn.Module):
        def forward(self, x):
            for _ in range(2):
                try:
                    x @ x
                except RuntimeError:
                    self.failures = getattr(self, "failures", 0) + 1
            assert self.failures == 2
            return x

    assert netscope.trace(Wrong(), (2, 3), device="meta")


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_garbage_is_collected_as_usual_where_tensors_are_real(device):
    code = f"""
import gc
import netscope
from netscope.runtime import startup
from torch import nn
before, seen = gc.get_threshold(), []

class Model(nn.Module):
    def forward(self, x):
        seen.append(gc.get_threshold())
        return x + 1

startup.mark_own_process()
netscope.summarize(Model(), (2, 3), device={device!r})
assert seen and all((threshold == before) == ({device!r} == "cpu") for threshold in seen)
assert gc.get_threshold() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


class Shared(nn.Module):
    """One activation under many names, in lists that are never called themselves."""

    def __init__(self, count):
        super().__init__()
        act = nn.ReLU()
        self.blocks = nn.ModuleList(Block(act) for _ in range(count // 2))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), act])

    def forward(self, x):
        return self.layers[1](self.layers[0](x))


def test_a_shared_module_is_attributed_to_the_block_that_calls_it():
    trace = netscope.trace(Shared(6), (1, 4))
    called = [trace.modules[call.module].path for call in trace.calls]
    assert called[1:] == [
        path for n in range(3) for path in (f"blocks.{n}", f"blocks.{n}.layers.0", f"blocks.{n}.layers.1")
    ]


def _alias(count):
    layer = nn.Linear(4, 4)
    return nn.Sequential(*[layer] * count)


def _uncalled(count):
    class Uncalled(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(4, 4)
            self.spare = nn.ModuleList(nn.ModuleList([nn.Linear(4, 4)]) for _ in range(count // 2))

        def forward(self, x):
            return self.used(x)

    return Uncalled()


@pytest.mark.parametrize(
    ("build", "inputs"),
    [
        (lambda count: nn.Sequential(*[nn.Linear(4, 4) for _ in range(count)]), (1, 4)),
        (lambda count: nn.Sequential(*[nn.Conv2d(2, 2, 3, padding=1) for _ in range(count)]), (1, 2, 8, 8)),
        (_alias, (1, 4)),
        (Shared, (1, 4)),
        (_uncalled, (1, 4)),
    ],
    ids=["linear", "convolution", "alias", "shared", "uncalled"],
)
def test_the_work_is_linear_in_the_number_of_layers(build, inputs):
    def calls(count):
        with torch.device("meta"):
            model = build(count)
        made = 0

        def note(_frame, event, _arg):
            nonlocal made
            made += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            netscope.summarize(model, inputs)
        finally:
            sys.setprofile(None)
        return made

    calls(20)
    few, some, many = calls(100), calls(200), calls(400)
    # Twice as many additional layers make twice as many additional calls.
    assert 1.8 < (many - some) / (some - few) < 2.2


def test_finding_an_entry_takes_constant_time():
    def steps(count):
        model = _alias(count)
        lines = 0

        def trace(frame, event, _arg):
            nonlocal lines
            if frame.f_code.co_name not in ("_find_entry", "<listcomp>"):
                return None
            lines += event == "line"
            return trace

        sys.settrace(trace)
        try:
            netscope.trace(model, (1, 4), device="meta")
        finally:
            sys.settrace(None)
        return lines

    assert steps(200) / steps(100) < 2.2
