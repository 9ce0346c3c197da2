"""What failed on meta is told first, where no other device could run it either."""

import inspect

import pytest
import torch
from torch import nn

import netscope
from netscope.errors import DeviceError, TracingError


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(5, 5))

    def forward(self, x):
        return x @ self.weight


def test_too_little_memory_does_not_hide_what_failed_in_which_layer(tmp_path, monkeypatch):
    source = f"import torch\nfrom torch import nn\n\n{inspect.getsource(Inner)}"
    (tmp_path / "broken.py").write_text(
        f"{source}\ndef broken():\n    return nn.Sequential(Inner(), nn.Linear(999, 999))\n"
    )
    monkeypatch.setattr("netscope.tracing.run.available_memory_bytes", lambda: 1_000_000)
    with pytest.raises(DeviceError, match=r"(?s)^the forward pass on meta failed in 0 \(Inner\): .*; .* needs 0.0 GiB"):
        netscope.summarize(f"{tmp_path}/broken.py:broken", (1, 4))


def test_a_lent_module_on_meta_does_not_hide_what_failed_in_which_layer():
    model = nn.Sequential(Inner()).to("meta")
    with pytest.raises(
        TracingError, match=r"(?s)^the forward pass on meta failed in 0 \(Inner\): .*the model's weights are on meta"
    ):
        netscope.summarize(model, (1, 4))
