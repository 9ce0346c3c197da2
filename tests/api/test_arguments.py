"""The arguments of the public functions: the same names in the same order, and answers for those of other tools."""

import inspect
from pathlib import Path

import pytest
import torch
from torch import nn

import netscope
from netscope.api.arguments import SummaryOptions
from netscope.api.bench import BenchOptions
from netscope.errors import UnknownArgumentError, UsageError

FUNCTIONS = [
    "bench", "check", "compare", "diff", "explain", "list_architectures", "report", "summarize", "summary", "trace",
    "verify", "weights_map",
]  # fmt: skip
TRACING = [name for name in FUNCTIONS if name != "list_architectures"]
NET = nn.Linear(4, 3)


def parameters_of(name):
    return list(inspect.signature(getattr(netscope, name)).parameters.values())


def options_of(name):
    return [item.name for item in parameters_of(name) if item.kind is item.KEYWORD_ONLY]


def test_all_public_functions_are_here():
    found = [name for name in netscope.__all__ if inspect.isfunction(getattr(netscope, name))]
    assert found == FUNCTIONS


def test_summary_is_the_name_that_people_try():
    assert netscope.summary is netscope.summarize
    assert "summary" in dir(netscope)


@pytest.mark.parametrize("name", TRACING)
def test_inputs_follow_the_architecture_and_options_have_names(name):
    positional = [item.name for item in parameters_of(name) if item.kind is not item.KEYWORD_ONLY]
    assert positional[-1] == "inputs"
    assert len(positional) <= 3


@pytest.mark.parametrize("name", TRACING)
def test_shared_options_have_the_same_order(name):
    shared = [option for option in options_of(name) if option in SummaryOptions.__annotations__]
    order = [option for option in SummaryOptions.__annotations__ if option in shared]
    assert shared[:2] == ["batch_size", "seq_len"]
    assert shared == order


def test_type_checkers_see_the_options_of_summarize():
    assert options_of("summarize") == list(SummaryOptions.__annotations__)


def test_type_checkers_read_the_annotations():
    assert Path(netscope.__file__).with_name("py.typed").is_file()


def test_a_signature_shows_the_options_of_bench():
    assert set(options_of("bench")) >= inspect.signature(BenchOptions).parameters.keys() - {"inputs"}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", [TypeError, netscope.NetscopeError])
def test_an_unknown_argument_is_answered_with_those_there_are(name, kind):
    with pytest.raises(kind, match=r"has no argument 'no_such'; arguments: \w+") as caught:
        getattr(netscope, name)(no_such=1)
    assert isinstance(caught.value, UnknownArgumentError)
    assert all(item.name in str(caught.value) for item in parameters_of(name))


def test_the_closest_argument_is_named():
    with pytest.raises(UnknownArgumentError, match=r"no argument 'batchsize'; did you mean batch_size\?"):
        netscope.summary(NET, (1, 4), batchsize=2)


@pytest.mark.parametrize(
    "given",
    [
        {"input_size": (2, 4)},
        {"input_size": [(2, 4)]},
        {"input_data": torch.zeros(2, 4)},
        {"input_data": [torch.zeros(2, 4)]},
        {"input_data": {"input": torch.zeros(2, 4)}},
        {"input_size": (2, 4), "device": torch.device("cpu"), "mode": "eval"},
    ],
    ids=str,
)
def test_the_inputs_of_torchinfo_are_understood(given):
    summary = netscope.summary(NET, **given)
    assert [item.shape for item in summary.inputs] == [(2, 4)]
    assert summary.macs == 2 * 4 * 3


