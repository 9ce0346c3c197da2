"""Cases that other counters get wrong: exact on meta and on the CPU, or a lower bound that names the op.

B = 2, N = 16, D = 64; expected values are computed from these.
"""

import warnings
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import netscope
from netscope.errors import UntrainableError

B, N, D = 2, 16, 64
TOKENS = (B, N, D)


class Repeated(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(self.fc(self.fc(x)))


class Tied(nn.Module):
    def __init__(self, vocabulary=1000):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, D)
        self.head = nn.Linear(D, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.embedding(ids))


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(D, 4, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class FusedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)

    def forward(self, x):
        q, k, v = self.qkv(x).view(B, N, 3, 4, D // 4).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D))


class Einsum(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 16, D))

    def forward(self, x):
        return torch.einsum("bnc,hdc->bhnd", x, self.weight)


class BareParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, D))
        self.position = nn.Parameter(torch.zeros(1, N + 1, D))
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(torch.cat([self.token.expand(B, -1, -1), x], dim=1) + self.position)


class Uncalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Linear(D, D)
        self.unused = nn.Linear(D, 1000)

    def forward(self, x):
        return self.used(x)


@dataclass
class Answer:
    hidden: torch.Tensor


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return Answer(hidden=self.fc(x))


class ReturnsDataclass(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Wrapped()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(self.inner(x).hidden)


class DirectForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(D, D)

    def forward(self, x):
        return self.a.forward(self.a.forward(x))


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scripting is deprecated, and still in use
            self.script = torch.jit.script(nn.Sequential(nn.Linear(D, D), nn.ReLU()))
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(self.script(x))


class DataDependentLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        for _ in range(int((x * 0 + 3).max().item())):
            x = self.fc(x)
        return x


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.bilinear = nn.Bilinear(D, D, 8)

    def forward(self, x):
        return self.bilinear(x, x)


class FunctionalLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.zeros(D, D)) for _ in range(3)])

    def forward(self, x):
        for weight in self.weights:
            x = functional.linear(x, weight)
        return x


class Vmapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(D, D))

    def forward(self, x):
        return torch.vmap(lambda row: row @ self.weight)(x)


class Inferring(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        with torch.inference_mode():
            return self.fc(x)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(self.fc, x, use_reentrant=False)


def lazy():
    return nn.Sequential(nn.LazyLinear(D), nn.ReLU(), nn.LazyLinear(8))


def weight_normed():
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 16, 3, padding=1))


class FlexAttention(nn.Module):
    """(N, H, L, E) attends to itself, with a bias on the scores and a causal block mask."""

    def forward(self, x):
        length = x.shape[-2]
        mask = create_block_mask(lambda _b, _h, query, key: query >= key, None, None, length, length, device=x.device)
        return flex_attention(x, x, x, score_mod=lambda score, *_: score + 1, block_mask=mask)


class GroupedQueries(nn.Module):
    def forward(self, x):
        return functional.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True)


class Ragged(nn.Module):
    """A batch of 16 and 10 tokens."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(D, D)

    def forward(self, x):
        return self.fc(torch.nested.nested_tensor([x[0], x[1][:10]], layout=torch.jagged)).values()


class Packed(nn.Module):
    """A batch of 16 and 10 tokens for a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(D, D, batch_first=True)

    def forward(self, x):
        return self.lstm(nn.utils.rnn.pack_padded_sequence(x, torch.tensor([16, 10]), batch_first=True))[0].data


class Conditional(nn.Module):
    """Takes one of two branches, depending on a size or on a value."""

    def __init__(self, by_value):
        super().__init__()
        self.by_value = by_value
        self.wide, self.narrow = nn.Linear(D, D), nn.Linear(D, 1)

    def forward(self, x):
        condition = x.isnan().any() if self.by_value else x.shape[0] > 100
        return torch.cond(condition, self.narrow, lambda x: self.wide(x).sum(-1, keepdim=True), (x,))


def two_linears():
    return nn.Sequential(nn.Linear(D, D), nn.ReLU(), nn.Linear(D, D))


LINEAR = B * N * D * D
ATTENTION = 4 * LINEAR + 2 * B * N * N * D
LSTM = B * N * 2 * 4 * D * (D + D) + B * N * 2 * 4 * D * (2 * D + D)
ENCODER = 2 * (ATTENTION + 2 * B * N * D * 256)

