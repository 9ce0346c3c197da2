"""Two architectures aligned: as a person would tell it, and the invariants on random networks and random edits."""

import copy
import itertools
from collections import Counter, OrderedDict
from dataclasses import replace

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torchvision.models import VisionTransformer
from torchvision.models.resnet import BasicBlock

import netscope
from netscope import analysis
from netscope.schema import ModelDiff

WIDTH = 4
INPUT = (1, WIDTH, 6, 6)


def kinds(result):
    return Counter(change.kind for change in result.changes if change.kind != "same")


def told(result, kind):
    """The layers of one kind by their paths, without what is inside of others of that kind."""
    paths = [change.row.path for change in result.of_kind(kind)]
    return [path for path in paths if not any(path.startswith(f"{other}.") for other in paths if other != path)]


def attributes(result):
    return {
        change.row.path: {item.name: (item.before, item.after) for item in change.attributes}
        for change in result.of_kind("changed")
    }


# As a person would tell it


def test_the_papers_alexnet_and_torchvisions_have_the_same_layers_of_other_widths():
    result = netscope.diff("alexnet-paper", "alexnet-tv")
    assert kinds(result) == {"changed": 5}
    assert attributes(result) == {
        "features.0": {"out_channels": (96, 64)},
        "features.3": {"in_channels": (96, 64), "out_channels": (256, 192)},
        "features.6": {"in_channels": (256, 192)},
        "features.8": {"out_channels": (384, 256)},
        "features.10": {"in_channels": (384, 256)},
    }
    assert result.delta.params == 61_100_840 - 62_378_344
    assert (result.before.weighted_layers, result.after.weighted_layers) == (8, 8)


def test_resnet101_is_resnet50_with_17_more_blocks_in_its_third_stage():
    result = netscope.diff("resnet50", "resnet101")
    assert set(kinds(result)) == {"added"}
    assert told(result, "added") == [f"layer3.{number}" for number in range(6, 23)]
    assert result.delta.params == 44_549_160 - 25_557_032


def vit(**options):
    return VisionTransformer(
        **(
            {"image_size": 64, "patch_size": 16, "num_layers": 3, "num_heads": 4, "hidden_dim": 32, "mlp_dim": 64}
            | options
        )
    )


def test_a_vit_with_one_block_more_has_one_block_more():
    result = netscope.diff(vit(), vit(num_layers=4), (1, 3, 64, 64))
    assert told(result, "added") == ["encoder.layers.encoder_layer_3"]
    assert set(kinds(result)) == {"added"}


def test_other_heads_of_the_same_size_are_seen():
    result = netscope.diff(vit(), vit(num_heads=8), (1, 3, 64, 64))
    assert not result.delta
    assert attributes(result) == {
        f"encoder.layers.encoder_layer_{number}.self_attention": {"num_heads": (4, 8)} for number in range(3)
    }


def with_prefixed_names(module):
    """The same modules in the same order, each under another name."""
    module = copy.deepcopy(module)
    for part in list(module.modules()):
        part._modules = OrderedDict((f"part{name}", child) for name, child in part._modules.items())
    return module


def test_a_model_with_every_module_renamed_is_the_same_under_other_names():
    convolutions = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    model = nn.Sequential(nn.Conv2d(4, 4, 1), convolutions, nn.Flatten(), nn.Linear(16, 5))
    result = netscope.diff(model, with_prefixed_names(model), INPUT)
    assert not kinds(result)
    assert [change.after.path for change in result.renamed][:3] == ["part0", "part1", "part1.part0"]
    assert len(result.renamed) == len(result.changes) - 1
    assert not result.is_same
    assert netscope.diff(model, with_prefixed_names(model), INPUT, ignore=["names"]).is_same


def test_vgg_keeps_alexnets_classifier_and_has_eight_convolutions_more():
    result = netscope.diff("alexnet", "vgg16")
    of_type = Counter(change.row.type_name for change in result.of_kind("added"))
    assert of_type["Conv2d"] == 8
    assert not result.of_kind("removed")
    assert attributes(result)["classifier.0"] == {"in_features": (9216, 25088)}
    same = {change.after.path for change in result.of_kind("same")}
    assert {"classifier.3", "classifier.6"} <= same


