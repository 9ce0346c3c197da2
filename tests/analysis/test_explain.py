"""The arithmetic of explanations: it comes out as the pass did, and its text says what it comes out as."""

import json
from math import prod
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import netscope
from netscope.errors import NetscopeError, UnknownNameError, UsageError
from netscope.zoo.catalog import BUILT_INS

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "expected.json").read_text(encoding="utf-8"))


def layer(explanation, path):
    return next(item for item in explanation.layers if item.row.path == path)


def evaluated(text):
    """Both sides of ``(11·11·3 + 1)·96 = 34,944``, reckoned."""
    left, right = text.split(" = ")
    signs = str.maketrans({"·": "*", "×": "*", "−": "-", ",": ""})
    return eval(left.translate(signs)), int(right.translate(signs))  # noqa: S307 - digits and signs


# The lines of published texts

LINES = [
    ("alexnet-paper", "features.0", (), "height and width", "(224 − 11 + 2 + 2)/4 + 1 = 55.25 → 55"),
    (
        "alexnet-paper",
        "features.0",
        ("input=1x3x227x227", "features.0.padding=0"),
        "height and width",
        "(227 − 11)/4 + 1 = 55",
    ),
    ("alexnet-unpadded", "features.0", (), "height and width", "(224 − 11)/4 + 1 = 54.25 → 54"),
    ("alexnet-paper", "features.0", (), "parameters", "(11·11·3 + 1)·96 = 34,944"),
    ("alexnet-paper", "classifier.1", (), "parameters", "(9216 + 1)·4096 = 37,752,832"),
    ("alexnet-paper", "classifier.4", (), "parameters", "(4096 + 1)·4096 = 16,781,312"),
    ("alexnet-paper", "classifier.6", (), "parameters", "(4096 + 1)·1000 = 4,097,000"),
    ("alexnet-grouped", "features.4", (), "parameters", "(5·5·48 + 1)·256 = 307,456"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "changes", "quantity", "line"), LINES)
def test_the_lines_of_published_texts_come_out(name, path, changes, quantity, line):
    explained = netscope.explain(name, path, what_if=changes)
    assert layer(explained, path).of(quantity).short == line


def test_the_uneven_first_layer_of_alexnet_is_explained():
    notes = layer(netscope.explain("alexnet-paper"), "features.0").of("height and width").notes
    thrown_away, same, even = notes
    assert thrown_away == (
        "the floor throws away 0.25 of a step: the last row and column of the padded input are in no window; "
        "they are padding, so no pixel is lost"
    )
    assert same == "inputs of 223 … 226 give the same size"
    assert even == "with padding 1 and 2 nothing is rounded: (224 − 11 + 1 + 2)/4 + 1 = 55"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alexnet-paper", "256×6×6 of avgpool flattened: 256·6·6 = 9,216 features for classifier.1 (Linear)"),
        ("alexnet-unpadded", "256×5×5 of features.12 flattened: 256·5·5 = 6,400 features for classifier.fc6 (Linear)"),
        ("lenet5", "16×5×5 of features.5 flattened: 16·5·5 = 400 features for classifier.1 (Linear)"),
        ("googlenet-d2l", "1024×1×1 of stage5.2 flattened: 1024·1·1 = 1,024 features for fc (Linear)"),
    ],
)
def test_where_the_first_fully_connected_layers_size_comes_from(name, text):
    assert netscope.explain(name).flattened.arithmetic == text


def test_the_chain_is_that_of_the_textbooks():
    chain = [stage.shape[1:] for stage in netscope.explain("lenet5").chain]
    assert chain == [(1, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,)]


# All layers


@pytest.mark.parametrize("name", BUILT_INS)
def test_every_layer_of_the_built_ins_is_explained(name):
    explained = netscope.explain(name)
    params = macs = 0
    for item in explained.layers:
        found = item.of("parameters")
        assert (found is not None) == bool(item.row.own.params)
        if found is not None:
            assert evaluated(found.short) == (item.row.own.params,) * 2
            params += found.value
        found = item.of("MACs")
        if found is not None:
            assert evaluated(found.short) == (item.row.own.macs,) * 2
            macs += found.value
        if "kernel_size" in item.row.hyperparameters:
            sizes = [size for size in item.derivations if "height" in size.quantity or "width" in size.quantity]
            assert sizes, item.row.path
            assert {size.value for size in sizes} == set(item.row.output_shapes[0][2:])
    assert params == EXPECTED[name]["params"]
    assert macs == EXPECTED[name]["macs"]


