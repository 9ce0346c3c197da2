"""The view of parameters: what torch names, once each in the totals, in every format."""

import csv
import json

import pytest
import torch
from torch import nn

import netscope
from netscope import errors
from netscope.cli.app import run
from netscope.render import Canvas, ParametersView, render
from netscope.schema import ParameterTable, Summary


class Tied(nn.Module):
    """Two names of one weight, one module under two names, a frozen tensor, and buffers that are and are not saved."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4, dtype=torch.float64)
        self.body = nn.Linear(4, 4, dtype=torch.float64)
        self.again = self.body
        self.frozen = nn.Parameter(torch.zeros((), dtype=torch.float16), requires_grad=False)
        self.head = nn.Linear(4, 10, dtype=torch.float64)
        self.head.weight = self.embed.weight
        self.register_buffer("mask", torch.zeros(4, dtype=torch.bool))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def forward(self, ids):
        return self.head(self.again(self.body(self.embed(ids))) + self.frozen)


def make_gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=20, n_positions=16)
    return transformers.GPT2LMHeadModel(config), {"input_ids": torch.zeros((1, 4), dtype=torch.int64)}


def make_resnet18():
    from torchvision.models import resnet18

    return resnet18(), (1, 3, 64, 64)


MODELS = {"gpt2": make_gpt2, "resnet18": make_resnet18, "tied": lambda: (Tied(), "1x3:int64")}


@pytest.mark.parametrize("name", MODELS)
def test_the_table_has_what_torch_names_and_each_tensor_once_in_its_totals(name):
    model, inputs = MODELS[name]()
    summary = netscope.summarize(model, inputs)
    table = ParameterTable.of(summary)
    for is_buffer, named in (
        (False, dict(model.named_parameters(remove_duplicate=False))),
        (True, dict(model.named_buffers(remove_duplicate=False))),
    ):
        listed = {tensor.name: tensor for tensor in table.tensors if tensor.is_buffer == is_buffer}
        assert {key: (value.shape, f"torch.{value.dtype}", value.bytes) for key, value in listed.items()} == {
            key: (tuple(value.shape), str(value.dtype), value.nbytes) for key, value in named.items()
        }
        for key, tensor in listed.items():
            assert tensor.trainable == named[key].requires_grad
            same = [other for other in named if named[other] is named[key]]
            assert tensor.tied_to is None or tensor.tied_to in same
            assert len([other for other in same if listed[other].tied_to is None]) == 1
    counted = [tensor for tensor in table.tensors if not tensor.is_buffer and tensor.tied_to is None]
    assert sum(tensor.elements for tensor in counted) == summary.totals.params
    assert sum(tensor.bytes for tensor in counted) == summary.totals.param_bytes
    assert sum(p.numel() for p in model.parameters()) == summary.totals.params
    saved = {tensor.name for tensor in table.tensors if tensor.persistent}
    assert saved == set(model.state_dict())


@pytest.fixture
def table():
    return ParameterTable.of(netscope.summarize(Tied(), "1x3:int64"))


@pytest.mark.parametrize("width", [80, 160])
def test_golden_widths(table, golden, width):
    golden(f"parameters-{width}.txt", render(table, canvas=Canvas(width=width)))


def test_the_columns_of_the_csv_add_up_to_the_totals(table):
    rows = list(csv.DictReader(render(table, "csv").splitlines()))
    parameters = [row for row in rows if row["kind"] in ("trainable", "frozen")]
    assert sum(int(row["elements"] or 0) for row in parameters) == table.totals.params == 10 * 4 + 4 * 4 + 4 + 1 + 10
    assert sum(int(row["bytes"] or 0) for row in parameters) == table.totals.param_bytes == 8 * (40 + 20 + 10) + 2
    assert {row["name"]: row["tied-to"] for row in rows if row["tied-to"]} == {
        "again.weight": "body.weight",
        "again.bias": "body.bias",
        "head.weight": "embed.weight",
    }
    assert [row["name"] for row in rows if row["kind"] == "buffer"] == ["mask", "scratch"]


def test_a_narrow_table_keeps_names_shapes_and_what_is_a_buffer(table):
    text = render(table, canvas=Canvas(width=54))
    assert "scratch (buffer)  2" in text
    assert "Dtype" not in text.partition("\n\nParameters")[0]
    assert max(map(len, text.splitlines())) <= 54


def test_json_contains_every_tensor_and_is_read_back(table):
    assert ParameterTable.from_json(table.to_json()) == table
    assert len(json.loads(render(table, "json"))["tensors"]) == len(table.tensors)


@pytest.mark.parametrize(
    ("sort", "first"),
    [("order", "frozen"), ("name", "again.bias"), ("elements", "embed.weight"), ("bytes", "embed.weight")],
)
def test_tensors_are_sorted(table, sort, first):
    text = render(table, "csv", view=ParametersView(columns=("shape",), sort=sort))
    assert text.splitlines()[1].split(",")[0] == first


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"columns": ("shap",)}, "unknown column 'shap'; did you mean shape"),
        ({"sort": "flops"}, "unknown sort order 'flops'; sort orders with --params: order, name, elements, bytes"),
    ],
)
def test_what_there_is_not_is_refused(table, view, message):
    with pytest.raises(errors.UsageError, match=message):
        render(table, view=ParametersView(**view))


def test_the_command_lists_saved_summaries_and_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5.json").write_text(netscope.summarize("lenet5").to_json(), encoding="utf-8")
    torch.save(Tied().state_dict(), "weights.pt")
    assert run(["summary", "lenet5.json", "--params", "-c", "elements", "-f", "csv"]) == 0
    assert sum(int(line.split(",")[1]) for line in capsys.readouterr().out.splitlines()[1:]) == 61_706
    assert run(["summary", "weights.pt", "--params", "-c", "kind,dtype", "-f", "csv"]) == 0
    rows = {line.split(",")[0]: line.split(",")[1:] for line in capsys.readouterr().out.splitlines()[1:]}
    assert rows["body.weight"] == ["parameter", "float64"]
    assert rows["frozen"] == ["parameter", "float16"]


@pytest.mark.parametrize("options", [["--depth", "1"], ["--macs"], ["--ops"], ["--expand"]], ids=" ".join)
def test_an_option_of_layers_does_not_apply(options, capsys):
    assert run(["summary", "lenet5", "--params", *options]) == 2
    assert "--params lists every tensor" in capsys.readouterr().err


def test_the_parameters_of_a_saved_summary_are_as_before():
    summary = netscope.summarize("lenet5")
    assert ParameterTable.of(Summary.from_json(summary.to_json())) == ParameterTable.of(summary)