def test_stages_of_the_same_name_are_compared_with_each_other():
    def stage(change):
        return (change.before.path.partition(".")[0], change.after.path.partition(".")[0])

    result = netscope.diff("resnet18", "resnet50")
    assert all(before == after for before, after in map(stage, result.of_kind("same", "changed")))


def test_densenet169_has_more_layers_at_the_end_of_its_third_and_fourth_block():
    result = netscope.diff("densenet121", "densenet169")
    added = [f"features.denseblock3.denselayer{number}" for number in range(25, 33)]
    added += [f"features.denseblock4.denselayer{number}" for number in range(17, 33)]
    assert told(result, "added") == added
    assert not result.of_kind("removed", "moved")


def test_a_network_of_twice_the_width_has_the_same_layers():
    def unet(width):
        steps = [3, width, 2 * width, 4 * width, 2 * width, width, 3]
        return nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in itertools.pairwise(steps))
        )

    result = netscope.diff(unet(8), unet(16), (1, 3, 8, 8))
    assert kinds(result) == {"changed": 6}


def test_layers_that_swapped_places_were_moved():
    layers = [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 1)]
    for order in ([1, 0, 2], [1, 2, 0], [2, 0, 1]):
        result = netscope.diff(nn.Sequential(*layers), nn.Sequential(*(layers[at] for at in order)), INPUT)
        assert kinds(result) == {"moved": 1}


def test_a_block_that_is_elsewhere_was_moved_as_a_whole():
    block = nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1))
    rest = [nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 5, padding=2)]
    result = netscope.diff(nn.Sequential(block, *rest), nn.Sequential(*rest, block), INPUT)
    assert kinds(result) == {"moved": 4}
    assert told(result, "moved") == ["3"]


# What is seen


class Skip(nn.Module):
    def __init__(self, far):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.reach = far

    def forward(self, x):
        first = self.a(x)
        second = self.b(first)
        return self.c(second) + (first if self.reach else second)


def test_a_skip_from_elsewhere_is_seen_although_every_layer_is_the_same():
    result = netscope.diff(Skip(far=False), Skip(far=True), (1, 4))
    assert attributes(result) == {"": {"reads_from": (("c", "b"), ("c", "a"))}}
    assert not result.delta


class TwoBranches(nn.Module):
    """Two layers and what becomes of them; the fingerprints alone tell most of these apart."""

    ENDS = (
        "a - b",
        "b - a",
        "a",
        "b",
        "(a, b)",
        "(b, a)",
        "a.relu() - b",
        "a - b.relu()",
        "norm",
        "a @ self.left @ self.right",
        "a @ self.right @ self.left",
        "torch.cat([a, b])",
        "torch.cat([b, a])",
        "a + a",
        "a + b",
    )

    def __init__(self, end):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4)
        self.left, self.right = nn.Parameter(torch.zeros(4, 4)), nn.Parameter(torch.zeros(4, 4))
        self.__dict__["chosen"] = end

    def forward(self, x):
        a = self.a(x)
        known = {"a": a, "b": self.b(x), "norm": self.norm(a), "self": self, "torch": torch}
        return eval(self.chosen, known)  # noqa: S307 - one of ours


def test_which_operand_is_which_and_what_is_returned_is_seen():
    summaries = [netscope.summarize(TwoBranches(end), (2, 4)) for end in TwoBranches.ENDS]
    for end, summary in zip(TwoBranches.ENDS, summaries, strict=True):
        assert netscope.diff(summary, netscope.summarize(TwoBranches(end), (2, 4))).is_same
        assert [netscope.diff(summary, other).is_same for other in summaries] == [
            other is summary for other in summaries
        ]


def test_a_tie_to_another_layer_is_seen():
    class Tied(nn.Module):
        def __init__(self, to):
            super().__init__()
            self.a, self.b, self.head = nn.Embedding(9, 4), nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
            self.head.weight = getattr(self, to).weight

        def forward(self, ids):
            return self.head(self.a(ids) + self.b(ids))

    result = netscope.diff(Tied("a"), Tied("b"), "1x5:int64")
    assert attributes(result) == {"head": {"weight.shared_with": ("a.weight", "b.weight")}}


