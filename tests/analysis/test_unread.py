"""The parameters that a pass read, and the warning in every format if it did not read all."""

import csv
import io
import json

import pytest
import torch
from torch import nn
from torch.nn import functional

import netscope
from netscope.analysis import LockEntry, evaluate_rules, lock_model
from netscope.analysis.lock import restore_summary
from netscope.cli.app import run
from netscope.config import parse_rules
from netscope.errors import InputError
from netscope.render import render
from netscope.render.page import report_page
from netscope.schema import CheckRequest, Location, Summary


class Eye(nn.Module):
    """Uses the vision layers only if there is a picture."""

    def __init__(self):
        super().__init__()
        self.vision = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.words = nn.Linear(4, 4)
        self.mask = nn.Parameter(torch.zeros(3))

    def forward(self, x, picture=None):
        return self.words(x if picture is None else x + self.vision(picture))


@pytest.fixture(scope="module")
def blind():
    return netscope.summarize(Eye(), {"x": (1, 4)})


WHAT = "partial: 43 parameters of mask and vision were not read in eval mode"


def unread(model, inputs, **options):
    return netscope.summarize(model, inputs, **options).unread_parameters


def test_parameters_that_no_op_read_are_named_by_their_topmost_modules(blind):
    assert blind.unread_parameters == ("mask", "vision")
    assert (blind.totals.params, blind.totals.unread_params, blind.unread_note) == (63, 43, WHAT)
    assert {row.path: row.own.unread_params for row in blind.rows if row.own.unread_params} == {
        "": 3,
        "vision.0": 20,
        "vision.1": 20,
    }


def test_a_pass_that_read_all_of_them_has_every_op_accounted_for():
    summary = netscope.summarize(nn.Linear(4, 4), (1, 4))
    assert (summary.totals.unread_params, summary.unread_note) == (0, "")
    assert "every op accounted for" in str(summary)


def test_more_modules_than_a_sentence_holds_are_counted():
    model = nn.ModuleDict({f"layer{number}": nn.Linear(1, 1) for number in range(7)})
    model.forward = model["layer6"].forward
    summary = netscope.summarize(model, (1, 1))
    assert "12 parameters of layer0, layer1, layer2, layer3 and 2 more were not read" in summary.unread_note


