"""Names of packages that are imported when they are first used."""

import ast
import inspect
import pkgutil
from importlib import import_module

import pytest

PACKAGES = [
    "netscope",
    "netscope.analysis",
    "netscope.render",
    "netscope.schema",
    "netscope.schema.bench",
    "netscope.sources",
]


def imported_for_type_checkers(package):
    block = next(node for node in ast.parse(inspect.getsource(package)).body if isinstance(node, ast.If))
    return {(node.module, alias.asname) for node in block.body for alias in node.names}


@pytest.mark.parametrize("name", PACKAGES)
def test_all_that_a_package_promises_is_there(name):
    package = import_module(name)
    assert all(hasattr(package, promised) for promised in package.__all__)
    assert set(package.__all__) - {"__version__"} == {name for _, name in imported_for_type_checkers(package)}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_comes_from_where_type_checkers_see_it(name):
    package = import_module(name)
    for module, promised in imported_for_type_checkers(package):
        assert getattr(package, promised) is getattr(import_module(module), promised)


@pytest.mark.parametrize("name", PACKAGES)
def test_no_name_is_that_of_a_module_which_would_take_its_place(name):
    package = import_module(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules.isdisjoint(package.__all__)


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match=r"'netscope\.schema' has no attribute 'Nothing'"):
        import_module("netscope.schema").Nothing  # noqa: B018


def test_a_part_is_imported_without_the_others(no_torch):
    no_torch(
        "from netscope.schema import Summary; import sys; assert 'netscope.schema.bench.result' not in sys.modules"
    )
