"""netscope in pytest: projects' tests run by pytest itself."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netscope
from netscope.errors import OutputError

pytest_plugins = ["pytester"]

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width=3):
        super().__init__(nn.Linear(4, width), nn.Linear(width, 2))
        self.example_input_array = __import__("torch").zeros(1, 4)
"""

TESTS = """
import pytest
from models import Net

def test_by_the_fixture(netscope_check):
    report = netscope_check(Net(), params=23, layers={"*": {"params": {"max": 15}}})
    assert report.passed

@pytest.mark.netscope("lenet5", params={"max": "62k"}, output_shape="1x10")
def test_by_the_marker():
    pass

@pytest.mark.netscope(model="lenet5", params=61_706)
def test_by_the_marker_with_a_keyword():
    pass

@pytest.mark.netscope(params={"max": 23})
def test_by_the_markers_rules(netscope_check):
    netscope_check(Net())
    netscope_check("models.py:Net", flops=36)

@pytest.mark.netscope("lenet5", params={"max": 1000})
def test_too_many_by_the_marker():
    raise AssertionError("not reached")

def test_too_many_by_the_fixture(netscope_check):
    netscope_check(Net(), params={"max": 22})

@pytest.mark.netscope(params={"max": 22})
def test_too_many_by_the_markers_rules(netscope_check):
    netscope_check(Net())

def test_too_many_in_a_layer(netscope_check):
    netscope_check(Net(), layers={"1": {"params": {"max": 7}}})

@pytest.mark.netscope(params=3)
def test_that_checks_nothing():
    pass

@pytest.mark.netscope(params=3)
def test_that_fails_before_it_checks():
    raise ValueError("before")

def test_an_unknown_metric(netscope_check):
    netscope_check(Net(), parms=3)

def test_an_unknown_pattern(netscope_check):
    netscope_check(Net(), layers={"features.*": {"params": 3}})

def test_an_unknown_model(netscope_check):
    netscope_check("lenet6", params=3)

def test_no_rule(netscope_check):
    netscope_check("lenet5")
"""

PASSING = [
    "test_by_the_fixture",
    "test_by_the_marker",
    "test_by_the_marker_with_a_keyword",
    "test_by_the_markers_rules",
]

SENTENCES = {
    "test_too_many_by_the_marker": "61,706 parameters exceed the limit of 1,000 by 60,706",
    "test_too_many_by_the_fixture": "23 parameters exceed the limit of 22 by 1; largest: 0 15, 1 8",
    "test_too_many_by_the_markers_rules": "23 parameters exceed the limit of 22 by 1",
    "test_too_many_in_a_layer": "1: 8 parameters exceed the limit of 7 by 1",
    "test_that_checks_nothing": "this test is marked netscope but checked nothing; pass a model to the marker",
    "test_an_unknown_metric": "netscope: parms: unknown metric 'parms'; did you mean params?; available: params, ",
    "test_an_unknown_pattern": "features.*",
    "test_an_unknown_model": "netscope: unknown architecture 'lenet6'; did you mean lenet5",
    "test_no_rule": "netscope: this check has no rules, so it can never fail; add a rule or lock = true",
}


@pytest.fixture(scope="session")
def _torch():
    """All that a check imports: a run within this one forgets what it imported itself, which torch does not survive."""
    assert "passed" in str(netscope.check("resnet18", {"params": 11_689_512}))
    assert "did not pass" in str(netscope.check("lenet5", {"params": 1}))


@pytest.fixture
def project(pytester, _torch):
    """A project with a model; pytest runs in this process."""
    pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.makepyfile(models=NET)
    pytester.syspathinsert()
    return pytester


@pytest.fixture
def project_with_all(project):
    project.makepyfile(test_all=TESTS)
    return project


def failures(result):
    """What pytest said of each test that failed."""
    text = result.stdout.str().partition("= FAILURES =")[2].partition("short test summary")[0]
    parts = text.split("\n___")[1:]
    return {part.strip("_ ").split(" ", 1)[0]: part for part in parts}


