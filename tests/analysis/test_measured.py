"""What analysis adds to measurements: bytes moved, tables' rows, layers' times, datasheets."""

import pytest
import torch
from torch import nn

import netscope
from netscope import analysis
from netscope.analysis.datasheets import DATASHEETS, find_datasheet


def moved(model, *shape, dtype=None):
    return analysis.count_bytes_moved(netscope.trace(model, shape, dtype=dtype))


def test_a_linear_layer_moves_its_weights_and_both_activations():
    # (2, 4) @ (4, 3): 12 weights, 3 biases, 8 inputs, 6 outputs, of four bytes.
    assert moved(nn.Linear(4, 3), 2, 4) == 4 * (12 + 3 + 8 + 6)
    assert moved(nn.Linear(4, 3), 2, 4, dtype="bfloat16") == 2 * (12 + 3 + 8 + 6)


def test_an_elementwise_op_reads_and_writes_once():
    assert moved(nn.ReLU(), 5, 7) == 4 * 2 * 35
    assert moved(nn.ReLU(inplace=True), 5, 7) == 4 * 2 * 35


def test_views_move_nothing():
    assert moved(nn.Flatten(), 5, 7, 2) == 0


def test_an_embedding_reads_the_rows_that_it_returns():
    trace = netscope.trace(nn.Embedding(1000, 16), "1x8:int64")
    assert analysis.count_bytes_moved(trace) == 8 * 8 + 2 * 4 * 8 * 16


class TwoTables(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.small = nn.Embedding(1000, 4), nn.Embedding(50, 4)

    def forward(self, ids, kinds, mask):
        return (self.words(ids) + self.small(ids) + self.small(kinds)) * mask[..., None]


def test_the_rows_of_the_smallest_table_that_an_input_indexes():
    trace = netscope.trace(TwoTables(), ["1x8:int64", "1x8:int64", "1x8:int64"])
    assert analysis.count_embedding_rows(trace) == {"ids": 50, "kinds": 50}


def test_integers_that_index_are_random_and_others_are_ones():
    from netscope.schema.inputs import parse_inputs
    from netscope.tracing import create_random_inputs

    requested = parse_inputs(["4x8:int64", "4x8:int64", "4x8:int64"])
    made = [create_random_inputs(TwoTables(), requested, {"ids": 50, "kinds": 50}, seed) for seed in (1, 1, 2)]
    ids, kinds, mask = made[0].args
    assert 0 <= int(ids.min()) < int(ids.max()) < 50
    assert not torch.equal(ids, kinds)
    assert mask.unique().tolist() == [1]
    assert torch.equal(ids, made[1].args[0])
    assert not torch.equal(ids, made[2].args[0])


def test_a_callers_own_integers_are_left_alone():
    from netscope.schema.inputs import as_forward_inputs
    from netscope.tracing import create_random_inputs

    own = torch.tensor([[3, 3]])
    made = create_random_inputs(TwoTables(), as_forward_inputs([own, "1x2:int64", "1x2:int64"]), {"ids": 50}, 0)
    assert torch.equal(made.args[0], own)


def test_a_layers_own_time_is_without_that_of_what_it_calls():
    model = nn.Sequential(nn.ModuleList([nn.Linear(2, 2)])[0], nn.Sequential(nn.Linear(2, 2)))
    summary = netscope.summarize(model, (1, 2))
    timed = analysis.add_layer_times(summary, {"": 1.0, "0": 0.25, "1": 0.5, "1.0": 0.375})
    assert [(row.path, row.total.time_s, row.own.time_s) for row in timed.rows] == [
        ("", 1.0, 0.25), ("0", 0.25, 0.25), ("1", 0.5, 0.125), ("1.0", 0.375, 0.375)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("device", "dtype", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4e12),
        ("NVIDIA H100 80GB HBM3", "tf32", 494.7e12),
        ("NVIDIA A100-SXM4-80GB", "fp32", 19.5e12),
        ("A100-SXM4-80GB", "fp16", 312e12),
        ("Tesla T4", "fp16", 65e12),
        ("Tesla T4", "bf16", None),
    ],
)
def test_a_dense_peak_by_the_name_that_torch_gives(device, dtype, peak):
    assert find_datasheet(device).peak_flops(dtype) == peak


@pytest.mark.parametrize("device", ["NVIDIA A10G", "NVIDIA H100", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "AMD EPYC"])
def test_a_device_like_another_is_not_that_one(device):
    assert find_datasheet(device) is None


def test_matrix_units_are_at_least_as_fast_as_without():
    for sheet in DATASHEETS.values():
        assert sheet.flops["fp16"] > sheet.flops["fp32"]
        assert sheet.flops.get("tf32", sheet.flops["fp32"]) >= sheet.flops["fp32"]
