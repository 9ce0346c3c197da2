"""The pytest plugin: the ``netscope`` marker, the ``netscope_check`` fixture, and ``--netscope-update``.

Every run of pytest loads it if netscope is installed, so modules are imported when they are used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from netscope.schema import CheckReport, LockedModel

_UPDATES = pytest.StashKey[dict[str, "LockedModel"]]()
_CHECKED = pytest.StashKey[list[str]]()
_WORKER_KEY = "netscope_lock"
_RULES = "rules as in a project's check: metrics with their limits, layers, and lock"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--netscope-update``."""
    parser.getgroup("netscope").addoption(
        "--netscope-update",
        action="store_true",
        help="write the current state of architectures checked with lock=True to netscope.lock",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        f"netscope(model=None, *, input=None, lock=False, layers=None, **metrics): {_RULES}. A model given here is "
        "checked before the test; otherwise the test passes one to netscope_check",
    )
    config.stash[_UPDATES] = {}


@pytest.fixture
def netscope_check(request: pytest.FixtureRequest) -> Callable[..., "CheckReport"]:
    """Returns ``netscope_check(model, **rules)``, which fails the test if the architecture violates a rule.

    The function takes a module, a summary or an architecture's name; ``input``, ``lock``, ``layers``, any metric with
    its limit, and the options of ``netscope.summarize``. ``name`` is the name of the lock file's entry, by default the
    test's. The rules of the markers without a model hold as well.
    """

    def check(model: Any, **rules: Any) -> "CheckReport":
        __tracebackhide__ = True
        shared = [given for named, given in _list_markers(request.node) if named is None]
        return _check(request.node, model, [*shared, rules])

    return check


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Checks the models of the test's markers before it, and fails a marked test that checked nothing."""
    markers = _list_markers(item)
    if not markers:
        yield
        return
    item.stash[_CHECKED] = []
    shared = [rules for model, rules in markers if model is None]
    for model, rules in markers:
        if model is not None:
            _check(item, model, [*shared, rules])
    status: Any = yield
    if not item.stash[_CHECKED] and status.excinfo is None:
        status.force_exception(
            pytest.fail.Exception(
                "this test is marked netscope but checked nothing; pass a model to the marker, or call netscope_check",
                pytrace=False,
            )
        )


def _list_markers(item: pytest.Item) -> list[tuple[Any, dict[str, Any]]]:
    """Returns the model, if it has one, and the rules of each marker: the module's, the class's, then the test's."""
    found = []
    for marker in reversed(list(item.iter_markers("netscope"))):
        if len(marker.args) > 1:
            pytest.fail(
                f"netscope: the marker takes one positional argument, the model, got {marker.args!r}", pytrace=False
            )
        rules = dict(marker.kwargs)
        found.append((marker.args[0] if marker.args else rules.pop("model", None), rules))
    return found


def _check(item: pytest.Item, model: Any, given: Sequence[Mapping[str, Any]]) -> "CheckReport":
    """Returns the report if all rules pass.

    Raises:
        Failed: a rule fails or is invalid.
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
        # Not chained, as pytest would print the message of the cause too, which is the same.
        raise pytest.fail.Exception(f"netscope: {error}", pytrace=False) from None
    updates = item.config.stash[_UPDATES]
    for name, architecture in locked.items():
        if updates.setdefault(name, architecture) != architecture:
            pytest.fail(
                f"netscope: the lock file cannot have two architectures named {name!r}; pass a different name='…'",
                pytrace=False,
            )
    if not report.passed:
        pytest.fail(f"netscope: {report}", pytrace=False)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the lock file; a worker of pytest-xdist passes its entries to the main process."""
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
    """Collects the lock file's entries of a worker of pytest-xdist."""
    text = getattr(node, "workeroutput", {}).get(_WORKER_KEY)
    if text:
        from netscope import config

        node.config.stash[_UPDATES] |= config.read_lock_text(text).models