@pytest.mark.parametrize(
    "name", ["resnet50", "vit_b_16", "mobilenet_v3_small", "swin_t", "inception_v3@init_weights=False"]
)
def test_the_arithmetic_of_other_architectures_comes_out(name):
    explained = netscope.explain(name)
    for item in explained.layers:
        found = item.of("parameters")
        assert (found is not None) == bool(item.row.own.params), item.row.path
        for quantity, own in (("parameters", item.row.own.params), ("MACs", item.row.own.macs)):
            found = item.of(quantity)
            if found is not None and found.rule:
                left, right = evaluated(found.short)
                assert left == right, item.row.path
                assert right * (item.row.calls if quantity == "MACs" else 1) == own


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(32, 7, batch_first=True)
        self.rnn = nn.RNN(7, 5, bias=False, batch_first=True)
        self.attention = nn.MultiheadAttention(5, 1, batch_first=True)
        self.norm = nn.LayerNorm(5)

    def forward(self, x):
        x, _ = self.lstm(x)
        x, _ = self.gru(x)
        x, _ = self.rnn(x)
        return self.norm(self.attention(x, x, x)[0])


@pytest.mark.parametrize("path", ["lstm", "gru", "rnn", "attention"])
def test_recurrent_and_attention_layers_are_explained(path):
    item = layer(netscope.explain(Recurrent(), inputs=(2, 9, 8)), path)
    for quantity, value in (("parameters", item.row.own.params), ("MACs", item.row.own.macs)):
        assert item.of(quantity).rule
        assert evaluated(item.of(quantity).short) == (value, value)
    assert item.of("operation") is not None


class Doubled(nn.Linear):
    def forward(self, x):
        return super().forward(super().forward(x))


@pytest.mark.parametrize(
    ("made", "shape", "note"),
    [
        (nn.GroupNorm(2, 4), (1, 4, 2, 2), "one mean and variance for each of 2 groups, over 2·2·2 = 8 values"),
        (nn.GroupNorm(1, 4), (1, 4, 2, 2), "one mean and variance, over 4·2·2 = 16 values"),
        (nn.LayerNorm(4), (1, 3, 4), "one mean and variance for each of 3 positions, over 4 = 4 values"),
        (nn.LayerNorm(4), (1, 4), "one mean and variance, over 4 = 4 values"),
    ],
)
def test_a_single_group_or_position_is_not_counted(made, shape, note):
    found = layer(netscope.explain(nn.Sequential(made), inputs=shape), "0").of("operation")
    assert found.arithmetic == note


def test_a_layer_that_computes_otherwise_is_not_explained_by_its_hyperparameters():
    found = layer(netscope.explain(nn.Sequential(Doubled(4, 4)), inputs=(1, 4)), "0").of("MACs")
    assert not found.rule
    assert found.value == 32


@settings(max_examples=60)
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2), st.integers(11, 24),
    st.sampled_from([nn.Conv2d, nn.MaxPool2d, nn.ConvTranspose2d]),
)  # fmt: skip
def test_sizes_of_random_layers_are_explained(kernel, stride, padding, dilation, size, kind):
    padding = min(padding, kernel // 2)
    channels = () if kind is nn.MaxPool2d else (2, 2)
    made = kind(*channels, kernel, stride=stride, padding=padding, dilation=dilation)
    item = layer(netscope.explain(nn.Sequential(made), inputs=(1, 2, size, size + 3)), "0")
    height, width = item.row.output_shapes[0][2:]
    values = [found.value for found in item.derivations if found.quantity.partition(" ")[0] in ("height", "width")]
    assert values in ([height, width], [height])
    assert len(values) == 2 or height == width


# Inputs and changes that do not fit


def test_an_input_that_is_too_small_is_answered_with_the_arithmetic():
    explained = netscope.explain("alexnet-paper", inputs=(1, 3, 32, 32))
    assert explained.exit_code == 2
    assert explained.mismatch.path == "features.12"
    assert "floor((1 + 2·0 − 1·(3 − 1) − 1) / 2) + 1 = 0" in explained.mismatch.reason
    assert layer(explained, "features.0").of("height and width").short == "(32 − 11 + 2 + 2)/4 + 1 = 7.25 → 7"


def test_a_change_names_the_layer_that_no_longer_fits_and_what_would():
    explained = netscope.explain("alexnet-unpadded", what_if=["features.0.padding=2"])
    assert explained.exit_code == 1
    assert explained.mismatch.path == "classifier.fc6"
    assert "expects 6400 input features, got 9216" in explained.mismatch.reason
    assert explained.mismatch.remedy == "classifier.fc6.in_features=9216"
    mended = netscope.explain("alexnet-unpadded", what_if=["features.0.padding=2", explained.mismatch.remedy])
    assert mended.mismatch is None
    assert mended.totals.params - mended.totals_before.params == (9216 - 6400) * 4096


def test_a_change_shows_what_each_layer_gave_before():
    explained = netscope.explain("alexnet-paper", what_if={"features.0.padding": 0})
    first = layer(explained, "features.0")
    assert (first.output_before, first.row.output_shapes) == (((1, 96, 55, 55),), ((1, 96, 54, 54),))
    assert layer(explained, "classifier.6").output_before is None


def test_the_callers_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    before = [(id(module), repr(module)) for module in model.modules()]
    explained = netscope.explain(model, inputs=(1, 3, 8, 8), what_if=["0.kernel_size=5"])
    assert explained.mismatch.path == "2"
    assert [(id(module), repr(module)) for module in model.modules()] == before


def test_a_shared_module_is_changed_wherever_it_stands():
    pool = nn.MaxPool2d(2)
    explained = netscope.explain(nn.Sequential(pool, nn.ReLU(), pool), inputs=(1, 3, 16, 16), what_if=["2.stride=1"])
    assert layer(explained, "0").row.output_shapes == ((1, 3, 15, 15),)
    assert layer(explained, "2").row.output_shapes == ((1, 3, 14, 14),)


class Block(nn.Module):
    def __init__(self, width, hidden=3):
        super().__init__()
        self.width = width
        self.fc = nn.Linear(width, hidden)

    def forward(self, x):
        return self.fc(x)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x))


