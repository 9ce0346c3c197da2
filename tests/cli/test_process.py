"""The process as a whole: start-up without torch, interrupts."""

import os
import signal
import subprocess
import sys
import time

import pytest

import netscope


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_need_no_torch(no_torch, option):
    no_torch(
        f"from netscope.cli.app import run\n"
        f"assert run([{option!r}]) == 0\n"
        f"assert run(['summary', '--help']) == 0\n"
        f"assert not {{'numpy', 'pandas', 'torchvision'}} & set(sys.modules)"
    )


def test_a_built_in_needs_no_torchvision():
    check = (
        "import sys, netscope\nnetscope.summarize('alexnet')\n"
        "assert not {'torchvision', 'torchinfo', 'fvcore', 'timm', 'transformers', 'pandas'} & set(sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_the_version_is_the_packages():
    finished = subprocess.run(
        [sys.executable, "-m", "netscope", "--version"], capture_output=True, text=True, check=True
    )
    assert finished.stdout == f"netscope {netscope.__version__}\n"


SLEEPER = """
import time
from torch import nn

class Sleeps(nn.Module):
    def forward(self, x):
        open("running", "w").close()
        time.sleep(60)
        return x
"""


def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path):
    (tmp_path / "my.py").write_text(SLEEPER)
    (tmp_path / "old.json").write_text("old")
    process = subprocess.Popen(
        [sys.executable, "-m", "netscope", "summary", "my.py:Sleeps", "-i", "1", "-o", "old.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "running").exists():
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == (b"", b"")
    assert (tmp_path / "old.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["my.py", "old.json"]
