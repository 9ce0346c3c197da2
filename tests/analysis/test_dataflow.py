"""The producers of the tensors that modules read, and the fingerprints of computations."""

import torch
from torch import nn

import netscope
from netscope.schema import LayerTensor


def sources_of(model, inputs, **options):
    return {row.path: row.reads_from for row in netscope.summarize(model, inputs, **options).rows}


class Skips(nn.Module):
    def __init__(self, *, far=False):
        super().__init__()
        self.a, self.b, self.c, self.far = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), far

    def forward(self, x):
        first = self.a(x)
        second = self.b(first)
        return self.c(second) + (first if self.far else second)


def test_a_skip_connection_is_read_by_the_module_that_adds_it():
    assert sources_of(Skips(), (1, 4)) == {"": ("c", "b"), "a": ("<x>",), "b": ("a",), "c": ("b",)}
    assert sources_of(Skips(far=True), (1, 4))[""] == ("c", "a")


def test_views_are_ignored_and_a_dropout_in_eval_mode_is_a_producer():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.drop, self.second = nn.Linear(4, 4), nn.Dropout(), nn.Linear(8, 4)

        def forward(self, x):
            return self.second(self.drop(self.first(x)).view(1, 8))

    assert sources_of(Flat(), (2, 4)) == {"": (), "first": ("<x>",), "drop": ("first",), "second": ("drop",)}
    assert sources_of(Flat(), (2, 4), mode="train")["second"] == ("drop",)


def test_the_producer_of_a_tensor_changed_in_place_is_the_module_that_changed_it():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4))
    assert sources_of(model, (1, 4)) == {"": (), "0": ("<input>",), "1": ("0",), "2": ("1",)}


def test_a_fingerprint_depends_on_the_number_of_heads():
    class Heads(nn.Module):
        def __init__(self, heads):
            super().__init__()
            self.qkv = nn.Linear(8, 24)
            self.split = heads

        def forward(self, x):
            q, k, v = self.qkv(x).view(1, 5, 3, self.split, -1).permute(2, 0, 3, 1, 4)
            return torch.softmax(q @ k.mT, -1) @ v

    four, again, two = (netscope.summarize(Heads(heads), (1, 5, 8)) for heads in (4, 4, 2))
    assert four.rows == again.rows
    assert four.totals.params == two.totals.params
    assert four.rows[0].computation != two.rows[0].computation
    assert four.rows[1].computation == two.rows[1].computation


def test_a_row_has_its_tensors():
    model = nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 2, bias=False), nn.Linear(4, 2))
    model[2].weight = model[1].weight
    model[1].register_buffer("mask", torch.ones(2), persistent=False)

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = model

        def forward(self, x):
            x = self.body[0](x)
            return self.body[1](x) + self.body[2](x)

    rows = {row.path: row for row in netscope.summarize(Both(), (3, 4)).rows}
    assert [tensor.name for tensor in rows["body.0"].tensors] == ["running_mean", "running_var", "num_batches_tracked"]
    float32 = {"dtype": "float32", "trainable": True, "is_buffer": False, "persistent": True, "shared_with": None}
    weight, mask = rows["body.1"].tensors
    assert weight == LayerTensor(name="weight", shape=(2, 4), **float32)
    assert mask == LayerTensor(
        name="mask", shape=(2,), **(float32 | {"trainable": False, "is_buffer": True, "persistent": False})
    )
    assert rows["body.2"].tensors[0].shared_with == "body.1.weight"
