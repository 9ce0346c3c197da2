"""A command's files have its name on every floor."""

from importlib import import_module
from pathlib import Path

import pytest

from netscope.cli.app import COMMANDS

NO_ANALYSIS = {"bench", "cache", "list"}
"""Commands without analysis of that name: statistics and layer times are named for what they compute."""


@pytest.fixture(scope="module")
def house():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "docs")
        yield import_module("house")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_files_of_its_name_on_every_floor(house, command):
    files = house.modules()
    for floor in ("cli", "api", "schema", *(() if command in NO_ANALYSIS else ("analysis",))):
        assert f"{floor}.{command}" in files
    assert {f"render.{command}", f"render.page.{command}"} & files.keys()


def test_no_file_of_another_name_belongs_to_one_command_alone(house):
    others = {
        module: command
        for module, command in house.owners().items()
        if module.partition(".")[0] in {"cli", "api", "schema"} and house.named_command(module) is None
    }
    assert others == {}, "these belong to one command and must have its name"


def test_a_file_that_one_command_imports_is_found(house):
    owners = house.owners()
    assert owners["render.diff_sentences"] == "diff"
    assert owners["tracing.reference_counters"] == "verify"
    assert "api.saved_results" not in owners
    assert "schema.memory" not in owners
