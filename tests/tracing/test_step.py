"""Training steps: the ops of the backward pass, and the modules that they are attributed to."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import netscope
from netscope.errors import TracingError, UsageError

B, D = 8, 16
PRODUCT = 2 * B * D * D
"""FLOPs of a Linear(D, D) on B rows."""


def backward_of(summary):
    return {row.path: row.own.backward_flops for row in summary.rows if row.own.backward_flops}


@pytest.fixture(params=["meta", "cpu"])
def step(request):
    return lambda model, inputs=(B, D): netscope.summarize(model, inputs, mode="train", device=request.param)


def linears(count=3):
    return nn.Sequential(*(nn.Linear(D, D) for _ in range(count)))


def test_the_first_layer_needs_no_gradient_of_its_input(step):
    summary = step(linears())
    assert backward_of(summary) == {"0": PRODUCT, "1": 2 * PRODUCT, "2": 2 * PRODUCT}
    assert summary.totals.flops == 3 * PRODUCT
    assert summary.totals.step_flops == 8 * PRODUCT


def test_frozen_layers_cost_less(step):
    model = linears()
    model[0].requires_grad_(False)
    assert backward_of(step(model)) == {"1": PRODUCT, "2": 2 * PRODUCT}
    model[1].requires_grad_(False)
    assert backward_of(step(model)) == {"2": PRODUCT}
    only_the_first = linears()
    only_the_first[1:].requires_grad_(False)
    assert backward_of(step(only_the_first)) == {"0": PRODUCT, "1": PRODUCT, "2": PRODUCT}


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.block = linears()
        self.reentrant = reentrant

    def forward(self, x):
        return checkpoint(self.block, x.requires_grad_(), use_reentrant=self.reentrant)


@pytest.mark.parametrize(("reentrant", "run_again"), [(True, 3), (False, 2)])
def test_a_checkpoint_runs_its_forward_pass_again(step, reentrant, run_again):
    """Without re-entry torch stops as soon as it has every input that it dropped: the last layer's output is none."""
    summary = step(Checkpointed(reentrant))
    assert summary.totals.flops == 3 * PRODUCT
    assert summary.totals.backward_flops == (6 + run_again) * PRODUCT


def test_functional_matmuls_belong_to_the_module_that_ran_them(step):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(D, 3 * D)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, -1)
            return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    summary = step(nn.Sequential(Attention(), nn.Linear(D, D)), (2, B, D))
    scores = 2 * 2 * B * B * D
    assert backward_of(summary) == {"0": 4 * scores, "0.qkv": 3 * 2 * PRODUCT, "1": 2 * 2 * PRODUCT}


