"""How rules come out: exactly, and never a pass where it cannot be told."""

from collections import OrderedDict
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import netscope
from netscope.analysis import LockEntry, evaluate_rules, lock_model
from netscope.analysis.lock import restore_summary
from netscope.config import find_checks, parse_rules, read_lock
from netscope.errors import ConfigError, UsageError
from netscope.schema import METRICS, CheckReport, CheckRequest, Location, LockedLayer

HERE = Location(file="pyproject.toml", line=4, key="x")


@pytest.fixture(scope="module")
def alexnet():
    return netscope.summarize("alexnet-paper")


def request_with(rules=None, layers=None, *, lock=False):
    rules = tuple(replace(rule, location=HERE) for rule in parse_rules(rules or {}, layers))
    return CheckRequest(name="x", model="alexnet-paper", options={}, rules=rules, lock=lock, location=HERE)


def results_of(summary, rules=None, layers=None, *, lock=False, entry=None):
    return evaluate_rules(request_with(rules, layers, lock=lock), summary, entry or LockEntry(model=None)).results


def status_of(summary, rules, **options):
    (result,) = results_of(summary, rules, **options)
    return result.status


FIGURES = {
    "params": 62_378_344,
    "trainable_params": 62_378_344,
    "flops": 2_270_512_192,
    "macs": 1_135_256_096,
    "weight_bytes": 4 * 62_378_344,
    "output_shape": (1, 1000),
    "layer_count": 21,
}


@pytest.mark.parametrize("metric", FIGURES)
def test_the_figure_of_each_metric(alexnet, metric):
    (result,) = results_of(alexnet, {metric: "1x1" if metric == "output_shape" else 1})
    assert result.actual == FIGURES[metric]


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if metric.needs_training])
@pytest.mark.parametrize("where", ["model", "module"])
def test_a_metric_of_training_is_checked_in_training_alone(metric, where):
    pytest.importorskip("pandas")
    rule = {metric: {"max": 10**15}}
    for mode, status in (("eval", "failed"), ("train", "passed")):
        summary = netscope.summarize("lenet5", mode=mode)
        given = {"rules": rule} if where == "model" else {"layers": {"*": rule}}
        assert {result.status for result in results_of(summary, **given)} == {status}
        assert summary.to_dataframe(full=True)[metric].isna().all() == (mode == "eval")


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (62_378_344, "passed"),
        (62_378_345, "failed"),
        ("62.4M", "failed"),
        ({"max": 62_378_344}, "passed"),
        ({"max": 62_378_343}, "failed"),
        ({"min": 62_378_344}, "passed"),
        ({"min": 62_378_345}, "failed"),
        ({"warn": 62_378_344}, "passed"),
        ({"warn": 62_378_343}, "warned"),
        ({"equal": "62378344"}, "passed"),
    ],
)
def test_a_bound_holds_up_to_the_last_parameter(alexnet, rule, status):
    assert status_of(alexnet, {"params": rule}) == status


def test_a_failure_says_figure_limit_excess_the_heaviest_layers_and_what_accepts_it(alexnet):
    (result,) = results_of(alexnet, {"params": {"max": "62M"}})
    assert result.message == "62,378,344 parameters exceed the limit of 62,000,000 by 378,344"
    assert [(item.path, item.value) for item in result.largest] == [
        ("classifier.1", 9216 * 4096 + 4096),
        ("classifier.4", 4096 * 4096 + 4096),
        ("classifier.6", 4096 * 1000 + 1000),
    ]
    assert result.remedy == "to accept it: params.max = 62_378_344 in pyproject.toml:4"


def test_a_warning_passes(alexnet):
    (result,) = results_of(alexnet, {"params": {"warn": 1}})
    assert (result.status, result.passed) == ("warned", True)


def test_a_shape_that_differs_says_both(alexnet):
    (result,) = results_of(alexnet, {"output_shape": "1x10"})
    assert result.message == "output shape is 1×1000, expected 1×10"
    assert result.remedy == 'to accept it: output_shape = "1x1000" in pyproject.toml:4'