# Each with its factory, input, MACs and parameters.
CASES = {
    "one linear called three times": (Repeated, TOKENS, 3 * LINEAR, 4_160),
    "embedding and head tied": (Tied, f"{B}x{N}:int64", B * N * D * 1000, 64_000),
    "multi-head attention": (SelfAttention, TOKENS, ATTENTION, 16_640),
    "transformer encoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(D, 4, 256, batch_first=True), 2),
        TOKENS,
        ENCODER,
        99_968,
    ),
    "fused scaled dot-product attention": (FusedAttention, TOKENS, ATTENTION, 16_640),
    "bidirectional LSTM": (
        lambda: nn.LSTM(D, D, 2, batch_first=True, bidirectional=True),
        TOKENS,
        LSTM,
        2 * 4 * D * (D + D + 2) + 2 * 4 * D * (2 * D + D + 2),
    ),
    "GRU": (lambda: nn.GRU(D, 32, batch_first=True), TOKENS, B * N * 3 * 32 * (D + 32), 3 * 32 * (D + 32 + 2)),
    "plain RNN": (lambda: nn.RNN(D, 32), TOKENS, B * N * 32 * (D + 32), 32 * (D + 32 + 2)),
    "LSTM cell": (lambda: nn.LSTMCell(D, 32), (B, D), B * 4 * 32 * (D + 32), 4 * 32 * (D + 32 + 2)),
    "einsum with a bare weight": (Einsum, TOKENS, 131_072, 4_096),
    "bare parameters": (BareParameters, TOKENS, B * (N + 1) * D * D, 5_312),
    "transposed convolution": (
        lambda: nn.ConvTranspose2d(8, 16, 4, stride=2, padding=1),
        (2, 8, 16, 16),
        1_048_576,
        8 * 16 * 16 + 16,
    ),
    "weight-normed convolution": (weight_normed, (2, 8, 16, 16), 589_824, 1_184),
    "a linear that is never called": (Uncalled, TOKENS, LINEAR, 69_160),
    "a child that returns a dataclass": (ReturnsDataclass, TOKENS, 2 * LINEAR, 2 * 4_160),
    "forward called directly": (DirectForward, TOKENS, 2 * LINEAR, 4_160),
    "a TorchScript child": (Scripted, TOKENS, 2 * LINEAR, 2 * 4_160),
    "bilinear": (Bilinear, TOKENS, B * N * (8 * D * D + 8 * D), 8 * D * D + 8),
    "listed parameters": (FunctionalLinear, TOKENS, 3 * LINEAR, 3 * D * D),
    "vmap": (Vmapped, TOKENS, LINEAR, D * D),
    "inference mode inside": (Inferring, TOKENS, LINEAR, 4_160),
    "activation checkpointing": (Checkpointed, TOKENS, LINEAR, 4_160),
    "lazy modules": (lazy, TOKENS, LINEAR + B * N * D * 8, 4_160 + 8 * D + 8),
    "depthwise convolution": (lambda: nn.Conv1d(8, 8, 3, groups=8), (2, 8, 16), 2 * 8 * 14 * 3, 8 * 3 + 8),
    "flex attention": (FlexAttention, (B, 4, 256, 16), 2 * B * 4 * 256 * 256 * 16, 0),
    "grouped queries": (GroupedQueries, (B, 8, N, 8), 2 * B * 8 * N * N * 8, 0),
    "ragged nested tensors": (Ragged, TOKENS, (16 + 10) * D * D, 4_160),
    "packed sequence": (Packed, TOKENS, (16 + 10) * 4 * D * (D + D), 4 * D * (D + D + 2)),
    "projected LSTM": (
        lambda: nn.LSTM(D, D, proj_size=32, batch_first=True),
        TOKENS,
        B * N * (4 * D * (D + 32) + D * 32),
        4 * D * (D + 32 + 2) + D * 32,
    ),
    "a condition on a size": (lambda: Conditional(by_value=False), TOKENS, LINEAR, 4_160 + D + 1),
    "a compiled model": (lambda: torch.compile(two_linears()), TOKENS, 2 * LINEAR, 2 * 4_160),
    "a compiled child": (lambda: nn.Sequential(torch.compile(nn.Linear(D, D))), TOKENS, LINEAR, 4_160),
    "a scripted model": (lambda: torch.jit.script(two_linears()), TOKENS, 2 * LINEAR, 2 * 4_160),
    "a model in a wrapper for several GPUs": (lambda: nn.DataParallel(two_linears()), TOKENS, 2 * LINEAR, 2 * 4_160),
    "half precision": (lambda: two_linears().half(), TOKENS, 2 * LINEAR, 2 * 4_160),
    "grouped transposed convolution": (
        lambda: nn.ConvTranspose3d(8, 16, 3, groups=2),
        (1, 8, 4, 4, 4),
        8 * 4**3 * 8 * 27,
        8 * 8 * 27 + 16,
    ),
    "complex weights": (lambda: nn.Linear(D, D, dtype=torch.complex64), f"{B}x{D}:complex64", B * D * D, 4_160),
}


