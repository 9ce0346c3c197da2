"""The project's checks: every rule with its line, and every mistake with its file, line and key."""

import subprocess
from dataclasses import replace

import pytest

from netscope.config import find_checks, parse_lock, parse_rules, read_lock, update_lock, write_lock
from netscope.config.lockfile import Lock, format_lock
from netscope.errors import ConfigError, OutputError
from netscope.schema import COUNTING_VERSION, LockedLayer, LockedModel

PROJECT = """\
[project]
name = "mine"

[tool.netscope.check.alexnet]
model  = "alexnet-paper"   # the paper's
input  = "1x3x224x224"
params = 62_378_344
flops  = { max = "2.3G", warn = "2.28G" }
output_shape = [
    1,
    1000,
]

# of one stage
[tool.netscope.check.alexnet.layers."features.*"]
params = { max = "4M" }

[tool.netscope.check."other one"]
model = "lenet5"
lock = true
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="pyproject.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_every_rule_knows_its_line(project):
    path, (alexnet, other) = find_checks(project(PROJECT))
    assert path.name == "pyproject.toml"
    assert (alexnet.model, alexnet.inputs, alexnet.lock) == ("alexnet-paper", ("1x3x224x224",), False)
    assert [(rule.metric, rule.bound, rule.limit, rule.pattern, rule.location.line) for rule in alexnet.rules] == [
        ("params", "equal", 62_378_344, None, 7),
        ("flops", "max", 2_300_000_000, None, 8),
        ("flops", "warn", 2_280_000_000, None, 8),
        ("output_shape", "equal", (1, 1000), None, 9),
        ("params", "max", 4_000_000, "features.*", 16),
    ]
    assert (other.name, other.lock, other.rules, other.location.line) == ("other one", True, (), 18)


@pytest.mark.parametrize("section", ["check", "tool.netscope.check"])
def test_a_file_of_netscopes_own_needs_no_prefix(project, section):
    folder = project(f"[{section}.x]\nmodel = 'lenet5'\nparams = 1\n", "netscope.toml")
    path, (only,) = find_checks(folder)
    assert (path.name, only.name, only.location.line) == ("netscope.toml", "x", 1)


def test_checks_in_two_files_are_an_error(project):
    project(PROJECT)
    folder = project("[check.x]\nmodel = 'lenet5'\nparams = 1\n", "netscope.toml")
    with pytest.raises(ConfigError, match=r"both netscope.toml and pyproject.toml have checks"):
        find_checks(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[chekc.b]\nmodel = 'a'\n", r"netscope.toml:1: chekc: unknown section; did you mean check"),
        ("[tool.netscope.chek.b]\nmodel = 'a'\n", r"netscope.toml:1: tool.netscope.chek: unknown section"),
        ("[check.a]\n[tool.netscope.check.b]\n", r"both \[check\] and \[tool.netscope.check\]"),
        ("a = " + "[" * 2000, r"netscope.toml: "),
        ("a = " + "9" * 5000, r"netscope.toml: "),
    ],
)
def test_an_unknown_section_is_reported(project, text, message):
    with pytest.raises(ConfigError, match=message):
        find_checks(project(text, "netscope.toml"))


def test_a_byte_order_mark_and_odd_line_separators_change_nothing(project):
    folder = project("\ufeff# a\u2028b\x85c\r\n" + PROJECT.replace("\n", "\r\n"))
    assert [rule.location.line for rule in find_checks(folder)[1][0].rules] == [8, 9, 9, 10, 17]


def test_the_file_is_found_from_below(project):
    below = project(PROJECT) / "a" / "b"
    below.mkdir(parents=True)
    assert [request.name for request in find_checks(below)[1]] == ["alexnet", "other one"]


def test_a_repository_ends_the_way_up(project):
    inner = project(PROJECT) / "repository"
    (inner / ".git").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no checks found in pyproject\.toml or netscope\.toml"):
        find_checks(inner)


X = '[tool.netscope.check.x]\nmodel = "lenet5"\n'
MISTAKES = {
    "[tool.netscope.check.x]\nparams = 1\n": r"pyproject.toml:1: tool.netscope.check.x: model = .* must name",
    "[tool.netscope.check.x]\nmodel = 3\nparams = 1\n": r"pyproject.toml:2: .*\.x\.model: model = ",
    X + "parms = 1\n": r"pyproject.toml:3: .*\.x\.parms: unknown key 'parms'; did you mean params",
    X + "params = {maximum = 1}\n": r"toml:3: .*params\.maximum: unknown bound 'maximum'; did you mean max",
    X + "params = {}\n": r"toml:3: .*params: missing bound; available: equal, max, min, warn, max_increase",
    X + "params = 'lots'\n": r"toml:3: .*params: invalid number 'lots'",
    X + "params = true\n": r"toml:3: .*params: invalid number True",
    X + "params = 1.5\n": r"toml:3: .*params: invalid number 1.5",
    X + "output_shape = {max = '1x2'}\n": r"toml:3: .*output_shape\.max: the bound of a shape must be equal",
    X + "lock = 'yes'\n": r"toml:3: .*lock: lock must be true, false or",
    X + "lock = 1\n": r"toml:3: .*lock: lock must be true, false or \{ modes = \[.eval., .train.\] \}, not 1",
    X + "lock = {}\n": r"toml:3: .*lock: lock must be true, false or",
    X + "lock = {mode = 'train'}\n": r"toml:3: .*lock\.mode: unknown key 'mode'; did you mean modes",
    X + "lock = {modes = 'train'}\n": r"toml:3: .*lock\.modes: modes must be an array",
    X + "lock = {modes = []}\n": r"toml:3: .*lock\.modes: modes must be an array",
    X + "lock = {modes = ['eval', 'trains']}\n": r"toml:3: .*modes: unknown mode 'trains'; did you mean train\?*",
    X + "[tool.netscope.check.x.lock]\nmodes = [3]\n": r"toml:4: .*lock\.modes: unknown mode 3",
    X + "params = 1\ninput = 3\n": r"toml:4: .*input: input must be",
    X + "params = 1\nbatch_size = '2'\n": r"toml:4: .*batch_size: batch_size must be an integer",
    X: r"toml:1: .*\.x: this check has no rules, so it can never fail; add a rule or lock = true",
    X + "params = '62.000'\n": r"toml:3: .*params: ambiguous number '62.000'; write an integer, or a decimal with",
    X + "memory = {max = '2.000B'}\n": r"toml:3: .*memory\.max: ambiguous number '2.000B'; .* e\.g\. 300MB or 300MiB",
    X + "params = {min = 0}\n": r"toml:3: .*params\.min: a minimum of 0 always holds",
    X + "params = {min = '0M'}\n": r"toml:3: .*params\.min: a minimum of 0 always holds",
    X + "params = {max = -1}\n": r"toml:3: .*params\.max: -1 is negative",
    X + "params = {max_increase = -1}\n": r"toml:3: .*params\.max_increase: an increase cannot be negative, got -1;",
    X + "params = {max_increase = '-1%'}\n": r"toml:3: .*max_increase: an increase cannot be negative, got -1%;",
    X + "params = {warn = 5}\n": r"toml:1: .*\.x: this check only warns, so it can never fail; add max",
    X + "layers.a.params = {warn = 5}\n": r"toml:1: .*\.x: this check only warns, so it can never fail",
    X + "params = {warn = 5, max = 5}\n": r"toml:3: .*params\.warn: this can never warn, because max fails first",
    X + "params = {base = true}\n": r"toml:3: .*params: missing bound; available: equal, max, min, warn, max_increase",
    X + "params = {max = 5, base = true}\n": r"toml:3: .*params\.base: base is for max_increase; add max_increase",
    X
    + "params = {max_increase = 5, base = 'main'}\n": r"toml:3: .*params\.base: base must be true or false, not 'main'",
    X + "params = {max_increase = 5, bas = true}\n": r"toml:3: .*params\.bas: unknown bound 'bas'; did you mean base",
    X + "layers = 3\n": r"toml:3: .*layers: layers must be a table",
    X + "\n\n[tool.netscope.check.x.layers.'a.*']\nparas = 1\n": r"toml:6: .*a\.\*\.paras: unknown metric 'paras'",
    X + "layers.a = 3\n": r"toml:3: .*layers\.a: this must be a table of rules",
    X + "layers.a = {}\n": r"toml:3: .*layers\.a: this table can never fail; add a rule",
    "[tool.netscope]\ncheck = 3\n": r"toml:2: tool.netscope.check must be a table of checks",
    "[tool.netscope.check]\nx = 3\n": r"toml:2: .*check\.x: a check must be a table",
    "[tool\n": r"pyproject.toml: .*line 1",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_reported_with_file_line_and_key(project, text):
    with pytest.raises(ConfigError, match=MISTAKES[text]):
        find_checks(project(text))


def test_a_missing_or_binary_file_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.toml: No such file"):
        find_checks(tmp_path, tmp_path / "no.toml")
    (tmp_path / "pyproject.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="codec can't decode"):
        find_checks(tmp_path)


def test_rules_from_python_are_read_as_strictly():
    (rule,) = parse_rules({}, {"a.*": {"params": {"max": 3}}})
    assert (rule.pattern, rule.bound, rule.limit) == ("a.*", "max", 3)
    with pytest.raises(ConfigError, match="unknown metric 'max_params'; did you mean params"):
        parse_rules({"max_params": 3})
    with pytest.raises(ConfigError, match=r"^layers.a: this must be a table of rules, not 3$"):
        parse_rules({}, {"a": 3})
    with pytest.raises(ConfigError, match=r"^layers.a: this table can never fail; add a rule"):
        parse_rules({"params": 3}, {"a": {}})
    with pytest.raises(ConfigError, match=r"^params.min: a minimum of 0 always holds"):
        parse_rules({"params": {"min": 0}})
    with pytest.raises(ConfigError, match=r"^layers: layers must be a table"):
        parse_rules({}, [])


def test_a_warning_may_stand_beside_whatever_can_fail(project):
    for beside in ("lock = true", "flops = {max = 5}", "layers.a.params = 3"):
        (request,) = find_checks(project(f"{X}params = {{warn = 5}}\n{beside}\n"))[1]
        assert request.rules[0].bound == "warn"


def test_an_increase_is_measured_from_the_base_where_it_says_so(project):
    (request,) = find_checks(
        project(X + 'params = {max_increase = "1%", max = 5, base = true}\nflops = {max_increase = 3}\n')
    )[1]
    assert [(rule.metric, rule.bound, rule.from_base) for rule in request.rules] == [
        ("params", "max_increase", True),
        ("params", "max", False),
        ("flops", "max_increase", False),
    ]


RULES = 'model = "lenet5"\nparams = 3\n'
LOOKALIKES = {
    "[tool.netscop.check.a]\n": "tool.netscop.check",
    "[tool.netscope.Check.a]\n": "tool.netscope.Check",
    "[tool.netscope.checks.a]\n": "tool.netscope.checks",
    "[tools.netscope.check.a]\n": "tools.netscope",
    "[Tool.netscope.check.a]\n": "Tool.netscope",
    "[tools.netscop.check.a]\n": "tools.netscop.check",
    "[tool.Netscope.check.a]\n": "tool.Netscope",
    "[tool.NETSCOPE.a]\n": "tool.NETSCOPE",
    "[tool.net-scope.check.a]\n": "tool.net-scope",
    "[tool.netscop.a]\n": "tool.netscop",
    "[netscope.check.a]\n": "netscope",
    "[check.a]\n": "check",
    "[chekc.a]\n": "chekc",
    "[tool.check.a]\n": "tool.check",
    "[tool.netscope-check.a]\n": "tool.netscope-check",
    "[tool.netscope_check.a]\n": "tool.netscope_check",
    '["tool.netscope.check.a"]\n': '"tool.netscope.check.a"',
    '[tool."netscope.check.a"]\n': 'tool."netscope.check.a"',
    '[tool."netscope.check".a]\n': 'tool."netscope.check"',
    '[tool.netscope."check.a"]\n': "tool.netscope.check.a",
    "[[tools.netscope.check]]\n": "tools.netscope",
}


@pytest.mark.parametrize("beside", ["", X + "params = 3\n\n"], ids=["alone", "beside a good one"])
@pytest.mark.parametrize("section", LOOKALIKES)
def test_a_section_that_nearly_has_the_name_is_reported(project, section, beside):
    line = beside.count("\n") + 1
    with pytest.raises(ConfigError, match=r"unknown section; did you mean (tool\.netscope\.)?check\?") as error:
        find_checks(project(beside + section + RULES))
    assert str(error.value).startswith(f"pyproject.toml:{line}: {LOOKALIKES[section]}: ")


def test_a_section_that_nearly_has_the_name_is_reported_in_a_file_of_any_name(project, tmp_path):
    project("[check.a]\n" + RULES + "[tool.netscop.check.b]\n" + RULES, "ours.toml")
    with pytest.raises(ConfigError, match=r"^ours.toml:4: tool\.netscop\.check: unknown section"):
        find_checks(tmp_path, tmp_path / "ours.toml")


TOOLS = """
autoflake bandit basedpyright black briefcase bumpversion cibuildwheel check-manifest check-wheel-contents codespell
commitizen conda-lock coverage cython-lint deptry dephell django-stubs docformatter flake8 flit fawltydeps git-cliff
hatch import-linter importlinter interrogate isort jupytext kedro maturin meson-python mutmut mypy netlify
nbqa nitpick numpydoc_validation pdm pixi poe poetry pydantic-mypy pyproject-fmt pylint pyright pytest pytest-enabler
refurb rstcheck ruff scikit-build semantic_release setuptools setuptools_scm slotscheck sphinx taskipy telescope
towncrier tox twine typeshed ty unasync uv vulture versioningit yapf zest-releaser
""".split()  # noqa: SIM905 - a list to read


@pytest.mark.parametrize("tool", TOOLS)
def test_no_other_tools_section_is_taken_for_one(project, tool):
    """Whatever it has inside: a section check, a table with a model, or something named netscope."""
    sections = (
        f"[tool.{tool}.check.a]\n" + RULES,
        f"[tool.{tool}.a]\n" + RULES,
        f"[tool.{tool}.netscope]\ncheck = 'x'\n",
    )
    _, (only,) = find_checks(project(X + "params = 3\n" + "".join(sections)))
    assert only.name == "x"


def test_no_task_or_dependency_called_netscope_is_taken_for_a_section(project):
    text = """
        [project]
        dependencies = ["netscope"]
        optional-dependencies.netscope = ["netscope"]
        [project.scripts]
        netscope-check = "x:y"
        [dependency-groups]
        netscope = ["netscope"]
        [tool.uv.sources.netscope]
        git = "x"
        [tool.poetry.group.netscope.dependencies]
        netscope = "*"
        [tool.poe.tasks.netscope.check]
        cmd = "netscope check"
        [tool.pdm.scripts]
        netscope-check = {cmd = "netscope check"}
        [[tool.mypy.overrides]]
        module = "netscope.*"
        [tool.check]
        strict = true
        [check]
        model = "x"
        """
    assert len(find_checks(project(X + "params = 3\n" + text))[1]) == 1


def test_the_modes_of_the_lock_are_read(project):
    _, (request,) = find_checks(project(X + "lock = { modes = ['train', 'eval'] }\n"))
    assert (request.lock, request.lock_modes) == (True, ("train", "eval"))
    assert request.entry_names == {"train": "x in train mode", "eval": "x"}
    assert parse_lock(value=True) == (True, ())
    with pytest.raises(ConfigError, match=r"^lock.modes: unknown mode 'test'"):
        parse_lock({"modes": ["test"]})


# The lock file


def locked_model(name="m", params=3):
    layer = LockedLayer(
        path="层", type="Linear", hyperparameters={"bias": None, "size": (1, 2)}, calls=1, outputs=((1, 2),),
        own={"params": params, "flops": 2**60}, tensors=(), reads_from=("<x>",), computation="a-b",
    )  # fmt: skip
    metrics = {"params": params, "output_shape": (1, 2)}
    return LockedModel(
        model=name,
        inputs=("x=1x2:float32",),
        mode="eval",
        traced_on="meta",
        torch="2.6.0",
        metrics=metrics,
        layers=(layer, layer),
    )


def test_the_lock_file_comes_back_as_it_was(tmp_path):
    lock = Lock(models={"b": locked_model(), "a\nb": locked_model("n")})
    path = tmp_path / "netscope.lock"
    write_lock(path, lock)
    assert read_lock(path) == lock
    assert not list(tmp_path.glob(".*"))


def test_the_lock_file_has_its_models_by_name_and_a_line_for_each_layer():
    lines = format_lock(Lock(models={"b": locked_model(), "a": locked_model()})).splitlines()
    assert [line.strip() for line in lines if line.startswith('  "') and line.endswith('": {')] == ['"a": {', '"b": {']
    assert sum(line.startswith('    ["层", ') for line in lines) == 4


def test_the_lock_file_has_equal_layers_once_and_does_not_depend_on_the_order_of_models():
    models = {f"m{number}": locked_model(params=number % 2) for number in range(10)}
    text = format_lock(Lock(models=models))
    assert text.count('"type": "Linear"') == 2
    assert text == format_lock(Lock(models=dict(reversed(models.items()))))


def test_a_changed_layer_is_one_line_of_its_model_and_one_of_content():
    before, after = (Lock(models={"a": locked_model(params=params), "b": locked_model()}) for params in (3, 4))
    added = [line for line in format_lock(after).splitlines() if f"{line.strip(',')}" not in format_lock(before)]
    assert [line.strip()[:4] for line in added] == ['"5e3', '"met', '["层"', '["层"']


def test_the_lock_file_shows_lone_surrogates_as_escapes(tmp_path):
    path = tmp_path / "netscope.lock"
    write_lock(path, Lock(models={"a\udc80": locked_model("m\udc80")}))
    assert read_lock(path) == Lock(models={r"a\udc80": locked_model(r"m\udc80")})


def test_no_lock_file_is_an_empty_one(tmp_path):
    assert read_lock(tmp_path / "netscope.lock") == Lock(models={})


def test_new_entries_replace_old_ones_and_removed_ones_are_left_out():
    lock = Lock(models={"a": locked_model("old"), "b": locked_model(), "c": locked_model()})
    result = update_lock(lock, {"a": locked_model("new")}, removed={"c"})
    assert {name: model.model for name, model in result.models.items()} == {"a": "new", "b": "m"}


def test_entries_of_two_counting_conventions_are_not_mixed():
    old = Lock(counting=0, models={"a": locked_model(), "b": locked_model()})
    with pytest.raises(ConfigError, match="another counting convention"):
        update_lock(old, {"a": locked_model()})
    assert update_lock(old, {"a": locked_model(), "b": locked_model()}).counting == COUNTING_VERSION


@pytest.mark.parametrize(
    "change",
    [
        {"layers": ()},
        {"inputs": ("x=foo:float32",)},
        {"layers": (replace(locked_model().layers[0], own={"params": -5}),)},
    ],
)
def test_a_lock_file_edited_into_nonsense_is_damaged(tmp_path, change):
    model = locked_model()
    write_lock(tmp_path / "netscope.lock", Lock(models={"a": replace(model, **change)}))
    with pytest.raises(ConfigError, match=r"netscope.lock is damaged"):
        read_lock(tmp_path / "netscope.lock")


@pytest.mark.parametrize("text", ["", "{}", '{"netscope_lock": 2, "counting": "1", "layers": {}, "models": {}}'])
def test_a_damaged_lock_file_is_reported(tmp_path, text):
    path = tmp_path / "netscope.lock"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"netscope.lock is damaged .*netscope check --update"):
        read_lock(path)


def test_a_lock_file_without_the_content_of_a_layer_is_damaged(tmp_path):
    text = format_lock(Lock(models={"a": locked_model()}))
    lines = [line for line in text.splitlines() if '"type"' not in line]
    (tmp_path / "netscope.lock").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"netscope.lock is damaged \(no line describes the layer"):
        read_lock(tmp_path / "netscope.lock")


def git(folder, *arguments, ok=True):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=ok, capture_output=True)


@pytest.mark.parametrize("side", ["--ours", "--theirs"])
def test_a_merge_conflict_is_named_with_its_line_and_the_way_out_works(tmp_path, side):
    path = tmp_path / "netscope.lock"

    def commit(params, message):
        write_lock(path, Lock(models={"a": locked_model(params=params)}))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", message)

    git(tmp_path, "init")
    commit(3, "base")
    git(tmp_path, "checkout", "-b", "feature")
    commit(4, "feature")
    git(tmp_path, "checkout", "main")
    commit(5, "main")
    git(tmp_path, "merge", "feature", ok=False)
    line = path.read_text(encoding="utf-8").splitlines().index("<<<<<<< HEAD") + 1
    with pytest.raises(ConfigError, match=rf"netscope.lock:{line}: .*git checkout --ours netscope.lock.*--update"):
        read_lock(path)
    git(tmp_path, "checkout", side, "netscope.lock")
    assert read_lock(path).models["a"].metrics["params"] == (5 if side == "--ours" else 4)
    write_lock(path, update_lock(read_lock(path), {"a": locked_model(params=6)}))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "merged")
    assert read_lock(path).models["a"].metrics["params"] == 6


def test_a_lock_file_of_another_version_is_reported(tmp_path):
    path = tmp_path / "netscope.lock"
    path.write_text('{"netscope_lock": 9, "models": [{"unlike": "this version"}]}', encoding="utf-8")
    with pytest.raises(ConfigError, match="has version 9"):
        read_lock(path)


def test_a_lock_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "netscope.lock"
    path.mkdir()
    with pytest.raises(OutputError, match=r"netscope.lock: "):
        write_lock(path, Lock(models={}))
    assert list(tmp_path.iterdir()) == [path]