def test_a_pattern_holds_for_each_module_that_it_fits(alexnet):
    results = results_of(alexnet, layers={"classifier.*": {"params": {"max": "20M"}}})
    assert {result.path: result.status for result in results if result.actual} == {
        "classifier.1": "failed",
        "classifier.4": "passed",
        "classifier.6": "passed",
    }
    assert len(results) == 7


def test_a_pattern_that_fits_nothing_is_no_pass(alexnet):
    (result,) = results_of(alexnet, layers={"clasifier.*": {"params": {"max": "20M"}}})
    assert (result.status, result.passed) == ("error", False)
    assert "no module matches 'clasifier.*'" in result.message


def test_what_modules_do_not_have_is_no_pass(alexnet):
    (result,) = results_of(alexnet, layers={"features": {"layer_count": 13}})
    assert result.status == "error"


class Svd(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return torch.linalg.svd(self.fc(x))[0]


@pytest.mark.parametrize("metric", ["flops", "macs"])
@pytest.mark.parametrize("rule", [{"max": "1G"}, {"min": 1}, {"warn": "1G"}, 128, {"max_increase": "1%"}])
def test_a_rule_on_flops_fails_where_an_op_is_uncounted(metric, rule):
    summary = netscope.summarize(Svd(), (4, 4))
    (result,) = results_of(summary, {metric: rule}, entry=LockEntry(model=lock_model(summary, "x")))
    assert (result.status, result.passed) == ("failed", False)
    assert "aten._linalg_svd" in result.message


def test_a_rule_on_a_module_without_the_uncounted_op_can_hold():
    summary = netscope.summarize(Svd(), (4, 4))
    (result,) = results_of(summary, layers={"fc": {"flops": 2 * 4 * 4 * 4}})
    assert result.status == "passed"


# Against the lock


def entry_of(summary, **changes):
    return LockEntry(model=lock_model(summary, "alexnet-paper"), **changes)


@pytest.mark.parametrize(
    ("increase", "status"),
    [("0%", "failed"), ("0.05%", "passed"), ("0.04%", "failed"), (30_000, "passed"), (29_999, "failed")],
)
def test_an_increase_is_measured_from_the_lock(alexnet, increase, status):
    before = entry_of(alexnet)
    grown = replace(alexnet, totals=replace(alexnet.totals, params=62_378_344 + 30_000))
    assert status_of(grown, {"params": {"max_increase": increase}}, entry=before) == status


def test_less_than_in_the_lock_is_no_increase(alexnet):
    less = replace(alexnet, totals=replace(alexnet.totals, params=1))
    assert status_of(less, {"params": {"max_increase": 0}}, entry=entry_of(alexnet)) == "passed"


def test_an_increase_over_nothing_is_no_pass(alexnet):
    (result,) = results_of(alexnet, {"params": {"max_increase": "1%"}})
    assert result.status == "error"
    assert result.remedy == "run netscope check x --update"


def test_an_increase_of_a_module_is_measured_from_the_module_in_the_lock(alexnet):
    tv = netscope.summarize("alexnet-tv")
    results = results_of(alexnet, layers={"features.*": {"params": {"max_increase": "50%"}}}, entry=entry_of(tv))
    assert {result.path for result in results if not result.passed} == {"features.3"}


def test_what_is_as_locked_passes_and_what_is_not_shows_the_diff(alexnet):
    assert evaluate_rules(request_with(lock=True), alexnet, entry_of(alexnet)).passed
    check = evaluate_rules(request_with(lock=True), netscope.summarize("alexnet-tv"), entry_of(alexnet))
    assert not check.passed
    assert len(check.lock_diff.of_kind("changed")) == 5
    assert check.lock_diff.delta.params == 61_100_840 - 62_378_344
    assert check.results[0].remedy == "to accept it: netscope check x --update"


def test_the_lock_has_no_tolerance():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    entry = LockEntry(model=lock_model(netscope.summarize(model, (1, 4)), "alexnet-paper"))
    edits = {
        "a hyperparameter": nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.4)),
        "a name": nn.Sequential(),
        "a frozen weight": nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Dropout(0.5)),
    }
    edits["a name"].add_module("zero", model[0])
    edits["a name"].add_module("1", model[1])
    for what, edited in edits.items():
        assert not evaluate_rules(request_with(lock=True), netscope.summarize(edited, (1, 4)), entry).passed, what
    other_input = netscope.summarize(model, (2, 4))
    assert not evaluate_rules(request_with(lock=True), other_input, entry).passed
    assert evaluate_rules(request_with(lock=True), netscope.summarize(model, (1, 4)), entry).passed