def quantized(module):
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(module), {type(module)})


# Cases that only the CPU can run.
CASES_WITH_VALUES = {
    "a condition on a value": (lambda: Conditional(by_value=True), LINEAR),
    "a quantized linear": (lambda: quantized(nn.Linear(D, D)), LINEAR),
    "a quantized LSTM": (lambda: quantized(nn.LSTM(D, D, batch_first=True)), B * N * 4 * D * (D + D)),
}


@pytest.mark.filterwarnings("ignore")  # torch's quantization is deprecated
@pytest.mark.parametrize("case", CASES_WITH_VALUES)
def test_models_that_need_values_are_exact_on_the_cpu(case):
    factory, macs = CASES_WITH_VALUES[case]
    summary = netscope.summarize(factory(), TOKENS)
    assert summary.traced_on == "cpu"
    assert not summary.uncounted_ops
    assert summary.totals.macs == macs


@pytest.mark.filterwarnings("ignore")  # nested tensors are a prototype, and TorchScript is deprecated
@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_exact_on_every_device(case, device):
    factory, inputs, macs, params = CASES[case]
    summary = netscope.summarize(factory(), inputs, device=device)
    assert not summary.uncounted_ops
    assert (summary.totals.macs, summary.totals.params) == (macs, params)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("case", CASES)
def test_the_gpu_counts_what_meta_counts(case, mode):
    factory, inputs, macs, _params = CASES[case]
    try:
        on_meta = netscope.summarize(factory(), inputs, device="meta", mode=mode)
    except UntrainableError:
        pytest.skip("the model has no trainable parameters")
    on_gpu = netscope.summarize(factory(), inputs, device="cuda", mode=mode)
    assert not on_gpu.uncounted_ops
    assert on_gpu.totals.macs == macs
    assert [row.output_shapes for row in on_gpu.rows] == [row.output_shapes for row in on_meta.rows]


def test_the_counts_are_equal_to_the_published_table():
    table = {
        "one linear called three times": 393_216,
        "embedding and head tied": 2_048_000,
        "multi-head attention": 589_824,
        "transformer encoder": 3_276_800,
        "fused scaled dot-product attention": 589_824,
        "bidirectional LSTM": 5_242_880,
        "bare parameters": 139_264,
        "a linear that is never called": 131_072,
        "forward called directly": 262_144,
    }
    assert {case: CASES[case][2] for case in table} == table


def test_a_loop_over_a_value_runs_on_the_cpu_with_a_note():
    summary = netscope.summarize(DataDependentLoop(), TOKENS)
    assert summary.traced_on == "cpu"
    assert summary.totals.macs == 3 * LINEAR
    assert "because the model cannot run on meta" in summary.notes[0]


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_an_op_without_a_formula_is_named_and_makes_a_lower_bound(device):
    class Fourier(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(D, D)

        def forward(self, x):
            return self.fc(torch.fft.fft(x).real)

    summary = netscope.summarize(Fourier(), TOKENS, device=device)
    assert summary.is_lower_bound
    assert [op.op for op in summary.uncounted_ops][-1].startswith("aten._fft_")
    assert summary.totals.macs == LINEAR
    assert "lower bound (≥): no formula for aten._fft_" in str(summary)


def test_repeated_calls_are_counted_on_their_row():
    rows = {row.path: row for row in netscope.summarize(Repeated(), TOKENS).rows}
    assert rows["fc"].calls == 3
    assert rows["fc"].total.flops == 6 * LINEAR


def test_a_direct_call_of_forward_is_recorded():
    rows = {row.path: row for row in netscope.summarize(DirectForward(), TOKENS).rows}
    assert rows["a"].calls == 2
    assert rows["a"].own.flops == 4 * LINEAR