def test_an_argument_that_explains_nothing_below_is_a_change():
    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.fc, self.factor = nn.Linear(4, 4), factor
            self.register_buffer("scale", torch.tensor(float(factor)))

        def forward(self, x):
            return self.fc(x) * self.scale

    assert attributes(netscope.diff(Scaled(2), Scaled(3), (1, 4))) == {"": {"factor": (2, 3)}}


def test_what_only_one_side_tells_is_said_not_to_be_compared():
    step = netscope.summarize("lenet5", mode="train")
    assert netscope.diff(step, "lenet5").notes == (
        "traced in train and in eval mode: the ops of layers are not compared",
    )
    rows = tuple(replace(row, tensors=()) for row in step.rows)
    notes = netscope.diff(step, replace(step, rows=rows)).notes
    assert notes == ("only one side has the layers' tensors: they are not compared",)


def test_only_what_does_nothing_is_ignored_as_dropout():
    class DropLast(nn.Module):
        def forward(self, x):
            return x.flip(0) * 2

    result = netscope.diff(nn.Sequential(DropLast()), nn.Sequential(nn.Identity()), (2, 4), ignore=["names", "dropout"])
    assert not result.is_same
    recurrent = (nn.LSTM(4, 4, num_layers=2, dropout=rate) for rate in (0.0, 0.5))
    assert netscope.diff(*recurrent, (5, 1, 4), ignore=["dropout"]).is_same


class Rewired(nn.Module):
    def __init__(self, *, crossed, factor=1):
        super().__init__()
        self.a, self.b, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.Softmax(-1)
        self.__dict__["from_a"], self.__dict__["scale"] = crossed, factor

    def forward(self, x):
        first, second = self.a(x), self.b(x)
        return self.act(first if self.from_a else second) * self.scale + second


def test_without_the_wiring_only_what_a_layer_computes_is_compared():
    straight, crossed = (netscope.summarize(Rewired(crossed=crossed), (1, 4)) for crossed in (False, True))
    assert attributes(netscope.diff(straight, crossed))["act"] == {"reads_from": (("b",), ("a",))}
    assert netscope.diff(straight, crossed, ignore=["wiring"]).is_same
    scaled = netscope.summarize(Rewired(crossed=True, factor=2), (1, 4))
    assert set(attributes(netscope.diff(straight, scaled, ignore=["wiring"]))) == {""}
    skips = (Skip(far=far) for far in (False, True))
    assert netscope.diff(*skips, (1, 4), ignore=["wiring"]).is_same


def test_without_identities_only_what_computes_is_compared():
    class Nothing(nn.Module):
        def forward(self, x):
            return x

    layers = [nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU()]
    padded = [layers[0], nn.Identity(), layers[1], Nothing(), nn.Dropout(0.0), layers[2], nn.Identity()]
    result = netscope.diff(nn.Sequential(*layers), nn.Sequential(*padded), INPUT, ignore=["identity", "names"])
    assert result.is_same
    for other in (nn.Dropout(0.5), nn.ReLU(), nn.BatchNorm2d(4)):
        longer = nn.Sequential(*layers, other)
        result = netscope.diff(nn.Sequential(*layers), longer, INPUT, ignore=["identity"])
        assert kinds(result) == {"added": 1}


def test_without_biases_a_computation_is_still_compared():
    result = netscope.diff(vit(), vit(num_heads=8), (1, 3, 64, 64), ignore=["bias"])
    assert len(attributes(result)) == 3


def test_inputs_in_another_role_are_seen_but_not_under_another_name():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, left, right):
            return self.b(self.a(left)) + right

    class Turned(Two):
        def forward(self, left, right):
            return self.b(self.a(right)) + left

    class Named(Two):
        def forward(self, first, second):
            return self.b(self.a(first)) + second

    shapes = [(1, 4), (1, 4)]
    assert set(attributes(netscope.diff(Two(), Turned(), shapes))) == {"", "a"}
    assert netscope.diff(Two(), Named(), shapes).is_same


def test_untied_weights_are_seen():
    class Tied(nn.Module):
        def __init__(self, *, tied):
            super().__init__()
            self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
            if tied:
                self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    result = netscope.diff(Tied(tied=True), Tied(tied=False), "1x5:int64")
    assert attributes(result) == {"head": {"weight.shared_with": ("embed.weight", None)}}
    assert result.delta.params == 36


