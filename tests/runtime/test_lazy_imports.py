"""Names of packages that are imported when they are first used."""

import pkgutil
from importlib import import_module

import pytest

from netscope.runtime import lazy_imports

PACKAGES = [
    "netscope",
    "netscope.analysis",
    "netscope.render",
    "netscope.schema",
    "netscope.schema.bench",
    "netscope.sources",
]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_that_a_package_promises_is_there(name):
    package = import_module(name)
    assert all(hasattr(package, promised) for promised in package.__all__)
    assert set(package.__all__) - {"__version__"} == set(lazy_imports._homes(name))


@pytest.mark.parametrize("name", PACKAGES)
def test_no_name_is_that_of_a_module_which_would_take_its_place(name):
    modules = {module.name for module in pkgutil.iter_modules(import_module(name).__path__)}
    assert modules.isdisjoint(lazy_imports._homes(name))


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match=r"'netscope\.schema' has no attribute 'Nothing'"):
        import_module("netscope.schema").Nothing  # noqa: B018


def test_a_part_is_imported_without_the_others(no_torch):
    no_torch(
        "from netscope.schema import Summary; import sys; assert 'netscope.schema.bench.result' not in sys.modules"
    )
