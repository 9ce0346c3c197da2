"""The process as a whole: start-up without torch, interrupts."""

import os
import signal
import subprocess
import sys

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


LEAVES = """
import os
from torch import nn

class Leaves(nn.Linear):
    def __init__(self, code):
        super().__init__(4, 2)
        self.code = code

    def forward(self, x):
        os._exit(self.code)

class ForksOneThatLeaves(Leaves):
    def forward(self, x):
        child = os.fork()
        if not child:
            os._exit(self.code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == self.code
        return nn.Linear.forward(self, x)
"""


@pytest.mark.skipif(os.name != "posix", reason="forks")
@pytest.mark.parametrize(
    ("name", "code", "expected", "error"),
    [
        ("Leaves", 0, 3, "netscope: the model ended the process with exit code 0 before it answered\n"),
        ("Leaves", 1, 3, "netscope: the model ended the process with exit code 1 before it answered\n"),
        ("ForksOneThatLeaves", 5, 0, ""),
    ],
)
def test_the_exit_of_a_model_is_no_answer(tmp_path, name, code, expected, error):
    """0 and 1 of ``diff`` mean that two architectures are the same, or not."""
    (tmp_path / "models.py").write_text(LEAVES, encoding="utf-8")
    model = f"models.py:{name}@code={code}"
    command = [sys.executable, "-m", "netscope", "diff", model, model, "--input", "1x4"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (expected, error)
    assert bool(finished.stdout) == (expected == 0)


SLEEPER = """
import time
from torch import nn

class Sleeps(nn.Module):
    def forward(self, x):
        open("reached.txt", "w").close()
        time.sleep(6000)
        return x
"""

SLEEPS_WHILE_WRITING = """
import os, sys, time

def fsync(_):
    open("reached.txt", "w").close()
    time.sleep(6000)

os.fsync = fsync
from netscope.__main__ import main
main()
"""

MOMENTS = {
    "tracing": ("-m", "netscope", "summary", "my.py:Sleeps", "-i", "1", "-o", "old.json"),
    "writing": ("-c", SLEEPS_WHILE_WRITING, "summary", "lenet5", "-o", "old.json"),
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_ends_with_its_code_and_leaves_the_old_file(tmp_path, wait_until, moment, number, code):
    (tmp_path / "my.py").write_text(SLEEPER)
    (tmp_path / "old.json").write_text("old")
    process = subprocess.Popen(
        [sys.executable, *MOMENTS[moment]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    wait_until(lambda: (tmp_path / "reached.txt").exists() or process.poll() is not None)
    # Python loses a signal that comes just before a system call which would otherwise be interrupted by it.
    wait_until(lambda: process.send_signal(number) or process.poll() is not None)
    out, err = process.communicate()
    assert process.returncode == code
    assert (out, err) == (b"", b"")
    assert (tmp_path / "old.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.py", "old.json", "reached.txt"]


def test_an_interrupt_in_the_middle_of_an_import_is_as_quiet():
    code = (
        "import signal, sys, types\n"
        "from netscope import __main__\n"
        "sys.modules['netscope.cli.output'] = types.ModuleType('half-imported')\n"
        "__main__._exit_on_signal(signal.SIGINT, None)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (130, b"", b"")
