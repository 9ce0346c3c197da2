"""A saved program has the same summary as the module that it was exported from."""

from collections import OrderedDict
from operator import attrgetter

import pytest
import torch
from torch import nn

import netscope
from netscope.sources.program import TIES_UNKNOWN, UNRECORDED_MODULES

pytestmark = pytest.mark.filterwarnings("ignore:Guards may run slower")  # on Python 3.13.0


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(torch.relu(self.fc(x)))


class Everything(nn.Module):
    """Repeated calls, a list, odd names, tied weights, buffers of both kinds, a constant, and two results."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.block = Block()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.named = nn.ModuleDict({"x,y;z": nn.LayerNorm(8)})
        self.head = nn.Linear(8, 10, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("kept", torch.ones(8))
        self.register_buffer("unkept", torch.ones(8), persistent=False)
        self.constant = torch.ones(8)

    def forward(self, ids, scale):
        x = self.block(self.block(self.embed(ids) * scale))
        for block in self.blocks:
            x = block(x)
        x = self.named["x,y;z"](x + self.kept + self.unkept + self.constant)
        with torch.no_grad():
            y = self.block(x)
        return {"logits": self.head(x), "other": y}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 5, num_layers=2, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x, y):
        return self.rnn(x)[0], self.attention(y, y, y)[0]


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.ConvTranspose2d(8, 4, 2, stride=2), nn.GroupNorm(2, 4), nn.GELU(), nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(), nn.Linear(4, 5), nn.Softmax(dim=1),
    )  # fmt: skip


MODELS = {
    "everything": (Everything, (torch.zeros(4, 5, dtype=torch.long), torch.ones(8))),
    "convolutions": (convolutions, (torch.randn(2, 3, 16, 16),)),
    "recurrent": (Recurrent, (torch.randn(2, 3, 4), torch.randn(2, 3, 6))),
}

COSTS = ("total.params", "own.params", "total.flops", "own.flops", "output_shapes")
FIELDS = (*COSTS, "total.trainable_params", "calls", "tensors")


def exported(model, inputs, path, **how):
    torch.export.save(torch.export.export(model.eval(), inputs, **how), path)
    try:
        return netscope.summarize(str(path))
    finally:
        path.unlink()  # all of them together take some ten gigabytes


def assert_same(live, saved, fields=FIELDS, unlike=()):
    """Asserts that both summaries have the same rows, except for the paths in ``unlike``."""
    assert saved.totals.params == live.totals.params
    assert saved.totals.flops == live.totals.flops
    assert saved.totals.buffers == live.totals.buffers
    assert {row.path for row in saved.rows} == {row.path for row in live.rows}
    before = {row.path: row for row in live.rows}
    for row in saved.rows:
        if row.path not in unlike:
            was = before[row.path]
            assert attrgetter(*fields)(row) == attrgetter(*fields)(was), row.path


@pytest.mark.filterwarnings("ignore:The tensor attributes")  # raised for torch's recurrent layers
@pytest.mark.parametrize("name", MODELS)
def test_an_exported_program_reads_like_its_module(tmp_path, name):
    make, inputs = MODELS[name]
    model = make()
    live = netscope.summarize(model, list(inputs))
    saved = exported(model, inputs, tmp_path / "net.pt2")
    # The class of a module that is not called is unknown, and so are outputs that nothing reads.
    unlike = {"attention.out_proj", "blocks", "named", "rnn", "attention"}
    if TIES_UNKNOWN in saved.notes:
        unlike |= {"embed", "head"}
    assert_same(live, saved, unlike=unlike)
    types = {row.path: row.type_name for row in live.rows if row.path not in unlike}
    assert {row.path: row.type_name for row in saved.rows if row.path in types} == types
    assert [item.shape for item in saved.inputs] == [item.shape for item in live.inputs]


def test_layers_have_their_hyperparameters_that_follow_from_ops(tmp_path):
    model = convolutions()
    live = netscope.summarize(model, (2, 3, 16, 16))
    saved = exported(model, (torch.randn(2, 3, 16, 16),), tmp_path / "net.pt2")
    before = {row.path: row.hyperparameters for row in live.rows}
    inferred = {row.path: row.hyperparameters for row in saved.rows}
    assert inferred["0"] == before["0"]
    assert inferred["1"] == before["1"]
    assert inferred["3"] == before["3"]
    for path, values in inferred.items():
        assert values.items() <= before[path].items(), path


def test_the_peak_and_the_fingerprints_are_equal_to_the_modules(tmp_path):
    model = convolutions()
    live = netscope.summarize(model, (2, 3, 16, 16))
    saved = exported(model, (torch.randn(2, 3, 16, 16),), tmp_path / "net.pt2")
    assert saved.peak_memory == live.peak_memory
    assert [row.computation for row in saved.rows] == [row.computation for row in live.rows]
    assert [row.receptive_field for row in saved.rows] == [row.receptive_field for row in live.rows]


def test_a_strict_export_reads_the_same(tmp_path):
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.ModuleList([nn.Linear(4, 4)])[0])
    live = netscope.summarize(model, (3, 4))
    assert_same(live, exported(model, (torch.randn(3, 4),), tmp_path / "net.pt2", strict=True))


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.after = nn.Linear(4, 2)

    def forward(self, x):
        return self.after(torch.cond(x.sum() > 0, self.fc, lambda x: x + 1, (x,)))


def test_a_branch_makes_the_total_a_lower_bound(tmp_path):
    saved = exported(Chosen(), (torch.randn(3, 4),), tmp_path / "net.pt2")
    assert saved.totals.macs == 3 * 4 * 2
    assert [item.op for item in saved.uncounted_ops] == ["higher_order.cond (not run)"]


class Mapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        from functorch.experimental.control_flow import map as mapped

        return mapped(self.fc, x)


def test_a_map_multiplies(tmp_path):
    saved = exported(Mapped(), (torch.randn(5, 2, 4),), tmp_path / "net.pt2")
    assert saved.totals.macs == 5 * 2 * 16
    assert not saved.is_lower_bound


class Selects(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.after = nn.Linear(4, 4)

    def forward(self, x):
        x = self.before(x)
        return self.after(x[(x.sum(1) > 0).nonzero()[:, 0]])


def test_sizes_that_depend_on_values_make_the_total_a_lower_bound(tmp_path):
    saved = exported(Selects(), (torch.randn(3, 4),), tmp_path / "net.pt2")
    assert saved.totals.macs == 3 * 16
    assert [item.op for item in saved.uncounted_ops] == ["aten.nonzero (not run)"]
    assert any("sizes that depend on values" in note for note in saved.notes)


def test_a_module_without_ops_is_not_reported_as_uncalled(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Identity())
    saved = exported(model, (torch.randn(3, 4),), tmp_path / "net.pt2")
    assert UNRECORDED_MODULES in saved.notes


def test_a_module_may_be_called_body(tmp_path):
    model = nn.Sequential(OrderedDict(body=nn.Linear(4, 3)))
    assert exported(model, (torch.randn(2, 4),), tmp_path / "net.pt2").totals.macs == 24


def test_a_factory_may_return_an_exported_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef net():\n"
        "    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()\n"
        "    return torch.export.export(model, (torch.randn(2, 4),)).module()\n"
    )
    assert netscope.summarize("./made.py:net", (2, 4)).totals.macs == 24


def language_models():
    transformers = pytest.importorskip("transformers", reason="not installed")
    sizes = {"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    wide = {**sizes, "intermediate_size": 128}
    return {
        "bert": transformers.BertModel(transformers.BertConfig(**wide)),
        "gpt2": transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=100, n_embd=64, n_layer=2, n_head=4, use_cache=False)
        ),
        "llama": transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**wide, num_key_value_heads=2, use_cache=False)
        ),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # transformers warns about sizes this small
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_language_models_read_like_their_modules(tmp_path, name):
    model = language_models()[name]
    inputs = {"input_ids": torch.zeros(1, 16, dtype=torch.long)}
    live = netscope.summarize(model, inputs)
    saved = exported(model, (), tmp_path / "net.pt2", kwargs=inputs)
    assert_same(live, saved, COSTS)


def classification_models():
    from torchvision import models

    return models.list_models(module=models)


@pytest.mark.slow
@pytest.mark.parametrize("name", classification_models())
def test_torchvisions_classification_models_read_like_their_modules(tmp_path, name):
    from torchvision import models

    rough = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = models.get_model(name, weights=None, **rough)
    # vit_h_14 is built for 224 pixels, although its first weights are for 518.
    size = 224 if name == "vit_h_14" else next(iter(models.get_model_weights(name))).transforms().crop_size[0]
    live = netscope.summarize(model, (1, 3, size, size))
    saved = exported(model, (torch.randn(1, 3, size, size),), tmp_path / "net.pt2")
    without_ops = {row.path for row in saved.rows if not row.calls}
    assert_same(live, saved, (*COSTS, "calls"), without_ops)


class Scanned(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        from torch._higher_order_ops import scan

        def step(carried, row):
            following = self.fc(carried) + row
            return following, following * 2

        return scan(step, torch.zeros(2, 4), x, dim=0)


@pytest.mark.skipif(not hasattr(torch._higher_order_ops, "scan"), reason="this torch has no scan")
def test_a_scan_multiplies_and_carries(tmp_path):
    try:
        saved = exported(Scanned(), (torch.randn(5, 2, 4),), tmp_path / "net.pt2")
    except Exception as error:  # noqa: BLE001 - older versions raise several types
        pytest.skip(f"this torch does not export a scan: {error}"[:200])
    assert saved.totals.macs == 5 * 2 * 16
    assert saved.rows[0].output_shapes == ((2, 4), (5, 2, 4))