def test_tied_weights_stay_tied_by_a_change_that_leaves_their_shape():
    explained = netscope.explain(Tied(), inputs="1x5:int64", what_if=["head.bias=True"])
    assert explained.totals.params == 40 + 10


def test_a_new_layer_has_the_dtype_and_the_flags_of_the_old_one():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2)).to(torch.bfloat16).requires_grad_(False)
    explained = netscope.explain(model, inputs="1x4:bfloat16", what_if={"0.out_features": 8, "1.in_features": 8})
    assert explained.mismatch is None
    assert explained.totals.param_dtypes == ("bfloat16",)
    assert explained.totals.trainable_params == 0


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (nn.LSTM(4, 6, batch_first=True), "0.hidden_size=8"),
        (nn.GRU(4, 6, batch_first=True), "0.bidirectional=True"),
        (nn.ReLU6(), "0.inplace=True"),
        (nn.ZeroPad1d(2), "0.padding=1"),
        (nn.LayerNorm(4), "0.eps=1e-3"),
        (nn.BatchNorm1d(3), "0.affine=False"),
    ],
)
def test_all_kinds_of_layers_can_be_changed(made, change):
    assert netscope.explain(nn.Sequential(made), inputs=(2, 3, 4), what_if=[change]).mismatch is None


@pytest.mark.parametrize(
    "change",
    [
        "features.0.padding=-1", "features.0.dilation=0", "features.0.kernel_size=0", "features.0.stride=0",
        "features.0.padding=(1,2,3)", "features.0.padding=1.5", "features.0.padding=True", "features.0.padding=None",
        "avgpool.output_size=0",
    ],
)  # fmt: skip
def test_sizes_that_no_device_takes_are_refused_though_meta_does(change):
    with pytest.raises(UsageError, match="cannot be built with"):
        netscope.explain("alexnet", what_if=[change])


def test_a_misfit_in_an_addition_is_told_with_the_module():
    explained = netscope.explain("resnet18", what_if=["layer1.0.conv2.stride=2"])
    assert (explained.exit_code, explained.mismatch.path) == (1, "layer1.0")
    assert "failed in layer1.0 (BasicBlock): RuntimeError" in explained.mismatch.reason


def test_what_mends_an_input_that_does_not_fit_can_be_tried_at_once():
    inputs = (1, 3, 231, 231)
    mismatch = netscope.explain("alexnet-unpadded", inputs=inputs).mismatch
    assert mismatch.remedy == "classifier.fc6.in_features=9216"
    assert netscope.explain("alexnet-unpadded", inputs=inputs, what_if=[mismatch.remedy]).mismatch is None


def test_what_would_fit_is_left_out_where_the_groups_would_not():
    model = nn.Sequential(nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 1, groups=2))
    explained = netscope.explain(model, inputs=(1, 4, 8, 8), what_if=["0.out_channels=7"])
    assert (explained.mismatch.path, explained.mismatch.remedy) == ("1", "")


def test_a_picture_without_a_batch_has_its_channels_first():
    assert netscope.explain(nn.Sequential(nn.Conv2d(3, 4, 1)), inputs=(5, 8, 8)).mismatch.remedy == "0.in_channels=5"


def test_a_window_that_is_only_begun_is_not_called_thrown_away():
    made = nn.MaxPool2d(3, 2, ceil_mode=True)
    notes = layer(netscope.explain(nn.Sequential(made), inputs=(1, 2, 8, 8)), "0").of("height and width").notes
    assert notes[0] == "the last window extends 1 row and column beyond the padded input"
    assert not any("floor" in note for note in notes)


