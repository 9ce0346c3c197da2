"""The chain of shapes and the dataflow that a report draws."""

import pytest
import torch
from torch import nn

import netscope
from netscope import diff


def steps(chain):
    return [(stage.shape[1:], stage.paths[0], stage.paths[-1]) for stage in chain]


def test_a_block_that_branches_is_one_step_and_equal_shapes_are_one_stage():
    assert steps(netscope.report("resnet18").chain) == [
        ((3, 224, 224), "<x>", "<x>"),
        ((64, 112, 112), "conv1", "relu"),
        ((64, 56, 56), "maxpool", "layer1.1"),
        ((128, 28, 28), "layer2.0", "layer2.1"),
        ((256, 14, 14), "layer3.0", "layer3.1"),
        ((512, 7, 7), "layer4.0", "layer4.1"),
        ((512, 1, 1), "avgpool", "avgpool"),
        ((1000,), "fc", "fc"),
    ]


def test_a_list_of_layers_that_is_never_called_is_taken_apart():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 5), nn.Linear(5, 6)])

        def forward(self, x):
            x = x * 2
            for layer in self.layers:
                x = layer(x)
            return x

    chain = netscope.report(Stack(), inputs=(1, 3, 4)).chain
    assert steps(chain)[1:] == [((3, 5), "layers.0", "layers.0"), ((3, 6), "layers.1", "layers.1")]


def test_what_goes_past_children_keeps_them_together():
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 4)

        def forward(self, x):
            return x + self.two(self.one(x))

    chain = netscope.report(nn.Sequential(Skipping(), nn.Linear(4, 2)), inputs=(1, 4)).chain
    assert [stage.paths for stage in chain[1:]] == [("0",), ("1",)]


@pytest.mark.parametrize("name", ["lenet5", "googlenet-d2l", "resnet50", "swin_t", "hf/gpt2@n_layer=2"])
def test_every_op_reads_what_ran_before_it_and_the_flops_are_all_there(name):
    if name.startswith("hf/"):
        pytest.importorskip("transformers", reason="the extra transformers is not installed")
    report = netscope.report(name)
    for position, node in enumerate(report.dataflow):
        assert all(source < position for source in node.reads)
        assert bool(node.op) == bool(node.reads)
    assert sum(node.flops for node in report.dataflow) == report.summary.totals.flops
    paths = {row.path for row in report.summary.rows}
    assert all(node.path in paths for node in report.dataflow if node.op)


def test_a_skip_reads_what_lies_before_its_block():
    nodes = netscope.report("resnet18").dataflow
    adds = [node for node in nodes if node.op.startswith("aten.add") and node.path == "layer1.0"]
    assert len(adds) == 1
    assert {nodes[source].path for source in adds[0].reads} == {"layer1.0.bn2", "maxpool"}


def test_views_are_seen_through_and_constants_left_out():
    class Viewing(nn.Module):
        def forward(self, x):
            return (x.flatten(1) * torch.arange(4.0, device=x.device)).relu()

    nodes = netscope.report(Viewing(), inputs=(1, 2, 2)).dataflow
    assert [(node.op, node.reads) for node in nodes] == [("", ()), ("aten.mul", (0,)), ("aten.relu", (1,))]


def test_a_saved_summary_has_a_chain_but_no_dataflow(tmp_path):
    path = tmp_path / "lenet.json"
    path.write_text(netscope.summarize("lenet5").to_json(), encoding="utf-8")
    saved, live = netscope.report(str(path)), netscope.report("lenet5")
    assert saved.chain == live.chain
    assert saved.dataflow == ()
    assert live.dataflow


def test_two_architectures_are_aligned():
    both = netscope.report("alexnet-paper", "alexnet-tv")
    assert both.diff == diff("alexnet-paper", "alexnet-tv")
    assert both.after.summary.architecture.name == "alexnet-tv"