def test_a_frozen_layer_and_another_dtype_are_seen():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    frozen = copy.deepcopy(model)
    frozen[1].weight.requires_grad_(False)
    assert attributes(netscope.diff(model, frozen, (1, 4))) == {"1": {"weight.requires_grad": (True, False)}}
    half = netscope.diff(netscope.summarize(model, (1, 4)), netscope.summarize(model, (1, 4), dtype="float16"))
    assert attributes(half)["0"] == {
        "weight.dtype": ("float32", "float16"),
        "bias.dtype": ("float32", "float16"),
    }


def test_other_inputs_alone_change_no_layer_but_the_figures():
    result = netscope.diff("alexnet", "alexnet", inputs_after=(2, 3, 224, 224))
    assert not kinds(result)
    assert not result.is_same
    assert result.delta.flops == 2_270_512_192


def test_in_place_or_not_is_no_difference():
    assert netscope.diff(nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU(inplace=True)), (1, 4)).is_same


class Added(nn.Module):
    """A residual block whose activation may change the sum in place, and the branch before it."""

    def __init__(self, *, inplace, reads_late=False):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=inplace)
        self.__dict__["reads_late"] = reads_late

    def forward(self, x):
        branch = self.norm(self.conv(x))
        active = self.act(branch)
        if self.reads_late:
            return branch + active  # the branch before the activation, or after it if that was in place
        total = torch.cat([active, x], 1)
        return self.act(total)[:, :4] + x


def test_in_place_or_not_is_no_difference_to_the_modules_around():
    models = [nn.Sequential(Added(inplace=inplace), Added(inplace=inplace)) for inplace in (True, False)]
    assert netscope.diff(*models, INPUT).is_same
    blocks = [BasicBlock(4, 4), BasicBlock(4, 4)]
    blocks[1].relu.inplace = False
    assert netscope.diff(*blocks, INPUT).is_same


def test_what_is_read_after_an_op_in_place_is_another_value():
    models = [Added(inplace=inplace, reads_late=True) for inplace in (True, False)]
    assert not netscope.diff(*models, INPUT).is_same


def test_another_function_in_a_forward_is_another_op():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return functional.relu(self.a(x))

    class Other(Net):
        def forward(self, x):
            return functional.sigmoid(self.a(x))

    ops = (("relu",), ("sigmoid",))
    assert attributes(netscope.diff(Net(), Other(), (1, 4))) == {"": {"type": ("Net", "Other"), "ops": ops}}
    Other.__name__ = "Net"
    assert attributes(netscope.diff(Net(), Other(), (1, 4))) == {"": {"ops": ops}}