class Reads(nn.Module):
    """Calls ``how`` with its weight and the output of a layer."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.weight = nn.Parameter(torch.zeros(4, 4))
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.how(self.fc(x), self.weight)


@pytest.mark.parametrize(
    "how",
    [
        lambda x, w: x @ w.t()[:, 1:].detach(),
        lambda x, w: functional.linear(x, w.view(2, 8).reshape(4, 4)),
        lambda x, w: x.copy_(w[:1]),
        lambda x, w: x + w.sum(),
        lambda x, w: (x, w.t()),
        lambda x, w: x.index_select(1, w[0].long()),
    ],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_parameter_is_read_through_its_views_and_as_an_output(how, device):
    assert unread(Reads(how), (1, 4), device=device) == ()


@pytest.mark.parametrize(
    "how",
    [
        lambda x, _: x,
        lambda x, w: (w.t(), x)[1],
        lambda x, w: x + w.detach()[:1].new_zeros(4),
        lambda x, w: x.to(w) + torch.zeros_like(w)[0],
    ],
)
def test_a_parameter_that_is_only_viewed_or_asked_for_its_dtype_is_not_read(how):
    assert unread(Reads(how), (1, 4)) == ("weight",)


def test_tied_weights_are_read_once_any_of_them_is():
    model = nn.ModuleDict({"a": nn.Linear(4, 4, bias=False), "b": nn.Linear(4, 4, bias=False)})
    model["b"].weight = model["a"].weight
    model.forward = model["b"].forward
    assert unread(model, (1, 4)) == ()


def test_parameters_in_one_storage_are_read_together():
    flat = torch.zeros(32)
    model = nn.ModuleDict({"a": nn.Linear(4, 4, bias=False), "b": nn.Linear(4, 4, bias=False)})
    model["a"].weight = nn.Parameter(flat[:16].view(4, 4))
    model["b"].weight = nn.Parameter(flat[16:].view(4, 4))
    model.forward = model["b"].forward
    assert unread(model, (1, 4)) == ()


def test_a_lazy_layer_that_never_ran_is_named_without_its_size():
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.LazyLinear(4)})
    model.forward = model["a"].forward
    summary = netscope.summarize(model, (1, 4))
    assert (
        summary.unread_note == "partial: parameters of unknown size of b.weight and b.bias were not read in eval mode"
    )


def test_auxiliary_heads_are_named_in_eval_mode_only():
    summary = netscope.summarize("torchvision/inception_v3")
    assert summary.unread_note == (
        "partial: 3,326,696 parameters of AuxLogits were not read in eval mode (auxiliary heads, used in training only)"
    )


@pytest.mark.parametrize("format_name", ["table", "markdown", "html", "json", "csv"])
def test_every_format_of_a_summary_names_unread_parameters(blind, format_name):
    text = render(blind, format_name)
    if format_name == "json":
        assert json.loads(text)["totals"]["unread_params"] == 43
        assert Summary.from_json(text) == blind
    elif format_name == "csv":
        header, root, *_ = text.splitlines()
        assert dict(zip(header.split(","), root.split(","), strict=True))["unread"] == "43"
    else:
        assert WHAT in " ".join(text.split())
        assert "every op accounted for" not in text


def test_a_summary_saved_without_the_figure_does_not_claim_that_all_was_read(blind):
    saved = json.loads(blind.to_json())
    del saved["totals"]["unread_params"], saved["unread_parameters"]
    assert "accounted for" not in str(Summary.from_json(json.dumps(saved)))


def test_the_page_names_unread_parameters():
    assert WHAT in report_page(netscope.report(Eye(), inputs={"x": (1, 4)}))


def test_a_diff_names_the_unread_parameters_of_both_sides(blind):
    whole = netscope.summarize(Eye(), {"x": (1, 4), "picture": (1, 4)})
    difference = netscope.diff(blind, whole)
    assert f"Eye: {WHAT}" in " ".join(str(difference).split())
    assert json.loads(difference.to_json())["before"]["totals"]["unread_params"] == 43
    root = next(csv.DictReader(io.StringIO(render(difference, "csv"))))
    assert [root[f"unread_params_{side}"] for side in ("before", "after", "delta")] == ["43", "3", "-40"]


def test_a_diff_without_biases_has_the_unread_ones_left_out(blind):
    difference = netscope.diff(blind, blind, ignore=["bias"])
    assert difference.before.totals.unread_params == 3 + 16 + 16


@pytest.mark.parametrize("format_name", ["table", "markdown", "json", "csv", "html"])
def test_every_format_of_a_comparison_names_unread_parameters(format_name):
    table = netscope.compare(["torchvision/inception_v3", "alexnet"])
    text = render(table, format_name)
    assert ("3326696" if format_name in ("json", "csv") else "3,326,696 parameters of AuxLogits") in text


def checked(summary, table, lock=None):
    request = CheckRequest(
        name="x", model="x", options={}, rules=parse_rules(table), location=Location(file="", line=None, key="x")
    )
    return evaluate_rules(request, summary, lock or LockEntry(model=None))


def test_a_flops_rule_that_holds_for_a_part_is_a_warning(blind):
    (result,) = checked(blind, {"flops": {"max": 100}}).results
    assert (result.status, result.message) == ("warned", f"32 FLOPs, {WHAT}")
    assert result.remedy == "to accept it, add a rule: unread_params.max = 43"


def test_a_failed_flops_rule_names_unread_parameters(blind):
    (result,) = checked(blind, {"flops": {"max": 10}}).results
    assert result.status == "failed"
    assert result.message.endswith(WHAT)


def test_a_rule_on_unread_parameters_fails_or_accepts_them(blind):
    (failed,) = checked(blind, {"unread_params": {"max": 0}}).results
    assert (failed.status, failed.actual) == ("failed", 43)
    assert [item.path for item in failed.largest] == ["vision.0", "vision.1", ""]
    results = checked(blind, {"unread_params": {"max": 43}, "flops": {"max": 100}}).results
    assert [result.status for result in results] == ["passed", "passed"]


def test_a_lock_contains_unread_parameters(blind):
    entry = lock_model(blind, "Eye")
    assert entry.metrics["unread_params"] == 43
    again = restore_summary(entry, blind)
    assert (again.totals.unread_params, again.unread_parameters) == (43, ("mask", "vision"))


# Missing inputs


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, image=None, text=None):  # noqa: ARG002 - a text alone does nothing
        return None if image is None else self.fc(image)


@pytest.mark.parametrize("ask", [netscope.summarize, netscope.trace, netscope.explain, netscope.verify])
def test_a_pass_that_read_no_parameter_had_no_input(ask):
    with pytest.raises(
        InputError,
        match=r"read none of its 20 parameters when run with no input; .* takes: image=None, text=None\)",
    ):
        ask(Clip())
    assert ask(Clip(), inputs={"image": (1, 4)}) is not None


def test_an_input_that_reaches_no_parameter_is_named():
    with pytest.raises(InputError, match="read none of its 20 parameters when run with text"):
        netscope.summarize(Clip(), {"text": (1, 4)})


def test_the_command_exits_with_2_where_the_input_is_missing(tmp_path, capsys):
    file = tmp_path / "clip.py"
    file.write_text(
        "from torch import nn\n"
        "class Clip(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(4, 4)\n"
        "    def forward(self, image=None):\n"
        "        return None if image is None else self.fc(image)\n"
    )
    assert run(["summary", f"{file}:Clip"]) == 2
    assert "takes: image=None)" in capsys.readouterr().err


def test_a_model_without_parameters_needs_to_read_none():
    assert netscope.summarize(nn.ReLU(), (1, 4)).totals.unread_params == 0
