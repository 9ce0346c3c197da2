"""Compares every built-in architecture with ``data/expected.json``, layer by layer."""

import json
from pathlib import Path

import pytest

import netscope
from netscope.zoo.catalog import ALIASES, BUILT_INS

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "expected.json").read_text())

# An Inception cell is one row in the expected figures.
CELLS = {"Inception"}


def leaf_layers(summary):
    """[type, output shape, parameters] of every leaf layer in order of execution, a cell counting as a leaf."""
    parents = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
    cells = tuple(f"{row.path}." for row in summary.rows if row.type_name in CELLS)
    return [
        [row.type_name, list(row.output_shapes[0]), row.total.params]
        for row in summary.rows
        if (row.path not in parents or row.type_name in CELLS) and not row.path.startswith(cells)
    ]


def test_the_expected_figures_cover_exactly_the_catalogue():
    assert set(EXPECTED) == set(BUILT_INS)


@pytest.mark.parametrize("name", BUILT_INS)
def test_every_layer_is_as_expected(name):
    summary = netscope.summarize(name)
    assert leaf_layers(summary) == EXPECTED[name]["layers"]


@pytest.mark.parametrize("name", BUILT_INS)
def test_totals_and_default_input_are_as_expected(name):
    summary = netscope.summarize(name)
    assert list(summary.inputs[0].shape) == EXPECTED[name]["input"]
    assert summary.totals.params == summary.totals.trainable_params == EXPECTED[name]["params"]
    assert summary.totals.macs == EXPECTED[name]["macs"]


@pytest.mark.parametrize("name", BUILT_INS)
def test_the_catalogues_published_count_is_the_modules(name):
    assert BUILT_INS[name].params == netscope.summarize(name).totals.params


@pytest.mark.parametrize("name", BUILT_INS)
def test_meta_and_cpu_agree(name):
    on_meta, on_cpu = netscope.summarize(name, device="meta"), netscope.summarize(name, device="cpu")
    assert on_meta.rows == on_cpu.rows
    assert on_meta.totals == on_cpu.totals


def test_alexnet_reproduces_the_published_summary_row_for_row():
    layers = leaf_layers(netscope.summarize("alexnet", (1, 3, 224, 224)))
    assert len(layers) == 21
    assert layers[0] == ["Conv2d", [1, 96, 55, 55], 34_944]
    assert [layer[2] for layer in layers if layer[0] == "Linear"] == [37_752_832, 16_781_312, 4_097_000]
    assert sum(layer[2] for layer in layers) == 62_378_344


def test_alexnet_is_an_alias_of_the_papers():
    assert ALIASES["alexnet"] == "alexnet-paper"
    assert netscope.summarize("alexnet").architecture.name == "alexnet-paper"


def test_alexnet_tv_has_the_parameters_of_torchvisions_alexnet():
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    from netscope.zoo.alexnet import alexnet_tv

    with torch.device("meta"):
        ours, theirs = alexnet_tv().state_dict(), models.alexnet(weights=None).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }


def test_the_grouped_network_is_the_one_of_2012():
    rows = {row.path: row for row in netscope.summarize("alexnet-grouped").rows}
    groups = [row.hyperparameters["groups"] for row in rows.values() if row.type_name == "Conv2d"]
    assert groups == [1, 2, 1, 2, 2]
    norms = [row.hyperparameters for row in rows.values() if row.type_name == "LocalResponseNorm"]
    assert norms == [{"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}] * 2


def test_the_stages_of_googlenet_have_the_published_shapes():
    rows = {row.path: row.output_shapes for row in netscope.summarize("googlenet-d2l").rows}
    assert [rows[f"stage{number}"][0][1:] for number in range(1, 5)] == [
        (64, 24, 24),
        (192, 12, 12),
        (480, 6, 6),
        (832, 3, 3),
    ]
    assert rows["stage5.2"] == ((1, 1024, 1, 1),)


def test_the_catalogue_is_read_without_torch(no_torch):
    no_torch("import netscope.zoo.catalog")