def test_rules_by_fixture_and_marker(project_with_all):
    result = project_with_all.runpytest_inprocess("-rA", "-p", "no:xdist")
    result.assert_outcomes(passed=len(PASSING), failed=len(SENTENCES) + 1)
    result.stdout.fnmatch_lines_random([f"PASSED test_all.py::{name}" for name in PASSING])
    said = failures(result)
    for name, sentence in SENTENCES.items():
        assert sentence in said[name], said[name]
        assert said[name].count("there is no ") < 2
        assert not any(word in said[name] for word in ("Traceback", "traceback", "During handling", "pytest_plugin.py"))
    assert "ValueError: before" in said["test_that_fails_before_it_checks"]
    assert "checked nothing" not in said["test_that_fails_before_it_checks"]
    assert not (project_with_all.path / "netscope.lock").exists()


TOGETHER = """
import pytest
from models import Net

pytestmark = pytest.mark.netscope(params={"max": 100})

@pytest.mark.netscope(params={"max": 22})
@pytest.mark.netscope(params={"max": 30})
def test_stacked_the_stricter_below(netscope_check):
    netscope_check(Net())

@pytest.mark.netscope(params={"max": 30})
@pytest.mark.netscope(params={"max": 22})
def test_stacked_the_stricter_above(netscope_check):
    netscope_check(Net())

@pytest.mark.netscope(params={"max": 22})
def test_the_marker_and_the_call(netscope_check):
    netscope_check(Net(), params={"max": 30})

def test_the_module_and_the_call(netscope_check):
    netscope_check(Net(40), params={"max": 1000})

@pytest.mark.netscope(layers={"0": {"params": {"max": 14}}})
class TestClass:
    @pytest.mark.netscope(layers={"1": {"params": {"max": 9}}})
    def test_the_class_and_the_method(self, netscope_check):
        netscope_check(Net())

    @pytest.mark.netscope(layers={"0": {"params": {"max": 15}}})
    def test_the_class_and_the_method_on_the_same_layer(self, netscope_check):
        netscope_check(Net())

    @pytest.mark.netscope("models.py:Net", params={"max": 23})
    def test_the_class_and_the_methods_model(self):
        pass

@pytest.mark.netscope("models.py:Net", flops=1)
@pytest.mark.netscope("models.py:Net", params=23)
def test_the_upper_of_two_models():
    raise AssertionError("not reached")

@pytest.mark.netscope("models.py:Net", params=23)
@pytest.mark.netscope("models.py:Net", flops=1)
def test_the_lower_of_two_models():
    raise AssertionError("not reached")

@pytest.mark.netscope(lock=False, params=23)
@pytest.mark.netscope(lock=True)
def test_no_lock_below_a_lock(netscope_check):
    netscope_check(Net(), lock=False)

@pytest.mark.netscope(input="1x4")
def test_two_inputs(netscope_check):
    netscope_check(Net(), input="2x4")

@pytest.mark.netscope(mode="train")
def test_two_modes(netscope_check):
    netscope_check(Net(), mode="eval")

@pytest.mark.netscope(params={"warn": 22})
def test_a_warning_and_a_limit(netscope_check):
    netscope_check(Net(), flops=36)

@pytest.mark.netscope(input="1x4", batch_size=1)
def test_the_same_input_twice(netscope_check):
    netscope_check(Net(), params=23, input="1x4", batch_size=1)

@pytest.mark.netscope("models.py:Net", params=23)
def test_a_markers_model_and_another_call(netscope_check):
    netscope_check(Net(4), params=30)
"""

