"""Shared by all tests: golden files, and their switch; and that no test depends on how fast it runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

GUARD_S = 600
"""After which something hangs: no measure of anything, and far more than it ever takes."""

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with what comes out now")


def pytest_configure(config):
    # torchvision's, of googlenet and inception_v3: whoever calls netscope gets the warnings of what it builds.
    config.addinivalue_line("filterwarnings", "ignore:The default weight initialization:FutureWarning")


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
def wait_until():
    """Waits until a condition holds."""

    def wait(holds):
        hangs_at = time.monotonic() + GUARD_S
        while not holds():
            assert time.monotonic() < hangs_at, "it hangs"
            time.sleep(0.02)

    return wait


@pytest.fixture
def no_torch():
    """Runs a statement in a fresh interpreter and fails if it imported torch."""

    def run(statement):
        check = f"import sys\n{statement}\nassert 'torch' not in sys.modules, 'torch was imported'"
        finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr

    return run
