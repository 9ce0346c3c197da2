"""Active parameters: compared with published values, and computed for experts in one tensor and in modules."""

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
    # The number of experts is the same for each token.
    assert summary.totals.macs == TOKENS * (D * D + D * EXPERTS + CHOSEN * D * D)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_experts_in_one_tensor(device, mode):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    if (device, mode) == ("meta", "train") and not hasattr(torch, "_grouped_mm"):
        pytest.skip("where torch has no grouped product, the backward pass of transformers' own reads values")
    sizes = "num_hidden_layers=2,hidden_size=16,intermediate_size=32,num_attention_heads=2,num_key_value_heads=2"
    name = f"hf/mixtral@{sizes},vocab_size=50,num_local_experts=4,num_experts_per_tok=1"
    totals = netscope.summarize(name, seq_len=8, device=device, mode=mode).totals
    assert totals.params - totals.active_params == 2 * 3 * (3 * 16 * 32)


# In billions, rounded as in the papers. Ours includes both embeddings of DeepSeek; the paper does not specify this.
PUBLISHED = {"hf/mixtral": (46.7, 12.9, 0), "hf/deepseek_v3": (671, 37, 129_280 * 7168)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name):
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    params, active, left_out = PUBLISHED[name]
    totals = netscope.summarize(name).totals
    assert totals.params / 1e9 == pytest.approx(params, abs=0.05)
    assert totals.active_params - left_out - 5e7 <= active * 1e9 <= totals.active_params + 5e7


class Selecting(nn.Module):
    """Pools by index, as CLIP does, and runs two equal heads on the selected rows."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.other = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)

    def forward(self, x):
        pooled = x[torch.arange(1, device=x.device)]
        return self.left(pooled) + self.right(pooled), self.other(x)


def test_rows_selected_for_all_modules_are_not_routing():
    assert netscope.summarize(Selecting(), (TOKENS, D)).totals.active_params is None


class Sorted(Experts):
    """Sorts the rows by expert and splits them."""

    def forward(self, x):
        chosen = self.router(x).topk(CHOSEN, -1).indices.flatten()
        order = chosen.argsort()
        rows = x[order // CHOSEN].split(chosen.bincount(minlength=EXPERTS).tolist())
        return torch.cat([expert(part) for expert, part in zip(self.experts, rows, strict=True)])


def test_experts_on_sorted_rows():
    totals = netscope.summarize(Sorted(), (TOKENS, D)).totals
    assert totals.params - totals.active_params == (EXPERTS - CHOSEN) * (D * D + D)


class Edges(nn.Module):
    """A layer of a graph network: equal layers on rows that the graph selects, not a router."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Linear(D, D), nn.Linear(D, D)

    def forward(self, x, edges):
        return self.source(x[edges[0]]) + self.target(x[edges[1]])


class Pruning(nn.Module):
    """Each layer gets the tokens with the highest scores of the previous layer."""

    def __init__(self):
        super().__init__()
        self.score = nn.Linear(D, 1)
        self.layers = nn.ModuleList(nn.Linear(D, D) for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            kept = self.score(x)[:, 0].topk(x.shape[0] // 2).indices
            x = layer(x[kept])
        return x


@pytest.mark.parametrize(("model", "inputs"), [(Edges(), [(TOKENS, D), "2x5:int64"]), (Pruning(), (TOKENS, D))])
def test_selected_rows_alone_are_not_experts(model, inputs):
    assert netscope.summarize(model, inputs).totals.active_params is None


class SharedBesideExperts(nn.Module):
    def __init__(self):
        super().__init__()
        self.routed = Experts()
        self.routed.experts.append(nn.Linear(D, D))  # like the others, but used by every token

    def forward(self, x):
        chosen = self.routed.router(x).topk(CHOSEN, -1).indices
        shared = self.routed.experts[-1](x)
        parts = [
            expert(x[(chosen == number).any(-1).nonzero()[:, 0]])
            for number, expert in enumerate(self.routed.experts[:-1])
        ]
        return shared, parts


def test_a_shared_expert_is_always_active():
    totals = netscope.summarize(SharedBesideExperts(), (TOKENS, D)).totals
    linear = D * D + D
    assert totals.params - totals.active_params == (EXPERTS - CHOSEN) * linear


def test_equal_layers_are_not_experts():
    assert netscope.summarize("resnet18").totals.active_params is None
    pyramid = nn.ModuleList(nn.Linear(D, D) for _ in range(3))

    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.levels = pyramid

        def forward(self, x):
            return [level(x[:: 2**number]) for number, level in enumerate(self.levels)]

    assert netscope.summarize(Pyramid(), (TOKENS, D)).totals.active_params is None