@pytest.mark.parametrize(
    ("made", "shape", "said"),
    [
        (nn.RNN(4, 5, nonlinearity="relu"), (3, 2, 4), "h = relu("),
        (nn.BatchNorm2d(3, affine=False), (2, 3, 4, 4), "y = (x − mean) / √(variance + ε)"),
        (nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 4), "of the batch, also in eval mode"),
        (nn.LayerNorm(4, elementwise_affine=False), (2, 3, 4), "over 4 = 4 values"),
    ],
)
def test_what_a_layer_does_is_told_by_how_it_was_made(made, shape, said):
    found = layer(netscope.explain(nn.Sequential(made), inputs=shape), "0").of("operation")
    assert said in found.rule + found.arithmetic
    assert "γ" not in found.rule or list(made.parameters())


class ChannelsFirst(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.transpose(1, -1)).transpose(1, -1)


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (ChannelsFirst(3), (2, 3, 5)), (nn.InstanceNorm2d(3), (2, 3, 4, 4)), (nn.LSTM(4, 6, proj_size=2), (3, 2, 4)),
        (nn.Fold((4, 5), 2), (1, 12, 12)), (nn.FractionalMaxPool2d(2, output_size=3), (1, 2, 8, 8)),
    ],
)  # fmt: skip
def test_nothing_is_said_that_does_not_hold(made, shape):
    found = layer(netscope.explain(nn.Sequential(made), inputs=shape), "0")
    assert found.of("operation") is None
    assert not any("floor" in item.arithmetic or "as requested" in item.arithmetic for item in found.derivations)


def test_the_first_fully_connected_layer_is_explained_by_what_it_reads():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.table = nn.Conv2d(1, 4, 1), nn.Linear(400, 2)

        def forward(self, x, t):
            return self.conv(x).mean() + self.table(t)

    assert netscope.explain(Two(), inputs=[(1, 1, 10, 10), (1, 400)]).flattened is None


@pytest.mark.parametrize("what_if", [5, [3], {3: 4}])
def test_changes_of_another_type_are_refused(what_if):
    with pytest.raises(UsageError, match="what_if must be a list of strings"):
        netscope.explain("lenet5", what_if=what_if)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("padding=0", "invalid change .padding=0.*what_if=.input=1x3x227x227"),
        ("0.width", "invalid change"),
        ("0.width=", "invalid change"),
        ("1.width=2", "unknown module '1'"),
        ("0.widht=2", r"0 \(Block\) has no argument 'widht'; did you mean width\?"),
        (
            "0.width=2",
            r"cannot be rebuilt because it does not store its argument hidden; change one of its modules instead",
        ),
        ("0.fc.out_features=-1", "cannot be built with out_features=-1"),
        ("0.fc.out_features=(", "neither a Python literal nor a bare word"),
        ("input=1x", "1x"),
    ],
)
def test_changes_that_cannot_be_made_are_refused_in_a_sentence(change, message):
    with pytest.raises(UsageError, match=message):
        netscope.explain(nn.Sequential(Block(4)), inputs=(1, 4), what_if=[change])


def test_an_unknown_layer_is_named_with_the_closest():
    with pytest.raises(UnknownNameError, match=r"no module 'feature\.0'; did you mean features\.0"):
        netscope.explain("alexnet", "feature.0")


def test_a_saved_summary_is_explained_but_not_changed(tmp_path, no_torch):
    path = tmp_path / "lenet.json"
    path.write_text(netscope.summarize("lenet5").to_json(), encoding="utf-8")
    no_torch(f"import netscope; assert 'floor' in str(netscope.explain({str(path)!r}, 'features.3'))")
    with pytest.raises(UsageError, match="cannot be run with changes"):
        netscope.explain(str(path), what_if=["features.0.padding=0"])


def test_an_explanation_is_read_back_equal():
    explained = netscope.explain("lenet5", what_if=["input=1x1x32x32"])
    assert netscope.Explanation.from_json(explained.to_json()) == explained


def test_a_pass_that_fails_for_another_reason_is_an_error():
    class Broken(nn.Module):
        def forward(self, _x):
            raise KeyError("lost")

    with pytest.raises(NetscopeError, match="lost"):
        netscope.explain(Broken(), inputs=(1, 4))


def test_every_shape_of_a_chain_follows_from_a_row():
    explained = netscope.explain("resnet50")
    shapes = {item.row.path: item.row.output_shapes[0] for item in explained.layers if item.row.calls}
    for stage in explained.chain[1:]:
        assert all(shapes[path] == stage.shape for path in stage.paths)
    assert prod(explained.chain[-1].shape) == 1000