COL_NAMES = ("input_size", "output_size", "num_params", "params_percent", "kernel_size", "mult_adds", "trainable")
COLUMNS = "input,output,params,params-share,type,macs,trainable"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"depth": 2}, r"depth is an argument of torchinfo: write summarize\(…\)\.view\(depth=2\)$"),
        ({"col_names": COL_NAMES}, rf'view\(columns="{COLUMNS}"\)$'),
        (
            {"depth": 1, "verbose": 0, "col_names": ["output_size"]},
            r"depth, verbose and col_names are .*\(…\)\.view\(depth=1, columns=\"output\"\); leave out verbose$",
        ),
        ({"col_names": 3}, r'view\(columns="output,params"\)$'),
        ({"batch_dim": 0}, r"write the whole shape, inputs=\(1, 3, 224, 224\)$"),
        ({"dtypes": [torch.int64]}, 'write the dtype with the shape, inputs="1x128:int64"$'),
        ({"col_width": 9, "row_settings": ("depth",)}, "leave out col_width and row_settings$"),
        ({"cache_forward_pass": True}, "leave out cache_forward_pass$"),
        ({"inputs": (1, 4), "input_data": torch.zeros(1, 4)}, "input_data and inputs are the same argument"),
    ],
    ids=str,
)
def test_what_torchinfo_alone_has_is_answered_with_ours(given, answer):
    with pytest.raises(UnknownArgumentError, match=answer):
        netscope.summary(NET, **given)


def test_the_columns_that_replace_those_of_torchinfo_exist():
    text = str(netscope.summary(NET, (1, 4)).view(columns=COLUMNS))
    assert all(title in text for title in ("Input", "Output", "Params", "Type", "MACs", "Trainable"))


def test_devices_and_dtypes_of_torch_are_understood():
    summary = netscope.summarize(NET, (1, 4), device=torch.device("meta"), dtype=torch.float16)
    assert summary.totals.param_dtypes == ("float16",)
    assert netscope.diff(NET, NET, (1, 4), dtype=torch.bfloat16).before.totals.param_dtypes == ("bfloat16",)


def test_a_report_of_a_training_step_has_its_optimizer():
    report = netscope.report(NET, inputs=(1, 4), mode="train", optimizer="adam")
    assert report.summary == netscope.summarize(NET, (1, 4), mode="train", optimizer="adam")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: netscope.diff(NET, (1, 4)), "after must be a module, .* not a tuple; write inputs="),
        (lambda: netscope.weights_map((1, 4), NET), "before must be a module"),
        (lambda: netscope.report(NET, torch.zeros(1, 4)), "other must be a module, .* not a Tensor; write inputs="),
        (
            lambda: netscope.explain(NET, (1, 4)),
            "layer must be a module's path, 'features.0', not a tuple; write inputs=",
        ),
        (lambda: netscope.check(NET, (1, 4)), "rules must be a dict"),
    ],
)
def test_an_input_in_the_place_of_another_argument_is_answered(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_a_weights_map_takes_the_inputs_of_each_side():
    other = nn.Sequential(nn.Linear(4, 3))
    assert netscope.weights_map(NET, other, inputs_before=(1, 4), inputs_after=(2, 4)) == netscope.weights_map(
        NET, other, (1, 4)
    )


MISPLACED = {
    "check": (lambda net: netscope.check(net, torch.zeros(1, 4)), "rules must be a dict, .*write inputs=… for inputs"),
    "compare": (lambda _: netscope.compare("lenet5", "resnet18"), r"compare takes the architectures as a list"),
    "compare what": (lambda _: netscope.compare(5), "models must be a module, a name or a summary, not a int"),
    "report": (lambda net: netscope.report(net, inputs=(1, 4), bench=5), "bench must be a report of netscope.bench"),
    "twice": (lambda net: netscope.summary(net, (1, 4), input_size=(1, 4)), "multiple values for argument 'inputs'"),
    "depth": (lambda net: netscope.summary(net, (1, 4)).view(depth=-1), "^depth must be 0 or more"),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_a_misplaced_argument_is_one_sentence(case):
    call, message = MISPLACED[case]
    with pytest.raises(netscope.NetscopeError, match=message):
        call(nn.Linear(4, 2))


def test_a_source_may_be_named_without_a_list():
    names = netscope.list_architectures("lenet*", only="built-in").architectures
    assert [entry.name for entry in names] == ["lenet5"]


def test_a_device_with_a_number_is_that_kind_of_device():
    assert netscope.summary(nn.Linear(4, 2), (1, 4), device=torch.device("cpu", 0)).traced_on == "cpu"