def test_a_shared_layer_is_differentiated_as_often_as_it_ran(step):
    layer = nn.Linear(D, D)
    assert step(nn.Sequential(layer, layer, layer)).totals.backward_flops == 5 * PRODUCT


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_the_gradients_of_a_convolution_cost_a_forward_pass_each(step, groups):
    model = nn.Sequential(nn.Conv2d(8, 8, 3, groups=groups), nn.Conv2d(8, 8, 3, groups=groups))
    summary = step(model, (2, 8, 10, 10))
    first, second = (2 * 2 * 8 * side * side * (8 // groups) * 9 for side in (8, 6))
    assert summary.totals.flops == first + second
    assert backward_of(summary) == {"0": first, "1": 2 * second}


def test_a_recurrent_layer_propagates_through_time():
    steps, hidden = 5, 12
    summary = netscope.summarize(nn.LSTM(D, hidden, batch_first=True), (B, steps, D), mode="train", device="meta")
    inputs, states = 2 * B * 4 * hidden * D, 2 * B * 4 * hidden * hidden
    assert summary.totals.flops == steps * (inputs + states)
    # Weights: as the forward pass. States: through all steps but the first, whose state has no gradient.
    assert summary.totals.backward_flops == steps * (inputs + states) + (steps - 1) * states


def test_a_fused_recurrent_layer_computes_every_gradient():
    summary = netscope.summarize(nn.LSTM(D, D, 2, batch_first=True), (B, 5, D), mode="train", device="cpu")
    assert not summary.uncounted_ops
    assert summary.totals.backward_flops == 2 * summary.totals.flops


def test_the_loss_among_the_outputs_is_what_is_differentiated(step):
    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.aside = nn.Linear(D, D), nn.Linear(D, D)

        def forward(self, x):
            return {"loss": self.used(x).mean(), "logits": self.aside(x)}

    assert backward_of(step(WithLoss())) == {"used": PRODUCT}


UNTRAINABLE = {
    "nothing to train": lambda: nn.Linear(D, D).requires_grad_(False),
    "nothing differentiable": lambda: nn.Sequential(nn.Linear(D, D), Argmax()),
}


class Argmax(nn.Module):
    def forward(self, x):
        return x.argmax(-1)


@pytest.mark.parametrize("case", UNTRAINABLE)
def test_a_model_that_cannot_be_trained_raises_an_error(step, case):
    with pytest.raises(TracingError, match="cannot be trained: none of its outputs depends on a parameter"):
        step(UNTRAINABLE[case]())


@pytest.mark.filterwarnings("ignore")  # torch advises to compile
def test_flex_attention_has_a_backward_pass():
    from torch.nn.attention.flex_attention import flex_attention

    class Flex(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(D, 3 * D)

        def forward(self, x):
            return flex_attention(*self.fc(x).unsqueeze(1).chunk(3, -1))

    summary = netscope.summarize(Flex(), (B, 128, D), mode="train", device="cpu")
    product, projection = 2 * B * 128 * 128 * D, 2 * B * 128 * D * 3 * D
    assert not summary.uncounted_ops
    assert summary.totals.flops == projection + 2 * product
    assert backward_of(summary) == {"": 5 * product, "fc": projection}


class FailsGoingBack(nn.Module):
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(_context, x):
            return x.clone()

        @staticmethod
        def backward(_context, _gradient):
            raise RuntimeError("no way back")

    def forward(self, x):
        return self.Function.apply(x)


def test_a_failure_in_the_backward_pass_is_reported_as_such(step):
    with pytest.raises(TracingError, match=r"the backward pass on .* failed in .*no way back"):
        step(nn.Sequential(nn.Linear(D, D), FailsGoingBack()))


def test_ops_of_the_two_passes_are_separate(step):
    row = step(linears(2)).rows[2]
    assert sum(op.flops for op in row.ops) == row.own.flops == PRODUCT
    assert sum(op.flops for op in row.backward_ops) == row.own.backward_flops == 2 * PRODUCT


class OpenParameters(nn.Module):
    """Trains a tensor that is not a parameter."""

    def __init__(self):
        super().__init__()
        self.weight = torch.randn(D, D, requires_grad=True)
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(x @ self.weight)


def test_tensors_that_are_not_parameters_are_trained_too(step):
    model = OpenParameters()
    assert backward_of(step(model)) == {"": PRODUCT, "fc": 2 * PRODUCT}
    assert model.weight.grad is None
    assert backward_of(step(nn.Linear(D, D), torch.ones(B, D, requires_grad=True))) == {"": 2 * PRODUCT}


class Mapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return torch.cond(x.shape[0] > 1, lambda x: self.fc(x), lambda x: x.clone(), (x,))  # noqa: PLW0108 - as written


def test_a_condition_has_a_backward_pass(step):
    assert step(nn.Sequential(nn.Linear(D, D), Mapped())).totals.backward_flops == 3 * PRODUCT


def test_the_callers_model_gets_no_gradients(step):
    model = nn.Sequential(nn.Linear(D, D), nn.BatchNorm1d(D))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model[0].weight.grad = torch.ones(D, D)
    step(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.ones(D, D))
    assert model[0].bias.grad is None


# Grouped convolutions are left out: torch's counter takes the gradient of their weights for that of ungrouped ones.
ARCHITECTURES = ("alexnet", "resnet18", "densenet121", "vit_b_16", "swin_t", "swin_v2_t", "squeezenet1_0", "r3d_18")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_torchs_own_counter_agrees(name):
    import torchvision

    size = {"swin_v2_t": (256, 256), "r3d_18": (8, 64, 64)}.get(name, (224, 224))
    summary = netscope.summarize(f"torchvision/{name}", (2, 3, *size), mode="train")
    with torch.device("meta"):
        model, x = torchvision.models.get_model(name, weights=None).train(), torch.empty(2, 3, *size)
    with FlopCounterMode(display=False) as counter:
        model(x).sum().backward()
    assert summary.totals.step_flops == counter.get_total_flops()
    assert sum(row.own.backward_flops for row in summary.rows) == summary.totals.backward_flops


def test_without_training_there_is_no_backward_pass():
    summary = netscope.summarize(linears(), (B, D))
    assert summary.totals.backward_flops is None
    assert summary.optimizer is None


def test_an_optimizer_without_training_is_refused():
    with pytest.raises(UsageError, match='optimizer="adam" requires mode="train"'):
        netscope.summarize(linears(), (B, D), optimizer="adam")


def test_an_unknown_optimizer_or_dtype_is_refused():
    with pytest.raises(UsageError, match="unknown optimizer 'adm'; did you mean adam"):
        netscope.summarize(linears(), (B, D), mode="train", optimizer="adm")
    with pytest.raises(UsageError, match="unknown dtype 'int8'; available dtypes: float32"):
        netscope.summarize(linears(), (B, D), dtype="int8")
