"""Shared by all tests: golden files, and their switch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with what comes out now")


@pytest.fixture(autouse=True, scope="session")
def _no_cache():
    """Answers that were given before are no test of what gives them: the cache is in no folder that could be made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETSCOPE_CACHE_DIR", f"{os.devnull}/none")
        yield


@pytest.fixture
def golden(request):
    """Compares a text with the golden file of that name, or rewrites the file under ``--update-golden``."""

    def compare(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def no_torch():
    """Runs a statement in a fresh interpreter and fails if it imported torch."""

    def run(statement):
        check = f"import sys\n{statement}\nassert 'torch' not in sys.modules, 'torch was imported'"
        finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr

    return run
