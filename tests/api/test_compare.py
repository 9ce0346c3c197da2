"""``netscope.compare``: any mix of what can be compared, and rows for what cannot."""

import pytest
from torch import nn

import netscope
from netscope import errors
from netscope.api import compare
from netscope.api.compare import expand_pattern, is_pattern
from netscope.api.workers.client import WorkerError
from netscope.schema import ComparisonTable

models = pytest.importorskip("torchvision.models")


def test_names_modules_summaries_and_files_go_together(tmp_path):
    summary = netscope.summarize("resnet18")
    path = tmp_path / "saved.json"
    path.write_text(summary.to_json(), encoding="utf-8")
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    table = netscope.compare(["lenet5", summary, str(path)])
    assert [row.totals.params for row in table.rows] == [61_706, 11_689_512, 11_689_512]
    assert [row.spec for row in table.rows] == ["lenet5", "resnet18", str(path)]
    assert [(row.year, row.idea) for row in table.rows[1:]] == [(2015, "skip connections")] * 2
    assert ComparisonTable.from_json(table.to_json()) == table
    (of_module,) = netscope.compare(module, (1, 3, 2, 2)).rows
    assert (of_module.spec, of_module.totals.params, of_module.year) == ("Sequential", 26, None)


def test_the_year_and_the_idea_of_a_built_in_are_the_catalogues():
    (row,) = netscope.compare("lenet5").rows
    assert (row.year, row.paper) == (1998, "LeCun et al. 1998")
    assert "sigmoids" in row.idea


def test_the_accuracy_is_that_of_torchvisions_default_weights():
    weights = models.get_model_weights("squeezenet1_1").DEFAULT
    published = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    usual, fewer, smaller = (
        *netscope.compare(["squeezenet1_1", "squeezenet1_1@num_classes=10"]).rows,
        *netscope.compare("squeezenet1_1", (1, 3, 64, 64)).rows,
    )
    assert (usual.top1, usual.top1_weights) == (published, weights.name)
    assert usual.totals.params == weights.meta["num_params"]
    assert fewer.top1 is smaller.top1 is None
    assert fewer.year == usual.year == 2016


def test_an_accuracy_of_weights_of_another_size_is_left_out():
    assert models.get_model_weights("vit_h_14").DEFAULT.meta["num_params"] != 632_045_800
    (row,) = netscope.compare("vit_h_14").rows
    assert (row.totals.params, row.top1) == (632_045_800, None)


def test_what_fails_is_a_row_and_the_others_go_on():
    table = netscope.compare(["nosuchthing", "lenet5@classes=3", "lenet5"])
    assert [row.exit_code for row in table.rows] == [2, 2, 0]
    assert "unknown architecture 'nosuchthing'" in table.rows[0].error
    assert table.rows[0].totals is table.rows[0].architecture is None
    assert table.rows[2].totals.params == 61_706
    assert table.exit_code == 2
    assert netscope.compare("lenet5").exit_code == 0


def test_what_is_named_twice_is_there_once_under_its_first_name():
    table = netscope.compare(["alexnet", "lenet5", "alexnet", "built-in/alexnet-paper", "lenet*"])
    assert [row.spec for row in table.rows] == ["alexnet", "lenet5"]


def test_equal_modules_are_two():
    table = netscope.compare([nn.Linear(4, 2), nn.Linear(4, 2)], (1, 4))
    assert [row.totals.params for row in table.rows] == [10, 10]


def test_a_pattern_stands_for_all_names_that_fit_with_the_options_behind_it():
    assert expand_pattern("torchvision/vgg1[13]") == (("vgg11", "vgg13"), ())
    assert expand_pattern("torchvision/vgg1?@num_classes=10")[0][:2] == ("vgg11@num_classes=10", "vgg13@num_classes=10")
    assert expand_pattern("vgg11") == (("vgg11",), ())


@pytest.mark.parametrize("spec", ["lenet5", "x.py:Net@sizes=[1,2]", "x@a='*'", "runs/[1].json", "a[0].py:Net"])
def test_what_is_no_pattern(spec):
    assert not is_pattern(spec)


def test_a_pattern_that_fits_nothing_is_said_in_one_sentence():
    with pytest.raises(
        errors.UnknownNameError, match=r"^no architecture matches 'torchvision/vggg\*'; netscope.list_arch"
    ):
        netscope.compare(["lenet5", "torchvision/vggg*"])


def test_nothing_to_compare_is_a_wrong_question():
    with pytest.raises(errors.UsageError, match="nothing to compare"):
        netscope.compare([])


class OtherProcesses:
    """Stands for workers, which fail for one name."""

    def __init__(self):
        self.counts = []
        self.asked = []

    def start(self, count):
        self.counts.append(count)
        return self

    def prepare(self, _folder):
        pass

    def results(self, jobs, on_progress=lambda _: None):
        for job in jobs:
            name = job.arguments[0]
            on_progress(name)
            self.asked.append((job.label, name, job.timeout_s))
            yield (
                WorkerError("its process was killed by SIGSEGV")
                if name == "vgg13"
                else {"spec": name, "totals": {"params": 1}}
            )

    def close(self):
        pass


@pytest.fixture
def workers(monkeypatch):
    workers = OtherProcesses()
    monkeypatch.setattr(compare, "WorkerPool", workers.start)
    return workers


def test_each_is_run_once_and_told_on_the_way(workers):
    told, seen = [], []
    plan = compare.ComparisonPlan(
        specs=("lenet5", "torchvision/vgg1[13]", "nope", "vgg11", "lenet5"), timeout_s=9, jobs=5
    )
    table = compare.run_comparison(plan, told.append, seen.append)
    assert told == ["lenet5", "vgg11", "vgg13"]
    assert workers.asked == [(name, name, 9) for name in told]
    assert [(row.spec, row.totals and row.totals.params, row.exit_code) for row in table.rows] == [
        ("lenet5", 1, 0),
        ("vgg11", 1, 0),
        ("vgg13", None, 3),
        ("nope", None, 2),
    ]
    assert tuple(seen) == table.rows
    assert table.rows[2].error == "its process was killed by SIGSEGV"


@pytest.mark.parametrize(("specs", "count"), [(("a",), 1), (("a", "b", "a"), 2), (("a", "timm/*"), 5)])
def test_there_are_no_more_workers_than_there_may_be_architectures(workers, specs, count):
    compare.run_comparison(compare.ComparisonPlan(specs=specs, jobs=5))
    assert workers.counts == [count]
