"""The sentence about a diff, on networks of a few rows, and the table of real pairs in the documentation."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import netscope
from netscope import analysis
from netscope.render import render
from netscope.render.diff_attributes import describe_attributes
from netscope.render.diff_sentences import describe_diff, name_sides
from netscope.render.numbers import count_nouns
from netscope.schema import AttributeChange, LayerTensor

from .conftest import layer, linear, summary_of

ROOT = Path(__file__).parents[2]


def load_script():
    spec = importlib.util.spec_from_file_location("diff_sentences", ROOT / "benchmarks" / "diff_sentences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()


def sentence_of(before, after):
    return describe_diff(analysis.diff_summaries(summary_of(before), summary_of(after)))


def names_of(before, after):
    sides = (replace(summary_of([linear("fc", 1)]), architecture=side) for side in (before, after))
    return name_sides(analysis.diff_summaries(*sides))


def root(**options):
    return layer("", "Net", 0, **options)


def conv(path, inputs=8, outputs=8, kernel=3, **options):
    hyperparameters = {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": (kernel, kernel),
        "stride": (1, 1),
        "padding": (kernel // 2, kernel // 2),
        "dilation": (1, 1),
        "groups": 1,
    } | options
    params = inputs * outputs * kernel**2 // hyperparameters["groups"]
    return layer(
        path, "Conv2d", path.count(".") + 1, hyperparameters=hyperparameters, own_params=params, own_flops=100 * params
    )


def plain(path, type_name, ops=(), **options):
    kinds = {op.removesuffix("_"): 1 for op in ops}
    return layer(path, type_name, path.count(".") + 1, operations=kinds, computation=f"1-{ops}", **options)


def test_a_change_of_a_higher_rank_is_named_first():
    before = [root(), conv("a", groups=1), conv("b"), plain("c", "Dropout", hyperparameters={"p": 0.5})]
    after = [root(), conv("a", groups=4), conv("b", kernel=5), plain("c", "Dropout", hyperparameters={"p": 0.1})]
    assert sentence_of(before, after).endswith("; a: groups 1 → 4, b: kernel 3×3 → 5×5, c: p 0.5 → 0.1")


def test_the_padding_that_a_larger_kernel_needs_is_not_named():
    text = sentence_of([root(), conv("a")], [root(), conv("a", kernel=5)])
    assert "kernel 3×3 → 5×5" in text
    assert "padding" not in text


def test_a_kind_of_module_that_came_is_named_with_its_place():
    norms = [plain(f"body.{number}", "BatchNorm2d", own_params=16) for number in range(2)]
    before = [root(), plain("body", "Sequential"), conv("body.a")]
    assert sentence_of(before, [*before, *norms]).endswith("2 batch normalization layers added to body")
    assert sentence_of([*before, *norms], before).endswith("2 batch normalization layers removed from body")


def test_one_normalization_that_replaces_another_is_one_change():
    before = [root(), *(plain(name, "BatchNorm2d", own_params=16) for name in "ab")]
    after = [root(), *(plain(name, "GroupNorm", own_params=16) for name in "ab")]
    assert sentence_of(before, after).endswith("2 group normalization layers instead of batch normalization")


@pytest.mark.parametrize(
    "type_name", ["SEModule", "SqueezeExcitation", "SqueezeExcite", "EffectiveSEModule", "SELayer"]
)
def test_squeeze_and_excitation_is_recognized_by_its_class(type_name):
    before = [root(), conv("a")]
    after = [*before, plain("se", type_name), conv("se.down"), plain("se.gate", "Sigmoid", ["sigmoid"])]
    text = sentence_of(before, after)
    assert text.endswith("; 1 squeeze-and-excitation block added")
    assert "sigmoid" not in text


def test_a_sequential_is_no_squeeze_and_excitation():
    before = [root(), conv("a")]
    assert "squeeze" not in sentence_of(before, [*before, plain("b", "Sequential"), conv("b.c")])


@pytest.mark.parametrize("functional", [False, True])
def test_another_activation_is_named_whether_it_is_a_module_or_a_function(functional):
    def network(name, op):
        return [root(), conv("a"), plain("act", "Block" if functional else name, [op])]

    assert sentence_of(network("ReLU", "relu"), network("SiLU", "silu_")).endswith("; SiLU instead of ReLU")


def typed(path, dtype, **options):
    tensor = LayerTensor(
        name="weight", shape=(4, 3), dtype=dtype, is_buffer=False, trainable=True, persistent=True, shared_with=None
    )
    return replace(linear(path, 1, **options), tensors=(tensor,))


@pytest.mark.parametrize(("dtype", "named"), [("qint8", "int8"), ("bfloat16", "bfloat16")])
def test_another_dtype_of_all_layers_is_named_once(dtype, named):
    before, after = ([root(), *(typed(path, name) for path in "abc")] for name in ("float32", dtype))
    text = sentence_of(before, after)
    assert text.startswith(f"the same 3 weighted layers, as {named}; 3 layers changed; same params")
    assert "dtype" not in text
    assert "−100" not in text


def test_a_width_in_many_layers_is_named_with_its_factor():
    before, after = ([root(), *(conv(f"c{n}", 3, times * 2**n) for n in range(3, 8))] for times in (1, 2))
    assert sentence_of(before, after).endswith("width ×2 in 5 layers (8 → 16, 16 → 32, …)")


def test_blocks_of_one_class_are_added_up_over_their_places():
    def network(*counts):
        stages = [(f"s{stage}", count) for stage, count in enumerate(counts)]
        return [
            root(),
            *(
                row
                for stage, count in stages
                for row in [plain(stage, "Sequential"), *(conv(f"{stage}.{n}") for n in range(count))]
            ),
        ]

    assert sentence_of(network(2, 2), network(3, 4)).endswith("; 3 Conv2d added: 1 to s0, 2 to s1")


def test_placeholders_are_folded_into_a_clause_and_not_counted():
    before = [root(), conv("a")]
    after = [*before, *(plain(f"b{n}", "Identity") for n in range(20))]
    assert sentence_of(before, after).endswith("; 20 Identity layers more, which compute nothing")
    assert "added" not in sentence_of(before, after)
    assert sentence_of(after[:3], before).endswith("; 1 Identity layer fewer, which computes nothing")


def test_a_configuration_is_named_by_its_changed_settings():
    def network(**settings):
        values = {f"config.{name}": value for name, value in settings.items()}
        return [root(hyperparameters=values, operations={"add": 1}), conv("a")]

    text = sentence_of(network(n_head=12, width=8), network(n_head=16, width=8))
    assert text.endswith("; n_head 12 → 16")


def test_a_hyperparameter_whose_sides_read_the_same_is_not_named():
    same = AttributeChange(name="scale", before=0.1234567, after=0.12345670001)
    assert describe_attributes([same, AttributeChange(name="p", before=0.5, after=0.1)]) == "p 0.5 → 0.1"


def test_an_ellipsis_marks_only_what_is_left_out():
    few, many = ([conv(f"layer_with_a_long_name_{n}", kernel=3) for n in range(count)] for count in (1, 8))
    changed = [conv(f"layer_with_a_long_name_{n}", kernel=2 * n + 5) for n in range(3)]
    assert "…" not in sentence_of([root(), *few], [root(), conv("layer_with_a_long_name_0", kernel=5)])
    assert "…" in sentence_of([root(), *many], [root(), *changed, *many[3:]])


def test_of_equal_weights_and_ops_in_other_modules_the_sentence_calls_them_the_same():
    relu = ["relu"]
    once = [root(), conv("a"), conv("b"), plain("act", "ReLU", relu, calls=2)]
    once[-1] = replace(once[-1], operations={"relu": 2})
    twice = [root(), conv("a"), plain("act1", "ReLU", relu), conv("b"), plain("act2", "ReLU", relu)]
    assert sentence_of(once, twice).startswith("the same architecture under other names")
    assert not sentence_of(once, [*twice, plain("act3", "ReLU", relu)]).startswith("the same architecture")
    other = [root(), conv("a"), plain("act1", "ReLU", relu), conv("b", padding=(2, 2)), plain("act2", "ReLU", relu)]
    assert not sentence_of(once, other).startswith("the same architecture")


class Skip(nn.Module):
    """Three layers with a skip connection from one of them, under names with a prefix."""

    def __init__(self, prefix, source):
        super().__init__()
        self.layers, self.source = nn.ModuleDict({f"{prefix}{n}": nn.Linear(4, 4) for n in range(3)}), source

    def forward(self, x):
        found = []
        for module in self.layers.values():
            x = module(x)
            found.append(x)
        return x + found[self.source]


def convolution():
    return nn.Conv2d(4, 4, 1)


DIFFERENT = {
    "another order": (
        nn.Sequential(convolution(), nn.ReLU(), nn.BatchNorm2d(4)),
        nn.Sequential(convolution(), nn.BatchNorm2d(4), nn.ReLU()),
        (1, 4, 2, 2),
    ),
    "an activation elsewhere": (
        nn.Sequential(convolution(), nn.ReLU(), convolution(), convolution()),
        nn.Sequential(convolution(), convolution(), nn.ReLU(), convolution()),
        (1, 4, 2, 2),
    ),
    "another skip connection": (Skip("a", 0), Skip("b", 1), (1, 4)),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_of_equal_weights_that_compute_something_else_the_sentence_does_not_call_them_the_same(case):
    before, after, inputs = DIFFERENT[case]
    assert "the same architecture" not in describe_diff(netscope.diff(before, after, inputs))


def test_a_moved_layer_is_named():
    before, after, inputs = DIFFERENT["another order"]
    assert "moved in the root" in describe_diff(netscope.diff(before, after, inputs))


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "layer", "1 layer"),
        (2, "layer", "2 layers"),
        (2, "Identity", "2 Identities"),
        (2, "BatchNorm2d", "2 BatchNorm2d"),
        (2, "Softmax", "2 Softmaxes"),
        (2, "Hardswish", "2 Hardswishes"),
        (2, "BertEmbeddings", "2 BertEmbeddings"),
        (2, "CrossEntropyLoss", "2 CrossEntropyLosses"),
        (2, "LayerRelay", "2 LayerRelays"),
    ],
)
def test_plurals_are_correct(count, noun, text):
    assert count_nouns(count, noun) == text


def test_names_that_are_alike_are_shown_with_their_sources():
    here = replace(summary_of([linear("fc", 1)]).architecture, source="torchvision", name="resnet50", spec="resnet50")
    there = replace(here, source="timm", spec="timm/resnet50")
    assert names_of(here, there) == ("torchvision/resnet50", "timm/resnet50")
    assert names_of(here, replace(there, name="resnet50d")) == ("resnet50", "resnet50d")
    file = replace(here, source="python", name="Net", spec="a.py:Net")
    assert names_of(file, replace(file, spec="b.py:Net")) == ("a.py:Net", "b.py:Net")
    text = render(
        analysis.diff_summaries(*(replace(summary_of([linear("fc", 1)]), architecture=side) for side in (here, there)))
    )
    assert text.startswith("torchvision/resnet50 → timm/resnet50: ")


# The table in the documentation


@pytest.mark.parametrize(
    "pair", [pair for pair in SCRIPT.PAIRS if pair.is_quick], ids=lambda pair: f"{pair.before}, {pair.after}"
)
def test_the_table_has_the_sentences_of_small_pairs(pair, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert SCRIPT.write_row(pair) in SCRIPT.PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_the_table_has_the_sentences_of_all_pairs(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "\n".join(SCRIPT.write_table()) in SCRIPT.PAGE.read_text(encoding="utf-8")
