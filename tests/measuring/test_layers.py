import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import netscope
from netscope.measuring.clock import HostClock
from netscope.measuring.layers import measure_layer_times
from tests.measuring.simulation import FakeClock


class Sleep(nn.Module):
    """Takes a number of seconds of a fake clock."""

    def __init__(self, seconds, clock):
        super().__init__()
        self.seconds, self.clock = seconds, clock

    def forward(self, x):
        self.clock.run(self.seconds)
        return x


class Net(nn.Module):
    """A list that is not called itself, a module under two names, and one that never runs."""

    def __init__(self, clock):
        super().__init__()
        self.blocks = nn.ModuleList([Sleep(0.004, clock), Sleep(0.002, clock)])
        self.again = self.blocks[1]
        self.idle = nn.ReLU()
        self.clock = clock

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        self.clock.run(0.001)
        return self.again(x)


def measure_net():
    clock = FakeClock()
    model = Net(clock)
    return model, measure_layer_times(model, lambda: model(torch.ones(1)), clock, clock.time + 1)


def test_each_module_has_the_time_of_its_own_calls():
    _, found = measure_net()
    assert found.seconds == pytest.approx({"": 0.009, "blocks.0": 0.004, "again": 0.004})


def test_a_module_under_two_names_has_its_time_where_its_calls_are_counted():
    model, found = measure_net()
    called = {row.path for row in netscope.summarize(model, (1,)).rows if row.calls}
    assert called == set(found.seconds)


def test_the_overhead_is_measured():
    _, found = measure_net()
    assert found.overhead.events == 8  # two for each of four calls
    assert found.overhead.bare_step_s == pytest.approx(0.009)
    assert found.overhead.per_event_s == pytest.approx(0.0, abs=1e-9)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    def forward(self, x):
        return checkpoint(self.block, x, use_reentrant=False).sum()


def test_a_checkpoint_running_modules_again_is_not_a_call_of_the_forward_pass():
    model = Checkpointed()
    found = measure_layer_times(model, lambda: model(torch.ones(2, 4)).backward(), HostClock(), 0.0)
    assert found.overhead.events == 2 * 5
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.seconds["block"] >= found.seconds["block.0"]


def test_no_hook_is_left():
    model, _ = measure_net()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
