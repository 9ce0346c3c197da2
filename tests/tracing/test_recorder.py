"""The contents of a trace: modules, calls, ops and tensors."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional

import netscope
from netscope.schema import TensorRef


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return x + self.act(self.fc(x))


def test_ops_have_the_tensors_that_they_read_and_wrote():
    trace = netscope.trace(Residual(), (2, 4))
    add = trace.ops[-1]
    assert add.name == "aten.add"
    root, relu = trace.calls[0], next(call for call in trace.calls if trace.modules[call.module].path == "act")
    assert add.reads == (root.inputs[0], relu.outputs[0])
    assert add.writes == root.outputs
    assert add.args == (TensorRef(tensor=root.inputs[0]), TensorRef(tensor=relu.outputs[0]))


def test_an_op_in_place_writes_the_tensor_that_it_read():
    trace = netscope.trace(Residual(), (2, 4))
    relu = next(op for op in trace.ops if op.name == "aten.relu_")
    assert relu.writes == relu.reads


def test_a_view_shares_the_storage_of_what_it_views():
    class Views(nn.Module):
        def forward(self, x):
            return x.view(-1)[1:] + 0

    trace = netscope.trace(Views(), (2, 4))
    given, viewed, result = (trace.tensors[call] for call in (0, trace.ops[-1].reads[0], trace.ops[-1].writes[0]))
    assert viewed.storage == given.storage != result.storage
    assert (viewed.shape, viewed.offset) == ((7,), 1)
    assert trace.storage_bytes[given.storage] == 32


def test_a_freed_storage_is_not_confused_with_one_at_its_address():
    class Chain(nn.Module):
        def forward(self, x):
            for _ in range(50):
                x = x + 1
            return x

    trace = netscope.trace(Chain(), (3,), device="cpu")
    written = [trace.tensors[op.writes[0]].storage for op in trace.ops]
    assert len(set(written)) == 50


def test_each_op_belongs_to_the_innermost_running_module():
    trace = netscope.trace(Residual(), (2, 4))
    where = {op.name: trace.modules[trace.calls[op.call].module].path for op in trace.ops}
    assert where["aten.addmm"] == "fc"
    assert where["aten.relu_"] == "act"
    assert where["aten.add"] == ""


def test_a_call_has_its_ops_and_its_caller():
    trace = netscope.trace(Residual(), (2, 4))
    root, fc, act = trace.calls
    assert root.ops == (0, len(trace.ops))
    assert fc.caller == act.caller == 0
    assert fc.ops[1] == act.ops[0]


def test_tied_weights_are_one_tensor():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    trace = netscope.trace(model, (1, 4))
    first, second = (module.parameters for module in trace.modules[1:])
    assert first[0].tensor == second[0].tensor
    assert first[1].tensor != second[1].tensor


def test_a_module_under_several_names_has_an_entry_for_each_and_sequential_runs_them_in_turn():
    act, fc = nn.ReLU(), nn.Linear(4, 4)
    trace = netscope.trace(nn.Sequential(fc, act, fc, act), (1, 4))
    assert [module.same_as for module in trace.modules] == [None, None, None, 1, 2]
    assert [trace.modules[call.module].path for call in trace.calls[1:]] == ["0", "1", "2", "3"]


def test_a_shared_block_is_counted_under_the_parent_that_called_it():
    class Branch(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, x):
            return self.block(x)

    shared = nn.Sequential(nn.Linear(4, 4))
    rows = {row.path: row for row in netscope.summarize(nn.Sequential(Branch(shared), Branch(shared)), (1, 4)).rows}
    assert rows["0.block.0"].own.flops == rows["1.block.0"].own.flops == 32
    assert (rows["0.block.0"].own.params, rows["1.block.0"].own.params) == (20, 0)
    assert rows["1.block.0"].notes == ("same module as 0.block.0",)


def test_a_lazy_module_that_never_runs_has_an_unknown_shape():
    class Forgets(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(2, 2)
            self.forgotten = nn.LazyLinear(3)

        def forward(self, x):
            return self.used(x)

    summary = netscope.summarize(Forgets(), (1, 2))
    rows = {row.path: row for row in summary.rows}
    assert summary.totals.params == 6
    assert "weight is not initialized: its shape is unknown" in rows["forgotten"].notes


def test_nested_outputs_are_flattened():
    class Nested(nn.Module):
        def forward(self, x):
            return {"a": x, "b": [x[0], (x[1], None, 3)]}

    assert netscope.summarize(Nested(), (2, 4)).rows[0].output_shapes == ((2, 4), (4,), (4,))


class KeywordOnly(nn.Module):
    def forward(self, *, ids, mask=None, scale: float = 1.0):
        return ids * scale if mask is None else ids * mask


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"ids": (2, 3)}, ["ids"]),
        ({"ids": "2x3:int64", "mask": "2x3:bool"}, ["ids", "mask"]),
        ({"ids": (2, 3), "scale": 2.0}, ["ids"]),
        ("ids=2x3:int64", ["ids"]),
    ],
)
def test_keyword_only_inputs(inputs, names):
    summary = netscope.summarize(KeywordOnly(), inputs)
    assert [item.name for item in summary.inputs] == names


def test_a_list_of_tensors_is_one_input():
    class Stacks(nn.Module):
        def forward(self, images):
            return torch.stack(images)

    summary = netscope.summarize(Stacks(), {"images": [(3, 4), (3, 4)]})
    assert [item.name for item in summary.inputs] == ["images[0]", "images[1]"]
    assert summary.rows[0].output_shapes == ((2, 3, 4),)


def test_a_forward_without_inputs_needs_none():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.zeros(3))

        def forward(self):
            return self.value * 2

    assert netscope.summarize(Constant()).rows[0].output_shapes == ((3,),)


def test_a_long_model_is_traced_without_deep_recursion():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3000)))
    summary = netscope.summarize(model, (1, 2))
    assert len(summary.rows) == 3001
    assert summary.totals.params == 18_000


def test_ops_in_threads_of_the_model_are_recorded():
    class Threads(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            with ThreadPoolExecutor(2) as pool:
                return sum(pool.map(lambda layer: layer(x), (self.a, self.b)))

    summary = netscope.summarize(Threads(), (3, 4))
    assert summary.totals.macs == 2 * 3 * 16
    assert [row.own.flops for row in summary.rows] == [0, 96, 96]


def test_a_root_with_a_custom_call_is_still_the_root():
    class Calls(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def __call__(self, x):
            return functional.relu(self.fc(x) @ x.new_zeros(4, 4))

    rows = netscope.summarize(Calls(), (2, 4)).rows
    assert [(row.calls, row.own.flops) for row in rows] == [(1, 64), (1, 64)]


def test_ops_in_a_hook_of_the_root_belong_to_the_root():
    model = nn.Sequential(nn.Linear(4, 4))
    model.register_forward_pre_hook(lambda module, inputs: module[0](inputs[0]))
    rows = netscope.summarize(model, (2, 4)).rows
    assert [(row.path, row.calls) for row in rows] == [("", 1), ("0", 2)]


def test_a_sparse_product_is_uncounted_not_counted_as_dense():
    class Sparse(nn.Module):
        def forward(self, x):
            return torch.eye(4).to_sparse_csr() @ x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls CSR a beta
        summary = netscope.summarize(Sparse(), (4, 4), device="cpu")
    assert summary.is_lower_bound
    assert summary.totals.flops == 0