TOGETHER_FAILS = {
    "test_stacked_the_stricter_below": "23 parameters exceed the limit of 22 by 1",
    "test_stacked_the_stricter_above": "23 parameters exceed the limit of 22 by 1",
    "test_the_marker_and_the_call": "23 parameters exceed the limit of 22 by 1",
    "test_the_module_and_the_call": "282 parameters exceed the limit of 100 by 182",
    "TestClass.test_the_class_and_the_method": "0: 15 parameters exceed the limit of 14 by 1",
    "TestClass.test_the_class_and_the_method_on_the_same_layer": "0: 15 parameters exceed the limit of 14 by 1",
    "TestClass.test_the_class_and_the_methods_model": "0: 15 parameters exceed the limit of 14 by 1",
    "test_the_upper_of_two_models": "36 FLOPs, expected 1: 35 too many",
    "test_the_lower_of_two_models": "36 FLOPs, expected 1: 35 too many",
    "test_no_lock_below_a_lock": "not in the lock file",
    "test_two_inputs": "input is given as '1x4' and as '2x4' by markers or calls that hold together; give it once",
    "test_two_modes": "mode is given as 'train' and as 'eval' by markers or calls that hold together",
}


def test_the_rules_of_all_markers_and_of_the_call_hold_together(project):
    project.makepyfile(test_together=TOGETHER)
    result = project.runpytest_inprocess("-rA", "-p", "no:xdist")
    result.assert_outcomes(passed=3, failed=len(TOGETHER_FAILS))
    said = failures(result)
    assert said.keys() == TOGETHER_FAILS.keys()
    for name, sentence in TOGETHER_FAILS.items():
        assert sentence in said[name], said[name]


def test_an_increase_from_the_base_is_refused_in_a_test(project):
    project.makepyfile(
        "def test_x(netscope_check): netscope_check('lenet5', params={'max_increase': '1%', 'base': True})"
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["netscope: base requires netscope check; *"])


LOCKED = """
import pytest
from models import Net

def test_by_the_fixture(netscope_check):
    netscope_check(Net(), lock=True)

@pytest.mark.netscope("models.py:Net", lock=True, name="by name")
def test_by_the_marker():
    pass

@pytest.mark.parametrize("width", [3, 4])
def test_of_each_width(netscope_check, width):
    netscope_check(Net(width), lock=True)
"""

ENTRIES = [
    "pytest::by name",
    "test_locked.py::test_by_the_fixture",
    "test_locked.py::test_of_each_width[3]",
    "test_locked.py::test_of_each_width[4]",
]


def entries(project):
    return json.loads((project.path / "netscope.lock").read_text(encoding="utf-8"))["models"]


def test_the_lock_file_is_written_when_asked_and_then_compared_with(project):
    project.makepyfile(test_locked=LOCKED)
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*not in the lock file*"])
    assert not (project.path / "netscope.lock").exists()

    project.runpytest_inprocess("--netscope-update").assert_outcomes(passed=4)
    assert sorted(entries(project)) == ENTRIES
    assert [entries(project)[name]["metrics"]["params"] for name in ENTRIES[-2:]] == [23, 30]
    project.runpytest_inprocess().assert_outcomes(passed=4)

    project.makepyfile(models=NET.replace("(width, 2)", "(width, 5)"))
    before = entries(project)
    result = project.runpytest_inprocess("-k", "fixture")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*since the lock file: *1 layer changed; +12 params*", "*out 2 → 5*"])
    assert entries(project) == before


def test_other_entries_of_the_lock_file_are_kept(project):
    project.makepyfile(test_locked=LOCKED)
    project.runpytest_inprocess("--netscope-update", "-k", "marker").assert_outcomes(passed=1, deselected=3)
    project.runpytest_inprocess("--netscope-update", "-k", "fixture").assert_outcomes(passed=1, deselected=3)
    assert sorted(entries(project)) == ENTRIES[:2]


def test_a_test_that_fails_otherwise_does_not_keep_its_architecture_from_being_written(project):
    project.makepyfile("def test_x(netscope_check): netscope_check('lenet5', lock=True, params=1)")
    project.runpytest_inprocess("--netscope-update").assert_outcomes(failed=1)
    assert len(entries(project)) == 1


