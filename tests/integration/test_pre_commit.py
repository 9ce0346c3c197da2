"""The hook for pre-commit, installed into a repository and run by its commits."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest
import yaml

from .conftest import GIT_ENVIRONMENT, NETSCOPE

pytest.importorskip("pre_commit", reason="pre-commit is not installed")

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"

CONFIG = """
repos:
  - repo: {path}
    rev: {revision}
    hooks:
      - id: netscope-check
"""

CHECKS = """
[tool.netscope.check.lenet]
model = "lenet5"
params = {params}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return {
        **GIT_ENVIRONMENT,
        "PATH": os.pathsep.join([str(NETSCOPE.parent), os.environ["PATH"]]),
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "PRE_COMMIT_COLOR": "never",
    }


@pytest.fixture(scope="module")
def repository(new_repository, environment):
    """With netscope's hook, from a repository of netscope's that has no more than that."""
    ours = new_repository()
    copy(HOOKS, ours.path)
    revision = ours.commit({})
    repository = new_repository()
    repository.commit({".pre-commit-config.yaml": CONFIG.format(path=ours.path, revision=revision)})
    install = [sys.executable, "-m", "pre_commit", "install", "--install-hooks"]
    subprocess.run(install, cwd=repository.path, env=environment, check=True, capture_output=True)
    return repository


@pytest.fixture
def commit(repository, environment):
    """Commits a file; what the hook said."""

    def committed(name, text):
        repository.write({name: text})
        repository.git("add", name)
        command = ["git", "commit", "--message", "x"]
        return subprocess.run(
            command, cwd=repository.path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )

    return committed


@pytest.mark.parametrize(("params", "code"), [(61_706, 0), (61_705, 1)])
def test_a_commit_is_refused_if_a_rule_does_not_hold(commit, params, code):
    finished = commit("pyproject.toml", CHECKS.format(params=params))
    assert finished.returncode == code, finished.stderr
    said = " ".join(finished.stderr.split())
    assert f"..{'Failed' if code else 'Passed'}" in said
    assert ("61,706 parameters, expected 61,705: 1 too many" in said) == bool(code)


def test_a_commit_without_python_or_rules_is_none_of_its_business(repository, commit):
    repository.git("reset", "--hard", "--quiet")
    finished = commit("README.md", "text")
    assert finished.returncode == 0
    assert "(no files to check)Skipped" in finished.stderr


@pytest.mark.parametrize(
    ("name", "is_covered"),
    [
        ("src/models.py", True),
        ("configs/net.json", True),
        ("configs/net.yaml", True),
        ("configs/net.yml", True),
        ("configs/net.toml", True),
        ("services/a/pyproject.toml", True),
        ("netscope.lock", True),
        ("services/a/netscope.lock", True),
        ("uv.lock", False),
        ("notes.md", False),
        ("json", False),
    ],
)
def test_the_hook_runs_for_whatever_may_change_a_model(name, is_covered):
    (hook,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    assert bool(re.search(hook["files"], name)) == is_covered
