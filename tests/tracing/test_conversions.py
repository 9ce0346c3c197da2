"""Work that leaves torch makes a lower bound that names where; a length or a flag that is read does not."""

import numpy as np
import pytest
import torch
from torch import nn

import netscope


class Leaves(nn.Module):
    """Computes with NumPy or Python what ``how`` says."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return x + float(self.how(x))


class Holds(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        self.mixer = Leaves(how)

    def forward(self, x):
        return self.mixer(self.fc(x))


WAYS = {
    "Tensor.numpy": lambda x: (x.numpy() @ x.numpy().T).sum(),
    "Tensor.__array__": lambda x: np.linalg.norm(np.asarray(x)),
    "Tensor.tolist": lambda x: sum(map(sum, x.tolist())),
    "Tensor.item": lambda x: sum(value.item() for value in x.flatten()),
    "Tensor.__float__": lambda x: sum(float(value) for value in x.flatten()),
    "Tensor.__dlpack__": lambda x: np.from_dlpack(x).sum(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_that_leaves_torch_makes_a_lower_bound_of_its_module(way):
    summary = netscope.summarize(Holds(WAYS[way]), (4, 4))
    rows = {row.path: row for row in summary.rows}
    assert [op.op for op in summary.uncounted_ops] == [way]
    assert (rows["mixer"].is_lower_bound, rows["fc"].is_lower_bound) == (True, False)
    assert summary.totals.flops == 2 * 4 * 4 * 8
    assert any(note.startswith("mixer hands ") and way in note for note in summary.notes)
    assert "≥ 256" in str(summary)


READINGS = [
    lambda x: x.shape[0] * x.sum().item(),
    lambda x: float(bool((x > 2).any())) + int(x.argmax()),
    lambda x: len(torch.tensor([x.size(0)] * 16).tolist()),
    lambda x: sum((x + step).sum().item() for step in range(40)),
    lambda x: sum(x[0, 0].item() for _ in range(40)),
]


@pytest.mark.parametrize("how", READINGS)
def test_lengths_and_flags_that_are_read_are_no_work(how):
    assert not netscope.summarize(Holds(how), (4, 4)).uncounted_ops


def test_a_step_of_training_sees_it_as_well():
    summary = netscope.summarize(Holds(lambda x: x.detach().numpy().sum()), (4, 4), mode="train")
    assert [op.op for op in summary.uncounted_ops] == ["Tensor.numpy"]


def test_a_rule_on_flops_does_not_hold_where_work_left_torch():
    report = netscope.check(Holds(WAYS["Tensor.numpy"]), {"flops": {"max": "1G"}}, (4, 4))
    assert not report.passed
    assert "no formula for Tensor.numpy" in str(report)
