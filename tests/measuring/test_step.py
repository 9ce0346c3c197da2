"""A step does exactly what its description says."""

import pytest
import torch
from torch import nn

from netscope.errors import MeasuringError, OutOfMemoryError, UntrainableError
from netscope.measuring import BenchModel, run_steps
from netscope.measuring.host_transfer import NUM_BATCHES
from netscope.measuring.precision import configure_torch
from netscope.measuring.step import grad_mode, prepare
from netscope.schema import BenchConfig
from netscope.schema.inputs import ForwardInputs
from netscope.schema.memory import STATES_PER_PARAMETER
from netscope.tracing import find_differentiable_outputs

CPU = torch.device("cpu")


class Spy(nn.Module):
    """Records the input of each forward pass and torch's settings."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.seen = []

    def forward(self, x):
        self.seen.append(
            {
                "x": x,
                "training": self.training,
                "inference": torch.is_inference_mode_enabled(),
                "autocast": torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None,
                "weights": next(self.inner.parameters()).dtype,
            }
        )
        return self.inner(x)


def run_spy(inner, shape, **config):
    """The spy and its prepared model after six steps in this configuration."""
    spy = Spy(inner)

    def batch(_module, number, _device):
        return ForwardInputs(args=(torch.randn(shape, generator=torch.Generator().manual_seed(number)),), kwargs={})

    def found(result):
        return find_differentiable_outputs(result, "Spy")

    subject = BenchModel(name="Spy", build=lambda: spy, create_inputs=batch, find_outputs=found)
    made = BenchConfig(device="cpu", **{"optimizer": "sgd" if config.get("mode") == "train" else None, **config})
    with configure_torch(made), grad_mode(made):
        prepared = prepare(subject, made, CPU)
        for _ in range(6):
            prepared.workload.step()
    return spy, prepared, made


def test_inference_is_in_eval_mode_and_without_gradients():
    spy, prepared, config = run_spy(nn.Linear(4, 3), (2, 4))
    assert all(not seen["training"] and seen["inference"] and seen["autocast"] is None for seen in spy.seen)
    assert "eval mode and inference_mode" in prepared.describe(config)
    assert not spy.inner.weight.is_inference()


def test_inputs_rotate_and_none_is_zero():
    spy, _, _ = run_spy(nn.Linear(4, 3), (2, 4))
    given = [seen["x"] for seen in spy.seen]
    assert len({id(x) for x in given}) == NUM_BATCHES == 4
    assert given[0] is given[4]
    assert all(x.abs().min() > 0 for x in given)
    assert not torch.equal(given[0], given[1])


def test_a_training_step_changes_the_weights_and_leaves_gradients_of_this_step_alone():
    inner = nn.Linear(4, 3)
    before = inner.weight.detach().clone()
    spy, prepared, config = run_spy(inner, (2, 4), mode="train")
    assert all(seen["training"] and not seen["inference"] for seen in spy.seen)
    assert not torch.equal(inner.weight, before)
    assert inner.weight.grad is not None
    description = prepared.describe(config)
    assert description.startswith("zero_grad, forward in train mode, cross-entropy, backward, sgd step")


def test_gradients_do_not_add_up_over_steps():
    torch.manual_seed(0)
    inner = nn.Linear(4, 3)
    _, prepared, _ = run_spy(inner, (2, 4), mode="train")
    prepared.workload.step()
    first = inner.weight.grad.clone()
    for _ in range(NUM_BATCHES):
        prepared.workload.step()
    assert torch.allclose(inner.weight.grad, first, atol=1e-4)


@pytest.mark.parametrize("optimizer", STATES_PER_PARAMETER)
def test_every_optimizer_takes_a_step(optimizer):
    inner = nn.Linear(4, 3)
    before = inner.weight.detach().clone()
    run_spy(inner, (2, 4), mode="train", optimizer=optimizer)
    assert not torch.equal(inner.weight, before)


@pytest.mark.parametrize(
    ("inner", "shape", "loss"),
    [
        (nn.Linear(4, 3), (2, 4), "cross-entropy"),
        (nn.Linear(4, 1), (2, 4), "mean squared error"),
        (nn.Conv2d(3, 4, 3), (2, 3, 8, 8), "mean squared error"),
    ],
)
def test_the_loss_fits_the_output(inner, shape, loss):
    _, prepared, config = run_spy(inner, shape, mode="train")
    assert f"train mode, {loss}, backward" in prepared.describe(config)


class OwnLoss(nn.Linear):
    def forward(self, x):
        return {"loss": super().forward(x).mean(), "logits": x}


class Several(nn.Linear):
    def forward(self, x):
        scores = super().forward(x)
        return scores, [scores[:, :1], scores.to(torch.complex64)], "text", x


def test_a_models_own_loss_is_taken():
    _, prepared, config = run_spy(OwnLoss(4, 3), (2, 4), mode="train")
    assert "the model's own loss" in prepared.describe(config)


def test_all_differentiable_outputs_have_a_loss():
    _, prepared, config = run_spy(Several(4, 3), (2, 4), mode="train")
    assert "cross-entropy and mean squared error" in prepared.describe(config)
    assert [len(targets) for targets in prepared.loss._targets.values()] == [3] * NUM_BATCHES


class Growing(nn.Linear):
    """Its output has a row more each time, as detectors' proposals do."""

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(x.repeat(self.calls, 1))


