"""The map of weights: real models of other forms take the converted weights, strictly, and compute the same."""

from collections import OrderedDict

import pytest
import torch
from timm.models.maxxvit import AttentionCl
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn
from torch.nn import functional
from torchvision.models import VisionTransformer
from transformers.pytorch_utils import Conv1D

import netscope
from netscope.errors import UsageError
from netscope.schema import WeightsMap

WIDTH, HEADS = 8, 2
TOKENS = (2, 5, WIDTH)


def check_port(source, target, shape):
    """Checks that ``target`` takes all weights of ``source`` and computes the same; returns the formulas of the map."""
    torch.manual_seed(0)
    for parameter in source.parameters():
        nn.init.normal_(parameter, std=0.2)
    source, target = source.eval(), target.eval()
    found = netscope.weights_map(source, target, shape)
    assert WeightsMap.from_json(found.to_json()) == found
    assert (found.missing, found.unused, found.covered_params) == ((), (), found.params)
    weights = source.state_dict()
    given = {name: tensor.clone() for name, tensor in weights.items()}
    target.load_state_dict(found.convert(weights), strict=True)
    assert all(torch.equal(weights[name], tensor) for name, tensor in given.items())
    with torch.no_grad():
        x = torch.randn(shape)
        torch.testing.assert_close(target(x), source(x))
    return {recipe.name: recipe.formula for recipe in found.recipes}


