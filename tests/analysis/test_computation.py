"""Fingerprints of computations: equal for equal computations on every device and torch, different for all others."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone does

import netscope
from netscope.analysis.computation import fingerprint_modules

SEQUENCE = (2, 6, 8)


class Runs(nn.Module):
    """Runs a function of itself and its input; it has some layers and a parameter for that."""

    def __init__(self, function, **layers):
        super().__init__()
        self.__dict__["function"] = function
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.weight, self.bias = nn.Parameter(torch.ones(8, 8)), nn.Parameter(torch.zeros(8))
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


def trace_of(function, *, shape=SEQUENCE, device="meta", mode="eval", **layers):
    return netscope.trace(nn.Sequential(nn.Linear(8, 8), Runs(function, **layers)), shape, device=device, mode=mode)


def computation_of(function, **options):
    return fingerprint_modules(trace_of(function, **options))[2]


def heads(x, number):
    return x.view(2, 6, number, -1).transpose(1, 2)


def attend(x, **options):
    return F.scaled_dot_product_attention(heads(x, 2), heads(x, 2), heads(x, 2), **options)


DIFFERENT = {
    "another op": (lambda _, x: F.relu(x), lambda _, x: F.sigmoid(x)),
    "the other operand first": (lambda s, x: s.first(x) - x, lambda s, x: x - s.first(x)),
    "another number": (lambda _, x: x * 2, lambda _, x: x * 3),
    "another dimension": (lambda _, x: x.softmax(1), lambda _, x: x.softmax(2)),
    "another number of heads": (lambda _, x: heads(x, 2) @ heads(x, 2).mT, lambda _, x: heads(x, 4) @ heads(x, 4).mT),
    "a transposition": (lambda _, x: x.view(2, 8, 6).exp(), lambda _, x: x.mT.exp()),
    "another part": (lambda _, x: x[..., :4].exp(), lambda _, x: x[..., 4:].exp()),
    "parts in another order": (
        lambda _, x: torch.cat(x.chunk(2, -1), -1), lambda _, x: torch.cat(x.chunk(2, -1)[::-1], -1)
    ),
    "a causal mask": (lambda _, x: attend(x), lambda _, x: attend(x, is_causal=True)),
    "a mask": (lambda _, x: attend(x), lambda _, x: attend(x, attn_mask=x[0, :, :6])),
    "another scale": (lambda _, x: attend(x), lambda _, x: attend(x, scale=0.3)),
    "keys for values": (
        lambda s, x: F.scaled_dot_product_attention(x, s.first(x), x),
        lambda s, x: F.scaled_dot_product_attention(x, x, s.first(x)),
    ),
    "no bias": (lambda s, x: F.linear(x, s.weight, s.bias), lambda s, x: F.linear(x, s.weight)),
    "another constant": (lambda _, x: x * torch.tensor(3.0), lambda _, x: x * torch.tensor(4.0)),
    "another assigned number": (
        lambda _, x: (y := x.exp(), y.__setitem__(0, 3.0), y)[-1],
        lambda _, x: (y := x.exp(), y.__setitem__(0, 4.0), y)[-1],
    ),
    "a transposed weight": (lambda s, x: x @ s.weight, lambda s, x: x @ s.weight.T),
    "another epsilon": (lambda _, x: F.rms_norm(x, (8,), eps=1e-5), lambda _, x: F.rms_norm(x, (8,), eps=1e-6)),
    "another dtype": (lambda _, x: x.half().exp(), lambda _, x: x.bfloat16().exp()),
    "another input of a child": (
        lambda s, x: s.first(x.relu()) + s.second(x.tanh()), lambda s, x: s.first(x.tanh()) + s.second(x.relu())
    ),
    "another result": (lambda s, x: (s.first(x), s.second(x))[0], lambda s, x: (s.first(x), s.second(x))[1]),
    "a result that is not returned": (lambda _, x: x, lambda s, x: s.weight.detach().add_(1) is x or x),
    "a change in place before a use": (
        lambda _, x: (y := x.exp(), z := y.tanh(), y.add_(1), z + y)[-1],
        lambda _, x: (y := x.exp(), y.add_(1), z := y.tanh(), z + y)[-1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_different_computation_has_another_fingerprint(what):
    first, second = DIFFERENT[what]
    assert computation_of(first).fingerprint == computation_of(first).fingerprint
    assert computation_of(first).fingerprint != computation_of(second).fingerprint


def test_another_functional_dropout_is_seen_in_train_mode_only():
    def fingerprint(probability, mode):
        return computation_of(lambda s, x: F.dropout(s.first(x), probability, s.training), mode=mode).fingerprint

    assert fingerprint(0.5, "eval") == fingerprint(0.4, "eval")
    assert fingerprint(0.5, "train") != fingerprint(0.4, "train")
    assert computation_of(lambda s, x: F.dropout(s.first(x), 0.5, s.training), mode="train").operations == {
        "dropout": 1
    }


def written_attention(x, *, is_causal=False):
    q = k = v = heads(x, 2)
    scale = 4**-0.25
    mask = (
        torch.where(torch.ones(6, 6, dtype=torch.bool, device=x.device).tril(), 0.0, float("-inf"))
        if is_causal
        else None
    )
    scores = (q * scale) @ (k.mT * scale)
    return (scores if mask is None else scores + mask).softmax(-1) @ v


EQUAL = {
    "in place": (lambda s, x: s.first(x).relu_(), lambda s, x: s.first(x).relu()),
    "a product and a sum": (lambda s, x: F.linear(x, s.weight, s.bias), lambda s, x: x @ s.weight.T + s.bias),
    "of a flat matrix": (lambda s, x: x @ s.weight, lambda s, x: (x.reshape(12, 8) @ s.weight).reshape(2, 6, 8)),
    "of a transposed tensor": (
        lambda s, x: F.linear(x.mT.contiguous().mT, s.weight, s.bias), lambda s, x: F.linear(x, s.weight, s.bias)
    ),
    "reshape for view": (lambda _, x: x.view(2, 48).exp(), lambda _, x: x.reshape(2, 6, 2, 4).flatten(1).exp()),
    "a copy": (lambda _, x: x.exp(), lambda _, x: x.clone().contiguous()[:].exp()),
    "two transpositions": (lambda _, x: x.exp(), lambda _, x: x.mT.permute(0, 2, 1).exp()),
    "split for slices": (lambda _, x: x.split(4, -1)[1].exp(), lambda _, x: x[..., 4:].exp()),
    "unbind for select": (lambda _, x: x.unbind(1)[2].exp(), lambda _, x: x[:, 2].exp()),
    "the order of independent ops": (
        lambda _, x: (y := x.exp(), z := x.tanh(), y - z)[-1], lambda _, x: (z := x.tanh(), y := x.exp(), y - z)[-1]
    ),
    "a memory format": (lambda _, x: x.exp(), lambda _, x: x.to(memory_format=torch.preserve_format).exp()),
    "attention written out": (lambda _, x: attend(x), lambda _, x: written_attention(x)),
    "causal attention written out": (
        lambda _, x: attend(x, is_causal=True), lambda _, x: written_attention(x, is_causal=True)
    ),
    "a normalization written out": (
        lambda s, x: F.rms_norm(x, (8,), s.bias, 1e-5),
        lambda s, x: s.bias * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)),
    ),
    "clamp": (lambda _, x: x.clamp_min(0), lambda _, x: x.clamp(min=0)),
    "rsub": (lambda _, x: 1 - x, lambda _, x: torch.rsub(x, 1)),
}  # fmt: skip


@pytest.mark.parametrize("what", EQUAL)
def test_an_equal_computation_has_the_same_fingerprint(what):
    first, second = (computation_of(function) for function in EQUAL[what])
    assert first == second


ON_EACH_DEVICE = {
    "attention": lambda _, x: attend(x),
    "causal attention": lambda _, x: attend(x, is_causal=True),
    "attention with a mask": lambda _, x: attend(x, attn_mask=x[0, :, :6] > 0),
    "grouped attention": lambda _, x: F.scaled_dot_product_attention(
        heads(x, 4), heads(x, 4)[:, :2], heads(x, 4)[:, :2], enable_gqa=True
    ),
    "multi-head attention": lambda s, x: s.attention(x, x, x, need_weights=False)[0],
    "an encoder": lambda s, x: s.encoder(x),
    "a recurrent layer": lambda s, x: s.recurrent(x)[0],
    "an assigned number": lambda _, x: (y := x.exp(), y.__setitem__((slice(None), 0), 3.0), y)[-1],
    "a constant": lambda _, x: x * torch.tensor(3.0),
    "a one-hot encoding": lambda _, x: F.one_hot((x > 0).long(), 3),
}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("what", ON_EACH_DEVICE)
def test_a_computation_has_one_fingerprint_on_every_device(what, mode):
    layers = {
        "attention": nn.MultiheadAttention(8, 2, batch_first=True),
        "encoder": nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        "recurrent": nn.LSTM(8, 5, num_layers=2, bidirectional=True),
    }

    def function(module, x):
        return ON_EACH_DEVICE[what](module, x) + module.bias[0]

    on_meta, on_cpu = (
        fingerprint_modules(trace_of(function, device=device, mode=mode, **layers)) for device in ("meta", "cpu")
    )
    assert on_meta == on_cpu


def rename(trace, name, other, **changes):
    """Returns a trace in which another op runs, as on another device."""
    assert any(op.name == name for op in trace.ops)
    ops = (
        replace(op, name=other, **changes.get("of", lambda _: {})(op)) if op.name == name else op for op in trace.ops
    )
    return replace(trace, ops=tuple(ops))


def test_the_ops_of_cuda_have_the_same_fingerprints():
    trace = trace_of(lambda s, x: s.norm(x), norm=nn.BatchNorm1d(6))
    assert fingerprint_modules(rename(trace, "aten.native_batch_norm", "aten.cudnn_batch_norm")) == (
        fingerprint_modules(trace)
    )
    trace = trace_of(lambda _, x: attend(x, is_causal=True), device="cpu")
    fused = "aten._scaled_dot_product_flash_attention_for_cpu"
    efficient = rename(
        trace, fused, "aten._scaled_dot_product_efficient_attention",
        of=lambda op: {"args": (*op.args[:3], None, False, 0.0, True)},
    )  # fmt: skip
    assert fingerprint_modules(efficient) == fingerprint_modules(trace)


def test_a_new_keyword_about_memory_changes_no_fingerprint():
    trace = trace_of(lambda _, x: x + torch.zeros(8, device=x.device))
    changed = rename(trace, "aten.zeros", "aten.zeros", of=lambda op: {"kwargs": op.kwargs | {"layout": "strided"}})
    assert fingerprint_modules(changed) == fingerprint_modules(trace)


def test_operations_are_counted_under_the_same_names_whatever_ran():
    (_, _, module, first, *_) = fingerprint_modules(
        trace_of(lambda s, x: s.first(attend(x).reshape(2, 6, 8).relu_()).exp())
    )
    assert module.operations == {"attention": 1, "exp": 1, "relu": 1}
    assert first.operations == {"matmul": 1}


def test_a_module_that_is_not_called_has_no_fingerprint():
    assert fingerprint_modules(trace_of(lambda s, x: s.first(x)))[4].fingerprint == ""