def test_targets_follow_an_output_whose_shape_varies():
    _, prepared, _ = run_spy(Growing(4, 3), (1, 4), mode="train")
    assert {len(targets[0]) for targets in prepared.loss._targets.values()} == {3, 4, 5, 6}


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).argmax(1)


@pytest.mark.parametrize("inner", [Detached(4, 3), nn.Linear(4, 3).requires_grad_(False)])
def test_a_model_without_gradients_is_an_error(inner):
    with pytest.raises(UntrainableError, match="cannot be trained: none of its"):
        run_spy(inner, (2, 4), mode="train")


def test_autocast_leaves_the_weights_and_a_cast_does_not():
    spy, prepared, config = run_spy(nn.Linear(4, 3), (2, 4), dtype="bf16")
    assert {(seen["autocast"], seen["weights"], seen["x"].dtype) for seen in spy.seen} == {
        (torch.bfloat16, torch.float32, torch.float32)
    }
    assert "autocast to bf16" in prepared.describe(config)
    spy, prepared, config = run_spy(nn.Linear(4, 3), (2, 4), dtype="bf16", cast=True)
    assert {(seen["autocast"], seen["weights"], seen["x"].dtype) for seen in spy.seen} == {
        (None, torch.bfloat16, torch.bfloat16)
    }
    assert "weights and inputs in bf16" in prepared.describe(config)


def test_half_precision_trains_through_a_scaler_unless_it_is_cast():
    _, prepared, config = run_spy(nn.Linear(4, 3), (2, 4), dtype="fp16", mode="train")
    assert "backward through a gradient scaler" in prepared.describe(config)
    _, prepared, config = run_spy(nn.Linear(4, 3), (2, 4), dtype="fp16", mode="train", cast=True)
    assert "scaler" not in prepared.describe(config)


@pytest.mark.parametrize(
    ("inner", "shape", "layout"),
    [
        (nn.Conv2d(3, 4, 3), (2, 3, 8, 8), torch.channels_last),
        (nn.Conv3d(3, 4, 3), (2, 3, 8, 8, 8), torch.channels_last_3d),
    ],
)
def test_channels_last_is_of_weights_and_inputs(inner, shape, layout):
    spy, _, _ = run_spy(inner, shape, channels_last=True)
    assert inner.weight.is_contiguous(memory_format=layout)
    assert spy.seen[0]["x"].is_contiguous(memory_format=layout)


def test_tied_weights_stay_tied_when_they_are_cast():
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    run_spy(tied, (2, 4), dtype="bf16", cast=True, channels_last=True)
    assert tied[0].weight is tied[1].weight


def test_torch_is_set_back_afterwards():
    def settings():
        return torch.get_num_threads(), torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32

    before = settings()
    with configure_torch(BenchConfig(device="cpu", threads=1)):
        assert torch.get_num_threads() == 1
        assert not torch.backends.cudnn.allow_tf32
    assert settings() == before


def test_lazy_modules_infer_their_shapes_first():
    inner = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    _, prepared, _ = run_spy(inner, (4, 5), mode="train", dtype="bf16", cast=True)
    assert inner[0].weight.shape == (3, 5)
    assert inner[0].weight.grad is not None
    assert prepared.model.inner is inner


def failing(error):
    class Fails(nn.Linear):
        def forward(self, _x):
            raise error

    return BenchModel(
        name="Fails",
        build=lambda: Fails(2, 2),
        create_inputs=lambda _module, _number, _device: ForwardInputs(args=(torch.ones(1, 2),), kwargs={}),
        find_outputs=lambda result: find_differentiable_outputs(result, "Fails"),
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_is_distinguished_from_other_failures(error):
    with pytest.raises(OutOfMemoryError, match="Fails needs more memory than is available"):
        run_steps(failing(error), BenchConfig(device="cpu"), 1)


def test_a_step_that_raises_is_named():
    with pytest.raises(MeasuringError, match="a step of Fails failed: KeyError: 'half-way'"):
        run_steps(failing(KeyError("half-way")), BenchConfig(device="cpu"), 1)