class Attention(nn.Module):
    """Attention whose layers are called, in order, so that each computes the parts that its name tells."""

    def __init__(self, names, out="o", make=nn.Linear, value_width=WIDTH):
        super().__init__()
        self.__dict__["order"] = names
        for name, parts in names.items():
            sizes = {"q": WIDTH, "k": value_width, "v": value_width}
            self.add_module(name, make(WIDTH, sum(sizes[part] for part in parts)))
        self.add_module(out, nn.Linear(WIDTH, WIDTH))
        self.__dict__["last"] = out

    def forward(self, x):
        made = {}
        for name, parts in self.order.items():
            made |= dict(zip(parts, getattr(self, name)(x).chunk(len(parts), -1), strict=True))
        heads = [made[part].unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2) for part in "qkv"]
        heads[1:] = [head.repeat_interleave(HEADS // head.shape[1], 1) for head in heads[1:]]
        mixed = functional.scaled_dot_product_attention(*heads)
        return getattr(self, self.last)(mixed.transpose(1, 2).flatten(2))


SEPARATE = {"q": "q", "k": "k", "v": "v"}
FUSED = {"qkv": "qkv"}


def test_separate_queries_keys_and_values_are_joined():
    formulas = check_port(Attention(SEPARATE), Attention(FUSED), TOKENS)
    assert formulas == {f"qkv.{kind}": f"cat(q.{kind}, k.{kind}, v.{kind})" for kind in ("weight", "bias")}


def test_fused_queries_keys_and_values_are_split():
    formulas = check_port(Attention(FUSED), Attention(SEPARATE), TOKENS)
    assert formulas["q.weight"] == "qkv.weight[0:8]"
    assert formulas["v.bias"] == "qkv.bias[16:24]"
    formulas = check_port(Attention(FUSED), Attention({"to_q": "q", "to_kv": "kv"}, out="to_out"), TOKENS)
    assert formulas["to_kv.weight"] == "qkv.weight[8:24]"
    formulas = check_port(Attention({"q": "q", "kv": "kv"}), Attention(SEPARATE), TOKENS)
    assert formulas["v.weight"] == "kv.weight[8:16]"


def test_a_name_tells_more_than_the_order():
    source, target = Attention(SEPARATE), Attention({"key": "k", "value": "v", "query": "q"}, out="out_proj")
    assert check_port(source, target, TOKENS) == {}
    found = netscope.weights_map(source, target, TOKENS)
    assert found.tensors["k.weight"] == "key.weight"
    assert found.tensors["o.bias"] == "out_proj.bias"


class TorchAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Inside(nn.Module):
    def __init__(self, *arguments, **options):
        super().__init__()
        self.inner = Attention(*arguments, **options)

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("names", [SEPARATE, FUSED])
def test_torchs_attention_is_ported_to_layers_and_back(names):
    formulas = check_port(TorchAttention(), Inside(names), TOKENS)
    if names == SEPARATE:
        assert formulas["inner.k.weight"] == "attention.in_proj_weight[8:16]"
    formulas = check_port(Inside(names), TorchAttention(), TOKENS)
    if names == SEPARATE:
        joined = "cat(inner.q.bias, inner.k.bias, inner.v.bias)"
        assert formulas["attention.in_proj_bias"] == joined


class Encoder(nn.Module):
    """Several blocks, so that each takes the weights of the one at its place."""

    def __init__(self, make):
        super().__init__()
        self.blocks = nn.ModuleList(make() for _ in range(3))

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


def test_each_block_takes_its_own_weights():
    pairs = (lambda: Inside(SEPARATE), TorchAttention, lambda: Inside(FUSED, out="proj"))
    for source in pairs:
        for target in pairs:
            if source is not target:
                check_port(Encoder(source), Encoder(target), TOKENS)


def make_vits():
    sizes = {"num_heads": 2, "mlp_dim": 32} | {"image_size": 16, "patch_size": 8, "num_layers": 2, "hidden_dim": 16}
    theirs = {"img_size": 16, "patch_size": 8, "depth": 2, "embed_dim": 16, "num_heads": 2, "mlp_ratio": 2}
    return VisionTransformer(**sizes, num_classes=5), TimmViT(**theirs, num_classes=5)


@pytest.mark.parametrize("order", [1, -1])
def test_torchvisions_vit_is_ported_to_timms_and_back(order):
    check_port(*make_vits()[::order], (2, 3, 16, 16))


def test_the_entire_vits_are_mapped_in_both_directions():
    for names in (("vit_b_16", "timm/vit_base_patch16_224"), ("timm/vit_base_patch16_224", "vit_b_16")):
        found = netscope.weights_map(*names)
        assert (found.covered_params, found.params) == (86_567_656, 86_567_656)
        assert (found.missing, found.unused, found.recipes) == ((), (), ())
        assert len(set(found.tensors.values())) == 152


def test_renamed_modules_and_one_layer_split_into_two():
    class Gated(nn.Module):
        def __init__(self, *names):
            super().__init__()
            self.__dict__["order"] = names
            for name in names:
                self.add_module(name, nn.Linear(WIDTH, 24 // len(names)))
            self.down_proj = nn.Linear(12, WIDTH)

        def forward(self, x):
            gate, up = torch.cat([getattr(self, name)(x) for name in self.order], -1).chunk(2, -1)
            return self.down_proj(functional.silu(gate) * up)

    fused = nn.Sequential(nn.LayerNorm(WIDTH), Gated("gate_up_proj"))
    split = nn.Sequential(OrderedDict(norm=nn.LayerNorm(WIDTH), mlp=Gated("gate_proj", "up_proj")))
    formulas = check_port(fused, split, TOKENS)
    assert formulas["mlp.up_proj.weight"] == "1.gate_up_proj.weight[12:24]"
    formulas = check_port(split, fused, TOKENS)
    assert formulas["1.gate_up_proj.bias"] == "cat(mlp.gate_proj.bias, mlp.up_proj.bias)"


class Pixelwise(nn.Linear):
    """A linear layer on the channels of an image."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Patches(nn.Module):
    """Patches of an image, flattened, in a linear layer."""

    def __init__(self):
        super().__init__()
        self.unfold, self.fc = nn.Unfold(4, stride=4), nn.Linear(3 * 4 * 4, 8)

    def forward(self, x):
        return self.fc(self.unfold(x).transpose(1, 2)).transpose(1, 2).unflatten(-1, (2, 2))


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(3, 8, 4, stride=4)

    def forward(self, x):
        return self.proj(x)


FLATTENED = {
    "1×1": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), nn.Sequential(Pixelwise(3, 8), nn.ReLU()), (2, 3, 6, 6)),
    "all": (
        nn.Sequential(nn.Conv2d(3, 8, 6), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 8)),
        (2, 3, 6, 6),
    ),
    "patches": (Convolved(), Patches(), (2, 3, 8, 8)),
}


@pytest.mark.parametrize("case", FLATTENED)
def test_a_convolution_of_flattened_patches_is_a_linear_layer(case):
    convolution, linear, shape = FLATTENED[case]
    (formula,) = check_port(convolution, linear, shape).values()
    assert ".weight.reshape(8, " in formula
    check_port(linear, convolution, shape)


def make_mlp(make):
    return nn.Sequential(make(WIDTH, 4 * WIDTH), nn.GELU(), make(4 * WIDTH, WIDTH), nn.GELU(), make(WIDTH, WIDTH))


def make_conv1d(inputs, outputs):
    return Conv1D(outputs, inputs)


def test_transformers_conv1d_is_a_linear_layer_transposed():
    formulas = check_port(make_mlp(make_conv1d), make_mlp(nn.Linear), TOKENS)
    # The last one is square: only its class tells.
    assert formulas == {f"{place}.weight": f"{place}.weight.T" for place in (0, 2, 4)}
    check_port(make_mlp(nn.Linear), make_mlp(make_conv1d), TOKENS)
    fused = Attention({"c_attn": "qkv"}, make=make_conv1d)
    formulas = check_port(fused, Attention(SEPARATE), TOKENS)
    assert formulas["k.weight"] == "c_attn.weight[:, 8:16].T"
    formulas = check_port(Attention(SEPARATE), fused, TOKENS)
    assert formulas["c_attn.weight"] == "cat(q.weight.T, k.weight.T, v.weight.T, dim=1)"


def test_a_gpt2_is_ported_to_linear_layers():
    gpt2 = netscope.summarize("hf/gpt2@n_layer=1,n_embd=16,n_head=2,vocab_size=32,n_positions=8")
    assert {row.type_name for row in gpt2.rows} >= {"Conv1D"}
    options = "num_layers=1,hidden_size=16,num_heads=2,vocab_size=32,max_position_embeddings=8"
    neo = netscope.summarize(f"hf/gpt_neo@{options},attention_types=[[['global'],1]]")
    found = netscope.weights_map(gpt2, neo)
    assert (found.missing, found.covered_params) == ((), found.params)
    assert [tensor.name for tensor in found.unused] == ["transformer.h.0.attn.c_attn.bias"]  # GPT-Neo has none


# What is not certain stays out


class Bare(nn.Module):
    """A matrix that could be that of a linear layer, or its transpose."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))

    def forward(self, x):
        return x @ self.weight


def list_uncertain():
    fused = Attention({"qkv_proj": "qkv"})
    yield Attention(SEPARATE), fused, TOKENS, {"qkv_proj.weight", "qkv_proj.bias"}
    yield (
        Attention(SEPARATE),
        Attention({"query_key_value": "qkv"}),
        TOKENS,
        {"query_key_value.weight", "query_key_value.bias"},
    )
    yield fused, Attention(SEPARATE), TOKENS, {f"{part}.{kind}" for part in "qkv" for kind in ("weight", "bias")}
    grouped = Attention({"q": "q", "k": "k", "v": "v"}, value_width=4)
    joined = nn.Sequential(OrderedDict(qkv=nn.Linear(WIDTH, 16), o=nn.Linear(16, WIDTH)))
    yield grouped, joined, TOKENS, {"qkv.weight", "qkv.bias", "o.weight"}
    yield nn.Sequential(nn.Linear(8, 8, bias=False)), nn.Sequential(Bare(8, 8)), TOKENS, {"0.weight"}
    unflattened = nn.Sequential(OrderedDict(fc=nn.Linear(48, 8, bias=False)))
    convolution = nn.Sequential(OrderedDict(fc=nn.Conv2d(3, 8, 4, bias=False)))
    yield convolution, unflattened, None, {"fc.weight"}


def test_a_recipe_is_never_guessed():
    for source, target, shape, names in list_uncertain():
        options = {} if shape else {"inputs_before": (1, 3, 4, 4), "inputs_after": (1, 48)}
        found = netscope.weights_map(source, target, shape, **options)
        assert {tensor.name for tensor in found.missing} == names
        assert all(tensor.reason for tensor in found.missing)
    found = netscope.weights_map(Attention(SEPARATE), Attention({"qkv_proj": "qkv"}), TOKENS)
    assert found.missing[0].reason == "its name leaves the order of the parts in it open"


def test_layers_of_turned_sizes_are_not_each_others():
    linear, convolution = nn.Linear, nn.Conv2d
    for source, target in (
        (linear(8, 1), linear(1, 8)),
        (convolution(1, 8, 3), convolution(8, 1, 3)),
        (linear(8, 5), linear(5, 8)),
    ):
        shapes = [(2, layer.weight.shape[1], *[6] * (layer.weight.dim() - 2)) for layer in (source, target)]
        before, after = (
            netscope.summarize(nn.Sequential(layer), shape)
            for layer, shape in zip((source, target), shapes, strict=True)
        )
        found = netscope.weights_map(before, after)
        assert (found.tensors, found.recipes) == ({}, ())


def test_attention_that_interleaves_heads_is_not_split():
    class Heads(nn.Module):
        def __init__(self, head_first):
            super().__init__()
            self.attn = AttentionCl(WIDTH, dim_head=4, head_first=head_first)

        def forward(self, x):
            return self.attn(x)

    for head_first in (True, False):
        found = netscope.weights_map(Inside(SEPARATE, out="proj"), Heads(head_first), TOKENS)
        assert bool(found.missing) == head_first


def test_a_bare_matrix_is_known_by_its_sizes():
    check_port(nn.Sequential(nn.Linear(8, 5, bias=False)), nn.Sequential(Bare(8, 5)), TOKENS)


# Conversion


def test_a_state_dict_that_does_not_fit_is_an_error():
    found = netscope.weights_map(Attention(SEPARATE), Attention(FUSED), TOKENS)
    weights = Attention(SEPARATE).state_dict()
    with pytest.raises(UsageError, match=r"no tensor 'o.weight' and 7 more; pass a state dict of Attention"):
        found.convert({f"module.{name}": tensor for name, tensor in weights.items()})
    with pytest.raises(UsageError, match=r"q.weight has shape \[4, 8\]; the map expects \[8, 8\]"):
        found.convert(weights | {"q.weight": torch.zeros(4, 8)})


def test_converted_tensors_of_recipes_share_no_memory_and_no_graph():
    source = Attention(FUSED)
    found = netscope.weights_map(source, Attention(SEPARATE), TOKENS)
    weights = source.state_dict(keep_vars=True)
    converted = found.convert(weights)
    made = [converted[recipe.name] for recipe in found.recipes]
    assert not any(tensor.requires_grad for tensor in made)
    assert len({tensor.untyped_storage().data_ptr() for tensor in made}) == len(made) == 6
    before = weights["qkv.weight"].clone()
    converted["q.weight"].zero_()
    assert torch.equal(weights["qkv.weight"], before)
    assert converted["o.weight"] is weights["o.weight"]


def test_the_table_shows_what_each_tensor_is_made_of():
    found = netscope.weights_map(Attention(SEPARATE), Attention(FUSED), TOKENS)
    lines = str(found).splitlines()
    assert lines[0] == "Attention → Attention: 4 tensors, 2 of them by recipe, 288 of 288 parameters"
    assert lines[3].split(maxsplit=2) == ["made", "qkv.weight", "cat(q.weight, k.weight, v.weight)"]
    assert "o.weight" in lines[5]
    markdown = netscope.render.render(found, "markdown")
    assert "| made | qkv.bias | cat(q.bias, k.bias, v.bias) |" in markdown
    assert "2 tensors taken as they are" in markdown
