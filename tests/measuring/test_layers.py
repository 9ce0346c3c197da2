import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import netscope
from netscope.measuring.clock import HostClock
from netscope.measuring.layers import layer_times


class Sleeps(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return x


class Net(nn.Module):
    """A list that is not called itself, a module under two names, and one that never runs."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Sleeps(0.004), Sleeps(0.002)])
        self.again = self.blocks[1]
        self.idle = nn.Linear(2, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.again(x)


def measured():
    model = Net()
    found = layer_times(model, lambda: model(torch.ones(1)), HostClock())
    return model, found


def test_each_module_has_the_time_of_its_own_calls():
    _, found = measured()
    assert 0.004 <= found.seconds["blocks.0"] < 0.008
    assert 0.004 <= found.seconds["again"] < 0.008
    assert found.seconds[""] >= found.seconds["blocks.0"] + found.seconds["again"]
    assert "idle" not in found.seconds


def test_a_module_under_two_names_has_its_time_where_its_calls_are_counted():
    model, found = measured()
    called = {row.path for row in netscope.summarize(model, (1,)).rows if row.calls}
    assert called == set(found.seconds)


def test_what_it_costs_is_told():
    _, found = measured()
    assert found.overhead.events == 8  # two for each of four calls
    assert found.overhead.bare_step_s >= 0.008
    assert found.overhead.per_event_s >= 0


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    def forward(self, x):
        return checkpoint(self.block, x, use_reentrant=False).sum()


def test_what_a_checkpoint_runs_again_is_no_call_of_the_forward_pass():
    model = Checkpointed()
    found = layer_times(model, lambda: model(torch.ones(2, 4)).backward(), HostClock())
    assert found.overhead.events == 2 * 5
    assert all(0 < seconds < 1 for seconds in found.seconds.values())
    assert found.seconds["block"] >= found.seconds["block.0"]


def test_no_hook_is_left():
    model, _ = measured()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
