"""Active parameters: against published figures, and by arithmetic on experts in one tensor and in modules."""

import pytest
import torch
from torch import nn

import netscope

D, EXPERTS, CHOSEN, TOKENS = 8, 6, 2, 12


class Experts(nn.Module):
    """A router sends each token to ``CHOSEN`` of ``EXPERTS``, which are modules."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(D, EXPERTS)
        self.experts = nn.ModuleList(nn.Linear(D, D) for _ in range(EXPERTS))

    def forward(self, x):
        chosen = self.router(x).topk(CHOSEN, -1).indices
        result = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            tokens = (chosen == number).any(-1).nonzero()[:, 0]
            if len(tokens):
                result.index_add_(0, tokens, expert(x[tokens]))
        return result


def test_experts_that_are_modules():
    summary = netscope.summarize(nn.Sequential(nn.Linear(D, D), Experts()), (TOKENS, D))
    linear, router = D * D + D, D * EXPERTS + EXPERTS
    assert summary.totals.params == linear + router + EXPERTS * linear
    assert summary.totals.active_params == linear + router + CHOSEN * linear
    # Each token meets as many experts, whichever they are.
    assert summary.totals.macs == TOKENS * (D * D + D * EXPERTS + CHOSEN * D * D)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_experts_in_one_tensor(device, mode):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    sizes = "num_hidden_layers=2,hidden_size=16,intermediate_size=32,num_attention_heads=2,num_key_value_heads=2"
    name = f"hf/mixtral@{sizes},vocab_size=50,num_local_experts=4,num_experts_per_tok=1"
    totals = netscope.summarize(name, seq_len=8, device=device, mode=mode).totals
    assert totals.params - totals.active_params == 2 * 3 * (3 * 16 * 32)


# Mistral AI gives 46.7 and 12.9 billion; DeepSeek 671 and 37 billion.
PUBLISHED = {"hf/mixtral": (46.7, 12.9), "hf/deepseek_v3": (671.0, 37.6)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    totals = netscope.summarize(name).totals
    assert (round(totals.params / 1e9, 1), round(totals.active_params / 1e9, 1)) == PUBLISHED[name]


def test_layers_that_look_alike_are_no_experts():
    assert netscope.summarize("resnet18").totals.active_params is None
    pyramid = nn.ModuleList(nn.Linear(D, D) for _ in range(3))

    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.levels = pyramid

        def forward(self, x):
            return [level(x[:: 2**number]) for number, level in enumerate(self.levels)]

    assert netscope.summarize(Pyramid(), (TOKENS, D)).totals.active_params is None
