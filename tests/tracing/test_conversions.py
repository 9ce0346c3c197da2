"""Computations in NumPy or Python make a total a lower bound; reading a length or a flag does not."""

import numpy as np
import pytest
import torch
from torch import nn

import netscope


class Converts(nn.Module):
    """Calls ``how``, which computes with NumPy or Python."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return x + float(self.how(x))


class Holds(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        self.mixer = Converts(how)

    def forward(self, x):
        return self.mixer(self.fc(x))


CONVERSIONS = {
    "Tensor.numpy": lambda x: (x.numpy() @ x.numpy().T).sum(),
    "Tensor.__array__": lambda x: np.linalg.norm(np.asarray(x)),
    "Tensor.tolist": lambda x: sum(map(sum, x.tolist())),
    "Tensor.item": lambda x: sum(value.item() for value in x.flatten()),
    "Tensor.__float__": lambda x: sum(float(value) for value in x.flatten()),
    "Tensor.__dlpack__": lambda x: np.from_dlpack(x).sum(),
}


@pytest.mark.parametrize("function", CONVERSIONS)
def test_a_converted_tensor_makes_its_module_a_lower_bound(function):
    summary = netscope.summarize(Holds(CONVERSIONS[function]), (4, 4))
    rows = {row.path: row for row in summary.rows}
    assert [op.op for op in summary.uncounted_ops] == [function]
    assert (rows["mixer"].is_lower_bound, rows["fc"].is_lower_bound) == (True, False)
    assert summary.totals.flops == 2 * 4 * 4 * 8
    assert any(note.startswith("mixer converts ") and function in note for note in summary.notes)
    assert "≥ 256" in str(summary)


READINGS = [
    lambda x: x.shape[0] * x.sum().item(),
    lambda x: float(bool((x > 2).any())) + int(x.argmax()),
    lambda x: len(torch.tensor([x.size(0)] * 16).tolist()),
    lambda x: sum((x + step).sum().item() for step in range(40)),
    lambda x: sum(x[0, 0].item() for _ in range(40)),
]


@pytest.mark.parametrize("how", READINGS)
def test_lengths_and_flags_that_are_read_are_not_counted(how):
    assert not netscope.summarize(Holds(how), (4, 4)).uncounted_ops


def test_conversions_in_a_training_step_are_recorded_too():
    summary = netscope.summarize(Holds(lambda x: x.detach().numpy().sum()), (4, 4), mode="train")
    assert [op.op for op in summary.uncounted_ops] == ["Tensor.numpy"]


def test_a_rule_on_flops_fails_if_tensors_were_converted():
    report = netscope.check(Holds(CONVERSIONS["Tensor.numpy"]), {"flops": {"max": "1G"}}, (4, 4))
    assert not report.passed
    assert "no formula for Tensor.numpy" in str(report)
