"""What was lent comes back as it was, on success and on failure, and nothing global stays changed."""

import copy
import random
import sys
import threading

import pytest
import torch
from torch import nn

import netscope
from netscope.errors import NetscopeError


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
            assert {name: set(kept) for name, kept in before[key].items()} == {
                name: set(kept) for name, kept in after[key].items()
            }
            assert all(kept[field] is after[key][name][field] for name, kept in before[key].items() for field in kept)
        else:
            assert before[key] == after[key], key


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["auto", "meta", "cpu"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_lent_model_and_the_process_come_back_as_they_were(fails, device, mode):
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
        return self.fc(x)


def test_what_a_forward_writes_into_lent_parameters_is_undone():
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
    assert not seen, "the twin has a list of its own"
    assert (model.training, model.norm.training) == (True, False)


def test_no_memory_of_a_large_model_is_copied_on_the_cpu():
    model = nn.Linear(1000, 1000)
    pointers = []
    model.register_forward_hook(lambda module, _inputs, _output: pointers.append(module.weight.data_ptr()))
    netscope.summarize(model, (1, 1000), device="cpu")
    assert pointers == [model.weight.data_ptr()]


def test_a_model_that_refuses_to_be_copied_is_not_run():
    class Refuses(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("never")

    with pytest.raises(NetscopeError, match=r"cannot be copied .*give it the class or a function"):
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