class Returning(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.__dict__["names"] = names

    def forward(self, x):
        a = self.a(x)
        known = {"a": a, "b": self.b(a), "x": x}
        return tuple(known[name] for name in self.names)


def test_returning_more_is_no_change_of_the_computation():
    def diff(before, after):
        return netscope.diff(nn.Sequential(Returning(before)), nn.Sequential(Returning(after)), (2, 4))

    for shorter, longer in (("b", "ba"), ("b", "bb"), ("ba", "bax"), ("ba", "bxa")):
        for result in (diff(shorter, longer), diff(longer, shorter)):
            assert not kinds(result)
            assert not result.is_same  # the output shapes differ
    for before, after in (("a", "ba"), ("ba", "ab"), ("bax", "bxa"), ("ba", "bx")):
        assert "0" in attributes(diff(before, after))


def test_a_model_with_a_longer_cache_has_one_layer_more():
    result = netscope.diff("hf/llama@num_hidden_layers=1", "hf/llama@num_hidden_layers=2")
    assert set(kinds(result)) == {"added"}
    assert told(result, "added") == ["model.layers.1"]


def test_values_that_read_the_same_are_no_difference():
    class GELU(nn.Module):  # as in timm: without the argument of torch's
        def forward(self, x):
            return functional.gelu(x)

    assert netscope.diff(nn.Sequential(nn.GELU()), nn.Sequential(GELU()), (1, 4)).is_same
    assert attributes(netscope.diff(nn.Sequential(nn.GELU("tanh")), nn.Sequential(GELU()), (1, 4))) == {
        "0": {"approximate": ("tanh", None)}
    }
    norms = [nn.Sequential(nn.LayerNorm(4, eps=eps)) for eps in (1e-6, 1.0000000001e-6, 1e-5)]
    assert "eps" not in attributes(netscope.diff(norms[0], norms[1], (1, 4)))["0"]
    assert attributes(netscope.diff(norms[1], norms[2], (1, 4))) == {"0": {"eps": (1.0000000001e-6, 1e-5)}}


class Attention(nn.Module):
    """Attention by the names of its layers, each with the number of parts that it computes at once."""

    def __init__(self, layers, width=8, out="o"):
        super().__init__()
        self.layers, self.out = layers, out
        for name, parts in layers.items():
            self.add_module(name, nn.Linear(width, parts * width))
        self.add_module(out, nn.Linear(width, width))

    def forward(self, x):
        parts = torch.cat([self.get_submodule(name)(x) for name in self.layers], -1).chunk(3, -1)
        return self.get_submodule(self.out)(functional.scaled_dot_product_attention(*parts))


def test_layers_of_equal_names_correspond():
    separate, fused = Attention({"q": 1, "k": 1, "v": 1}), Attention({"qkv": 3})
    result = netscope.diff(separate, fused, (1, 5, 8))
    pairs = {change.before.path: change.after.path for change in result.changes if change.before and change.after}
    assert pairs["o"] == "o"
    assert pairs.keys() - {"", "o"} <= {"q", "k", "v"}
    # Names tell q from an output, whatever it is called.
    result = netscope.diff(Attention({"q": 1, "kv": 2}), Attention({"qkv": 3}, out="proj"), (1, 5, 8))
    assert ("o", "proj") in {sides(change) for change in result.changes}


def test_torchvisions_and_timms_convnext_have_the_same_blocks():
    result = netscope.diff("convnext_tiny", "timm/convnext_tiny")
    types = Counter((c.before.type_name, c.after.type_name) for c in result.changes if c.before and c.after)
    assert types["CNBlock", "ConvNeXtBlock"] == 3 + 3 + 9 + 3
    assert not any(change.row.own.params for change in result.of_kind("added", "removed"))


def test_what_is_ignored_is_no_difference_and_in_no_figure():
    dropped = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 4))
    bare = nn.Sequential(OrderedDict({"0": nn.Linear(4, 4, bias=False), "2": nn.Linear(4, 4, bias=False)}))
    assert kinds(netscope.diff(dropped, bare, (1, 4))) == {"changed": 2, "removed": 1}
    ignored = netscope.diff(dropped, bare, (1, 4), ignore=["bias", "dropout"])
    assert ignored.is_same
    assert ignored.before.totals.params == ignored.after.totals.params == 32
    assert ignored.ignored == ("bias", "dropout")


def test_summaries_without_tensors_and_wiring_compare_by_what_they_tell():
    def bare(summary):
        rows = tuple(replace(row, tensors=(), reads_from=(), computation="", ops=()) for row in summary.rows)
        return replace(summary, rows=rows)

    before, after = netscope.summarize("alexnet-paper"), bare(netscope.summarize("alexnet-tv"))
    assert kinds(netscope.diff(before, after)) == {"changed": 5}
    assert netscope.diff(before, bare(before)).is_same


def test_two_versions_of_torch_are_compared_by_what_layers_compute():
    before = netscope.summarize("alexnet")
    after = replace(before, versions={"torch": "1.0"}, rows=tuple(replace(row, ops=()) for row in before.rows))
    result = netscope.diff(before, after)
    assert result.is_same
    assert result.notes == ()
    *others, last = after.rows
    other = replace(last, computation=f"{last.computation}0")
    assert kinds(netscope.diff(before, replace(after, rows=(*others, other)))) == {"changed": 1}


# Invariants


def layers():
    pad = {1: 0, 3: 1, 5: 2}
    return st.one_of(
        st.sampled_from((1, 3, 5)).map(lambda k: ("conv", k, pad[k])),
        st.sampled_from((("relu",), ("gelu",), ("norm",), ("pool",), ("dropout", 0.1), ("dropout", 0.5))),
    )


def blocks():
    return st.recursive(
        layers(), lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda xs: ("block", *xs)), max_leaves=12
    )