def test_a_lock_of_another_counting_convention_is_no_pass(alexnet):
    (result,) = results_of(alexnet, lock=True, entry=entry_of(alexnet, counting=0))
    assert result.status == "error"
    assert "counting rules version 0" in result.message


def test_an_increase_over_figures_of_another_convention_or_input_is_no_pass(alexnet):
    (result,) = results_of(alexnet, {"params": {"max_increase": "1%"}}, entry=entry_of(alexnet, counting=0))
    assert (result.status, result.passed) == ("error", False)
    two = netscope.summarize("alexnet-paper", batch_size=2)
    (result,) = results_of(alexnet, {"flops": {"max_increase": "1%"}}, entry=entry_of(two))
    assert result.status == "error"
    assert "inputs differ from the lock file: x=2x3x224x224:float32" in result.message


def test_the_lock_sees_what_no_figure_shows():
    class Ends(nn.Module):
        def __init__(self, end):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.__dict__["end"] = end

        def forward(self, x):
            return self.end(self.fc(x), x)

    ends = [lambda y, x: y.relu() + x, lambda y, x: y.tanh() - x, lambda y, x: x - y.relu(), lambda y, x: x + y]
    summaries = [netscope.summarize(Ends(end), (1, 4)) for end in ends]
    for summary in summaries:
        for other in summaries:
            check = evaluate_rules(request_with(lock=True), other, entry_of(summary))
            assert check.passed == (other is summary)


class Block(nn.Module):
    """Computes with a function of itself and the results of two layers, in which no layer's arguments show."""

    def __init__(self, function):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.__dict__["function"] = function

    def forward(self, x):
        return self.function(self, self.first(x), self.second(x))


def split(x, heads):
    return x.view(1, 5, heads, -1).transpose(1, 2)


EDITS = {
    "an op": (lambda _, a, b: a + functional.relu(b), lambda _, a, b: a + functional.sigmoid(b)),
    "heads": (lambda _, a, b: split(a, 2) @ split(b, 2).mT, lambda _, a, b: split(a, 4) @ split(b, 4).mT),
    "operands": (lambda _, a, b: a - b, lambda _, a, b: b - a),
    "a dropout": (
        lambda s, a, b: a + functional.dropout(b, 0.5, s.training),
        lambda s, a, b: a + functional.dropout(b, 0.4, s.training),
    ),
}


@pytest.mark.parametrize("what", EDITS)
@pytest.mark.parametrize("origin", [{}, {"torch": "1.0"}, {"traced_on": "cuda"}, {"torch": "2.14.1+cpu"}])
def test_a_lock_of_another_torch_or_device_hides_no_edit(what, origin):
    before, after = (netscope.summarize(Block(edit), (1, 5, 8), mode="train") for edit in EDITS[what])
    written = lock_model(before, "alexnet-paper")
    entry = LockEntry(model=replace(written, **origin))
    assert evaluate_rules(request_with(lock=True), before, entry).passed
    (result,) = evaluate_rules(request_with(lock=True), after, entry).results
    assert result.status == "failed"
    torch, device = (origin.get("torch", written.torch), origin.get("traced_on", "meta"))
    sentence = f"the lock file was written with torch {torch} on {device}, this is torch {written.torch} on meta"
    assert (sentence in result.message) == bool(origin)


