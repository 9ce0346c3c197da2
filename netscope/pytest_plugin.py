"""netscope in pytest: the ``netscope`` marker, the ``netscope_check`` fixture, and ``--netscope-update``.

Loaded by every run of pytest where netscope is installed, so nothing is imported before it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from netscope.schema import CheckReport, LockedModel

_UPDATES = pytest.StashKey[dict[str, "LockedModel"]]()
_CHECKED = pytest.StashKey[list[str]]()
_WORKER_KEY = "netscope_lock"
_RULES = "the rules of a check in the project's file: metrics with their limits, layers, and lock"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--netscope-update``."""
    parser.getgroup("netscope").addoption(
        "--netscope-update",
        action="store_true",
        help="write the architectures that have to be as netscope.lock says into it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        f"netscope(model=None, *, input=None, lock=False, layers=None, **metrics): {_RULES}; with a model it is "
        "checked before the test, otherwise what the test hands to netscope_check",
    )
    config.stash[_UPDATES] = {}


@pytest.fixture
def netscope_check(request: pytest.FixtureRequest) -> Callable[..., "CheckReport"]:
    """``netscope_check(model, **rules)`` fails the test if the architecture does not keep within the rules.

    Args of the function: a module, a summary or an architecture's name; ``input``, ``lock``, ``layers``, any metric
    with its limit, and the options of ``netscope.summarize``. They add to those of the test's marker. ``name`` is that
    of the lock file's entry, by default the test's.
    """

    def checked(model: Any, **rules: Any) -> "CheckReport":
        __tracebackhide__ = True
        marker = request.node.get_closest_marker("netscope")
        given = dict(marker.kwargs) if marker else {}
        given.pop("model", None)
        return _checked(request.node, model, given | rules)

    return checked


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Checks the marker's model before the test; a marked test that checked nothing fails."""
    marker = item.get_closest_marker("netscope")
    if marker is None:
        yield
        return
    given = dict(marker.kwargs)
    if len(marker.args) > 1:
        pytest.fail(f"netscope: the marker takes one model, and the rest by name, not {marker.args!r}", pytrace=False)
    model = marker.args[0] if marker.args else given.pop("model", None)
    item.stash[_CHECKED] = []
    if model is not None:
        _checked(item, model, given)
    status: Any = yield
    if not item.stash[_CHECKED] and status.excinfo is None:
        status.force_exception(
            pytest.fail.Exception(
                "this test is marked netscope but checked nothing: name a model in the marker, or call netscope_check",
                pytrace=False,
            )
        )


def _checked(item: pytest.Item, model: Any, given: Mapping[str, Any]) -> "CheckReport":
    """The report, if all holds.

    Raises:
        Failed: something does not hold, or the rules are not understood.
    """
    __tracebackhide__ = True
    from netscope.api import check as use_case
    from netscope.errors import NetscopeError

    item.stash.setdefault(_CHECKED, []).append(str(model))
    try:
        report, locked = use_case.check_for_test(
            model, given, name=item.nodeid, folder=item.config.rootpath, update=item.config.getoption("netscope_update")
        )
    except NetscopeError as error:
        # Not chained: pytest would print the sentence of the cause as well, which is the same.
        raise pytest.fail.Exception(f"netscope: {error}", pytrace=False) from None
    updates = item.config.stash[_UPDATES]
    for name, architecture in locked.items():
        if updates.setdefault(name, architecture) != architecture:
            pytest.fail(
                f"netscope: the lock file cannot have two architectures of the name {name!r}: give each its own, "
                f"name='…'",
                pytrace=False,
            )
    if not report.passed:
        pytest.fail(f"netscope: {report}", pytrace=False)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the lock file; a worker of pytest-xdist hands its entries to the process that started it."""
    updates = session.config.stash.get(_UPDATES, {})
    if not updates:
        return
    from netscope import config
    from netscope.api import check as use_case
    from netscope.errors import NetscopeError

    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_KEY] = config.format_lock(config.Lock(models=updates))
        return
    try:
        use_case.update_lock(session.config.rootpath, updates)
    except NetscopeError as error:
        pytest.exit(f"netscope: {error}", returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 - the hook's signature
    """Takes over what a worker of pytest-xdist would have written."""
    text = getattr(node, "workeroutput", {}).get(_WORKER_KEY)
    if text:
        from netscope import config

        node.config.stash[_UPDATES] |= config.read_lock_text(text).models