def test_a_damaged_lock_file_is_one_sentence(project):
    project.makepyfile(test_locked=LOCKED)
    (project.path / "netscope.lock").write_text("{", encoding="utf-8")
    result = project.runpytest_inprocess("-k", "fixture")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["netscope: *netscope.lock is damaged*"])


def test_the_lock_covers_the_modes_that_a_test_asks_for(project):
    net = """
        from torch import nn
        from torch.nn import functional

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return functional.dropout(self.fc(x), 0.5, self.training)
        """
    project.makepyfile(models=net)
    project.makepyfile(
        """
        import pytest
        from models import Net

        def test_by_the_fixture(netscope_check):
            netscope_check(Net(), input="1x4", lock={"modes": ["eval", "train"]})

        @pytest.mark.netscope("models.py:Net", input="1x4", lock={"modes": ["train"]}, name="by name")
        def test_by_the_marker():
            pass

        def test_of_a_mistake(netscope_check):
            netscope_check(Net(), input="1x4", lock={"modes": "train"})
        """
    )
    result = project.runpytest_inprocess("--netscope-update")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["netscope: lock.modes: modes must be an array such as *, not 'train'"])
    own = "test_the_lock_covers_the_modes_that_a_test_asks_for.py::test_by_the_fixture"
    assert sorted(entries(project)) == ["pytest::by name in train mode", own, f"{own} in train mode"]
    project.makepyfile(models=net.replace("0.5", "0.4"))
    result = project.runpytest_inprocess("-k", "not mistake")
    result.assert_outcomes(failed=2, deselected=1)


def test_two_architectures_of_one_name_cannot_be_written(project):
    project.makepyfile(
        """
        def test_x(netscope_check):
            netscope_check("lenet5", lock=True)
            netscope_check("lenet5", lock=True, batch_size=2)
        """
    )
    result = project.runpytest_inprocess("--netscope-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["netscope: the lock file cannot have two architectures named *::test_x'*"])


def test_a_lock_file_that_cannot_be_written_is_one_sentence(project, monkeypatch):
    def refuse(*_):
        raise OutputError("netscope.lock: Read-only file system")

    monkeypatch.setattr("netscope.api.check.update_lock", refuse)
    project.makepyfile("def test_x(netscope_check): netscope_check('lenet5', lock=True)")
    result = project.runpytest_inprocess("--netscope-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*netscope: netscope.lock: Read-only file system"])
    assert "INTERNALERROR" not in result.stdout.str()


SAVED = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_saved(netscope_check, number):
    netscope_check("lenet5.json", lock=True)
"""


@pytest.mark.slow
def test_the_workers_of_xdist_write_one_lock_file(project):
    """Of a saved summary, which the workers can check without torch."""
    (project.path / "lenet5.json").write_text(netscope.summarize("lenet5").to_json(), encoding="utf-8")
    project.makepyfile(SAVED)
    project.runpytest_subprocess("-n", "2", "--netscope-update").assert_outcomes(passed=4)
    name = "test_the_workers_of_xdist_write_one_lock_file.py::test_saved"
    assert sorted(entries(project)) == [f"{name}[{number}]" for number in range(4)]


def test_a_run_that_does_not_use_it_imports_next_to_nothing(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.split(".")[0] in ("netscope", "torch", "msgspec", "rich")}
            floors = {"netscope", "netscope.schema", "netscope.runtime", "netscope.pytest_plugin"}
            assert loaded <= floors | {"netscope.runtime.lazy_imports"}
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    finished = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_the_how_tos_example_passes(project):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "continuous-integration.md"
    (example,) = re.findall(r'```python title="test_\w+\.py"\n(.+?)```', page.read_text(encoding="utf-8"), re.DOTALL)
    project.makepyfile(example)
    project.runpytest_inprocess().assert_outcomes(passed=3)