def test_a_lock_that_torch_2_6_wrote_holds_with_this_torch(monkeypatch):
    folder = Path(__file__).parents[1] / "data" / "locked_by_torch_2_6"
    lock = read_lock(folder / "netscope.lock")
    monkeypatch.chdir(folder)
    _, requests = find_checks(folder)
    entries = {name: (request, mode) for request in requests for mode, name in request.entry_names.items()}
    assert entries.keys() == lock.models.keys()
    for name, (request, mode) in entries.items():
        summary = netscope.summarize(request.model, list(request.inputs), mode=mode)
        (result,) = evaluate_rules(request, summary, LockEntry(model=lock.models[name])).results
        assert result.status == "passed", f"{name}: {result.message}"
    assert {model.torch[:4] for model in lock.models.values()} == {"2.6."}


def test_what_depends_on_torch_and_device_is_only_locked_for_a_rule_about_it(alexnet):
    assert {"memory", "activation_bytes"}.isdisjoint(lock_model(alexnet, "alexnet-paper").metrics)
    entry = lock_model(alexnet, "alexnet-paper", ["memory"])
    assert entry.metrics["memory"] == alexnet.peak_memory.bytes
    other = replace(entry, metrics=entry.metrics | {"memory": 1000}, torch="1.0")
    assert evaluate_rules(request_with(lock=True), alexnet, LockEntry(model=other)).passed
    (result,) = results_of(alexnet, {"memory": {"max_increase": "1%"}}, entry=LockEntry(model=other))
    assert result.status == "failed"
    assert "the lock file was written with torch 1.0 on meta" in result.message


LAYER_FIELDS = {
    "path": ("fd", "renamed: fd → fc"),
    "type": ("Dense", "fc"),
    "hyperparameters": ({"in_features": 4, "out_features": 4, "bias": True, "rank": 3}, "fc"),
    "calls": (2, "fc"),
    "inputs": (((2, 4),), "fc"),
    "outputs": (((2, 4),), "fc"),
    "own": ({"params": 20, "trainable_params": 20, "flops": 32, "param_bytes": 40}, "fc"),
    "tensors": ((), "fc"),
    "reads_from": (("<input>",), "fc"),
    "operations": ({"relu": 1}, "fc"),
    "computation": ("a-b", "fc"),
}


@pytest.mark.parametrize("field", [field.name for field in fields(LockedLayer)])
def test_each_field_of_a_locked_layer_is_named_if_it_alone_differs(field):
    model = nn.Sequential(OrderedDict(norm=nn.LayerNorm(4), fc=nn.Linear(4, 4)))
    summary = netscope.summarize(model, (1, 4))
    entry = lock_model(summary, "alexnet-paper")
    value, named = LAYER_FIELDS[field]
    layers = (*entry.layers[:-1], replace(entry.layers[-1], **{field: value}))
    assert layers != entry.layers
    (result,) = results_of(summary, lock=True, entry=LockEntry(model=replace(entry, layers=layers)))
    assert result.status == "failed"
    assert named in result.message


@pytest.mark.parametrize(
    ("field", "text"),
    [("is_buffer", "weight.is_buffer"), ("persistent", "weight.persistent"), ("unread", "weight.unread"),
     ("trainable", "weight.requires_grad"), ("dtype", "weight.dtype"), ("shape", "weight"),
     ("shared_with", "weight.shared_with"),
     ("name", "weight")],
)  # fmt: skip
def test_each_field_of_a_locked_tensor_is_a_change_of_its_layer(field, text):
    summary = netscope.summarize(nn.Sequential(nn.Linear(4, 4)), (1, 4))
    entry = lock_model(summary, "alexnet-paper")
    tensor = entry.layers[1].tensors[0]
    values = {"dtype": "int8", "shape": (9,), "shared_with": "0.bias", "name": "kernel"}
    edited = replace(tensor, **{field: values.get(field, not getattr(tensor, field, False))})
    layers = (entry.layers[0], replace(entry.layers[1], tensors=(edited, *entry.layers[1].tensors[1:])))
    check = evaluate_rules(request_with(lock=True), summary, LockEntry(model=replace(entry, layers=layers)))
    assert not check.passed
    assert text in {attribute.name.partition(" ")[0] for attribute in check.lock_diff.changes[1].attributes}


