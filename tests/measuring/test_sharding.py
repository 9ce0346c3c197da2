"""Which modules are sharded together, with the sharding itself only recorded."""

import pytest
import torch.distributed
import torch.distributed.device_mesh
import torch.distributed.fsdp
from torch import nn

from netscope.measuring.execution_compat import apply_fsdp

CPU = torch.device("cpu")


class Block(nn.Module):
    def __init__(self, inner=None):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.inner = inner or nn.Identity()


@pytest.fixture
def shards(monkeypatch):
    """The modules in the order in which they are sharded."""
    found = []

    def shard(module, *, mesh):
        assert mesh == "mesh"
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach().clone()))  # as sharding replaces them
        found.append(module)

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed.device_mesh, "init_device_mesh", lambda *_: "mesh")
    monkeypatch.setattr(torch.distributed.fsdp, "fully_shard", shard)
    return found


def test_blocks_are_sharded_before_their_parents(shards):
    inner = Block()
    outer = Block(nn.Sequential(inner))
    model = nn.Sequential(outer, nn.ReLU())
    apply_fsdp(model, CPU)
    assert shards == [inner, outer, model]


def test_a_block_that_is_repeated_is_sharded_once(shards):
    block = Block()
    model = nn.ModuleList([block, block])
    apply_fsdp(model, CPU)
    assert shards == [block, model]


def test_blocks_that_share_a_parameter_are_sharded_with_the_model(shards):
    first, second = Block(), Block()
    second.fc.weight = first.fc.weight
    model = nn.ModuleList([first, second, Block()])
    apply_fsdp(model, CPU)
    assert shards == [model[2], model]