networks = st.lists(blocks(), min_size=1, max_size=8)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def built(spec):
    def layer(item):
        kind, *arguments = item
        makers = {
            "conv": lambda k, p: nn.Conv2d(WIDTH, WIDTH, k, padding=p),
            "relu": nn.ReLU,
            "gelu": nn.GELU,
            "norm": lambda: nn.BatchNorm2d(WIDTH),
            "pool": lambda: nn.MaxPool2d(3, 1, 1),
            "dropout": nn.Dropout,
            "block": lambda *items: Residual(*map(layer, items)),
        }
        return makers[kind](*arguments)

    return nn.Sequential(*map(layer, spec))


def summary_of(spec):
    return netscope.summarize(built(spec), INPUT)


def check_invariants(before, after):
    """What holds for any two architectures."""
    result = analysis.diff_summaries(before, after)
    for side, summary in (("before", before), ("after", after)):
        rows = [getattr(change, side) for change in result.changes if getattr(change, side) is not None]
        assert sorted(row.path for row in rows) == sorted(row.path for row in summary.rows)
    assert sum(change.own_delta.params for change in result.changes) == result.delta.params
    assert sum(change.own_delta.flops for change in result.changes) == result.delta.flops
    assert result.delta.params == after.totals.params - before.totals.params
    assert ModelDiff.from_json(result.to_json()) == result
    return result


def sides(change):
    return (change.before.path if change.before else None, change.after.path if change.after else None)


random_networks = settings(max_examples=60)


@random_networks
@given(networks)
def test_nothing_differs_from_itself(spec):
    summary, again = summary_of(spec), summary_of(spec)
    result = check_invariants(summary, again)
    assert result.is_same
    assert all(change.before.path == change.after.path for change in result.changes)


@random_networks
@given(networks, networks)
def test_the_other_way_round_is_the_inverse(first, second):
    before, after = summary_of(first), summary_of(second)
    forth, back = check_invariants(before, after), check_invariants(after, before)
    opposite = {"added": "removed", "removed": "added"}
    assert Counter((sides(change), change.kind) for change in forth.changes) == Counter(
        (sides(change)[::-1], opposite.get(change.kind, change.kind)) for change in back.changes
    )
    assert (forth.delta.params, forth.delta.flops) == (-back.delta.params, -back.delta.flops)
    turned = {sides(change)[::-1]: change.attributes for change in back.changes}
    for change in forth.changes:
        assert {(item.name, item.before, item.after) for item in change.attributes} == {
            (item.name, item.after, item.before) for item in turned[sides(change)]
        }


@random_networks
@given(networks, layers(), st.data())
def test_one_layer_more_is_one_row_added_and_one_less_one_row_removed(spec, layer, data):
    at = data.draw(st.integers(0, len(spec)))
    short, long = summary_of(spec), summary_of([*spec[:at], layer, *spec[at:]])
    assert kinds(check_invariants(short, long)) == {"added": 1}
    assert kinds(check_invariants(long, short)) == {"removed": 1}


@random_networks
@given(networks, blocks(), st.data())
def test_one_block_more_is_that_block_added(spec, block, data):
    at = data.draw(st.integers(0, len(spec)))
    result = check_invariants(summary_of(spec), summary_of([*spec[:at], block, *spec[at:]]))
    assert set(kinds(result)) == {"added"}
    assert len(told(result, "added")) == 1


@random_networks
@given(networks, st.data())
def test_one_layer_of_another_kind_is_one_row_changed(spec, data):
    other = {"relu": ("gelu",), "gelu": ("relu",), "conv": ("conv", 3, 1), "dropout": ("dropout", 0.3)}
    places = [at for at, item in enumerate(spec) if item[0] in other and other[item[0]] != item]
    assume(places)
    at = data.draw(st.sampled_from(places))
    edited = [*spec[:at], other[spec[at][0]], *spec[at + 1 :]]
    result = check_invariants(summary_of(spec), summary_of(edited))
    assert kinds(result) == {"changed": 1}


@random_networks
@given(networks)
def test_other_names_alone_change_no_row(spec):
    model = built(spec)
    result = check_invariants(netscope.summarize(model, INPUT), netscope.summarize(with_prefixed_names(model), INPUT))
    assert not kinds(result)
    assert all(change.is_renamed for change in result.changes if change.before.path)