def test_renames_of_modules_and_classes_are_named():
    def build(name, kind):
        return nn.Sequential(OrderedDict([(name, kind(nn.Linear(4, 4), nn.ReLU())), ("head", nn.Linear(4, 2))]))

    plain = type("Block", (nn.Sequential,), {})
    convolutional = type("ConvBlock", (nn.Sequential,), {})
    before = netscope.summarize(build("proj", plain), (1, 4))
    (result,) = results_of(netscope.summarize(build("neck", plain), (1, 4)), lock=True, entry=entry_of(before))
    assert result.message == "architecture differs from the lock file: renamed: proj → neck"
    check = evaluate_rules(
        request_with(lock=True), netscope.summarize(build("proj", convolutional), (1, 4)), entry_of(before)
    )
    (change,) = check.lock_diff.of_kind("changed")
    assert [(item.name, item.before, item.after) for item in change.attributes] == [("type", "Block", "ConvBlock")]


def test_a_tests_entry_is_accepted_by_pytest(alexnet):
    request = replace(request_with(lock=True), name="tests/test_x.py::test_it[a b]")
    assert evaluate_rules(request, alexnet, LockEntry(model=None)).results[0].remedy == (
        "run pytest --netscope-update 'tests/test_x.py::test_it[a b]'"
    )


def test_a_missing_lock_is_no_pass(alexnet):
    (result,) = results_of(alexnet, lock=True)
    assert (result.status, result.passed) == ("error", False)


def test_what_the_lock_keeps_of_a_summary_comes_back(alexnet):
    back = restore_summary(lock_model(alexnet, "alexnet-paper"), alexnet)
    assert [row.path for row in back.rows] == [row.path for row in alexnet.rows]
    for field in ("depth", "own", "total", "output_shapes", "calls"):
        assert [getattr(row, field) for row in back.rows] == [getattr(row, field) for row in alexnet.rows]
    assert lock_model(back, "alexnet-paper").layers == lock_model(alexnet, "alexnet-paper").layers


# From Python


def test_check_from_python_tells_and_saves():
    model = nn.Linear(4, 4)
    report = netscope.check(model, {"params": 20, "flops": {"max": "1K"}}, (1, 4))
    assert report.passed
    assert report.exit_code == 0
    assert CheckReport.from_json(report.to_json()) == report
    failing = netscope.check(model, {"params": {"max": 19}}, (1, 4))
    assert (failing.passed, failing.exit_code) == (False, 1)
    assert "20 parameters exceed the limit of 19 by 1" in str(failing)


def test_check_from_python_refuses_what_could_not_fail_and_what_it_does_not_know():
    with pytest.raises(UsageError, match="this check has no rules, so it can never fail; add a rule"):
        netscope.check("lenet5")
    with pytest.raises(UsageError, match="this check only warns, so it can never fail; add max"):
        netscope.check("lenet5", {"params": {"warn": 5}})
    with pytest.raises(ConfigError, match=r"layers\.a: this table can never fail"):
        netscope.check("lenet5", {"params": 5}, layers={"a": {}})
    with pytest.raises(ConfigError, match="unknown metric 'parms'"):
        netscope.check("lenet5", {"parms": 1})
    with pytest.raises(UsageError, match="max_increase requires a lock file"):
        netscope.check("lenet5", {"params": {"max_increase": "1%"}})
