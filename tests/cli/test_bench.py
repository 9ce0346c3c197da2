"""``netscope bench`` on the command line: real processes, measured as briefly as possible."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from netscope.api.bench.executors import SubprocessExecutor
from netscope.cli.app import run
from netscope.cli.bench.display import Display, handle_interrupts
from netscope.schema import BenchReport
from tests.cli.test_bad_input import ask

MODELS = """
    import torch
    from torch import nn

    class Greedy(nn.Linear):
        def __init__(self, most=5):
            super().__init__(8, 8)
            self.most = most

        def forward(self, x):
            if not x.is_meta and x.shape[0] > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")
            return super().forward(x)

    class Hungry(nn.Linear):
        def __init__(self):
            super().__init__(8, 8)

        def forward(self, x):
            if not x.is_meta:
                torch.empty(2**44, dtype=torch.uint8)
            return super().forward(x)

    class Frozen(nn.Linear):
        def __init__(self):
            super().__init__(8, 8)

        def forward(self, x):
            return super().forward(x).argmax(1)

    class Breaks(nn.Linear):
        def __init__(self):
            super().__init__(8, 8)

        def forward(self, x):
            if not x.is_meta:
                raise ValueError("not today")
            return super().forward(x)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(dedent(MODELS))
    return tmp_path


WIDE = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
"""So that no line of what is printed is folded."""


def bench(*arguments, module="netscope", **environment):
    """The finished process."""
    return subprocess.run(
        [sys.executable, "-m", module, "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**WIDE, **environment},
    )


SHORT = ("--max-time", "0.2")

USAGE_ERRORS = {
    "batch 0": (("lenet5", "-b", "0"), 2, "the batch size must be an integer of at least 1"),
    "unknown dtype": (("lenet5", "--dtype", "fp8"), 2, "unknown dtype 'fp8'; use fp32, tf32, bf16, fp16"),
    "unknown device": (("lenet5", "--device", "tpu"), 2, "unknown device 'tpu'"),
    "compile mode": (("lenet5", "--compile", "max-autotun"), 2, "did you mean max-autotune"),
    "missing folder": (("lenet5", "-o", "no/x.json"), 2, "-o no/x.json: folder"),
    "self-test": (("lenet5", "--selftest"), 2, "cannot be used with an architecture"),
    "format": (("lenet5", "-f", "yaml"), 2, "unknown format 'yaml'"),
    "no earlier run": (("lenet5", "--compare", "no.json"), 2, "file 'no.json' not found"),
    "not a report": (("lenet5", "--compare", "my.py"), 2, "not a saved netscope result"),
    "unknown name": (("resnt50",), 2, "did you mean resnet50"),
    "dtype that the device lacks": (("lenet5", "--dtype", "tf32", "--device", "cpu"), 3, "on the CPU use fp32, bf16"),
    "wrong input": (("lenet5", "-i", "1x3x28x28"), 2, "expects 1 input channel, got 3"),
    "cannot be trained": (("my.py:Frozen", "-i", "2x8", "--mode", "train"), 3, "none of its outputs depends on"),
    "fails": (("my.py:Breaks", "-i", "2x8"), 3, "a step of my.py:Breaks failed: ValueError: not today"),
}


@pytest.mark.parametrize("name", USAGE_ERRORS)
@pytest.mark.usefixtures("folder")
def test_a_usage_error_is_one_sentence(name):
    arguments, code, message = USAGE_ERRORS[name]
    got, out, err = ask("bench", *arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "arguments", [("--device", "cuda"), ("--nproc", "2", "--device", "cuda"), ("--selftest", "--device", "cuda")]
)
def test_without_a_gpu(arguments):
    code, out, err = ask("bench", *arguments)
    assert (code, out) == (3, "")
    assert err == "netscope: torch found no CUDA device; use --device cpu to measure on the CPU\n"


def test_help_and_plans_need_no_torch(no_torch):
    no_torch(
        "from netscope.cli.app import run\n"
        "assert run(['bench', '--help']) == 0\n"
        "assert run(['bench', 'lenet5', '-b', '0']) == 2\n"
        "from netscope.api.bench import BenchOptions, BenchRun, plan_bench\n"
        "BenchRun(plan_bench(['lenet5'], BenchOptions()))"
    )


def test_a_file_has_all_results_and_stdout_none(folder):
    finished = bench("lenet5", "-b", "4", *SHORT, "-o", "x.json")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    report = BenchReport.from_json(Path("x.json").read_text())
    assert [(result.config.batch_size, result.samples) for result in report.results] == [(4, 4)]
    assert all(result.is_measured and result.flops for result in report.results)
    assert report.results[0].environment.command.startswith("netscope bench lenet5 -b 4")
    figures = json.loads(Path("x.json").read_text())["figures"]
    assert figures[0]["throughput"] == pytest.approx(report.results[0].throughput)
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"my.py", "x.json"}


@pytest.mark.usefixtures("folder")
def test_running_out_of_memory_is_a_row():
    finished = bench("my.py:Greedy", "-i", "1x8", "-b", "4,8", *SHORT)
    assert finished.returncode == 0, finished.stderr
    rows = [line.split() for line in finished.stdout.splitlines() if line.startswith("my.py:Greedy ")]
    assert rows[0][1] == "4"
    assert rows[1][-1] == "oom"
    assert "oom: my.py:Greedy needs more memory than is available" in " ".join(finished.stdout.split())


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_results_are_shown_even_if_a_later_one_fails():
    Path("late.py").write_text(
        "from torch import nn\n"
        "class Late(nn.Linear):\n"
        "    def __init__(self): super().__init__(8, 8); self.calls = 0\n"
        "    def forward(self, x):\n"
        "        self.calls += not x.is_meta\n"
        "        if self.training and self.calls > 3: raise ValueError('late')\n"
        "        return super().forward(x)\n"
    )
    finished = bench("late.py:Late", "my.py:Greedy", "-i", "2x8", "--mode", "infer,train", *SHORT)
    assert finished.returncode == 3
    assert finished.stdout.count("failed: a step of late.py:Late failed: ValueError: late") == 1
    assert len([line for line in finished.stdout.splitlines() if line.startswith("my.py:Greedy ")]) >= 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")
@pytest.mark.usefixtures("folder")
def test_an_allocation_that_the_machine_cannot_serve_is_a_row():
    finished = bench("my.py:Hungry", "-i", "2x8", *SHORT, "-f", "csv")
    assert finished.returncode == 3
    assert finished.stdout.splitlines()[1].startswith("my.py:Hungry,oom,cpu,")


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_the_lines_of_csv_come_one_by_one(folder):
    (folder / "waits.py").write_text(
        "import os, time\nfrom torch import nn\n"
        "class Waits(nn.Linear):\n"
        "    def __init__(self): super().__init__(2, 2)\n"
        "    def forward(self, x):\n"
        "        while not x.is_meta and len(x) == 2 and not os.path.exists('read.txt'): time.sleep(0.02)\n"
        "        return super().forward(x)\n"
    )
    command = ["bench", "waits.py:Waits", "-i", "1x2", "-b", "1,2", *SHORT, "-f", "csv"]
    with subprocess.Popen([sys.executable, "-m", "netscope", *command], stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        (folder / "read.txt").touch()
        lines += process.stdout
    assert process.returncode == 0
    assert [line.split(",")[3] for line in lines] == ["batch_size", "1", "2"]


@pytest.mark.parametrize("target", ["/dev/full"])
def test_a_full_disk_loses_nothing(target):
    finished = bench("lenet5", *SHORT, "-o", target, "-f", "csv")
    assert finished.returncode == 2
    assert finished.stderr == f"netscope: -o {target}: No space left on device\n"
    assert "Samples/s" in finished.stdout


def test_an_interrupt_ends_with_the_results_so_far(folder, wait_until):
    process = subprocess.Popen(
        [sys.executable, "-m", "netscope", "bench", "lenet5", "-b", "1,2,4", "--max-time", "0.2", "-o", "x.csv"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: Path("x.csv").exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err in ("", "finishing this round of blocks; press Ctrl-C again to exit immediately\n")
    rows = Path("x.csv").read_text().splitlines()[1:]
    assert 1 <= len(rows) <= 2
    assert rows[0].startswith("lenet5,ok,cpu,1,")


def test_an_interrupt_before_the_first_block_ends_it_at_once(folder, wait_until):
    (folder / "slow.py").write_text(
        "import time\nfrom torch import nn\n"
        "class Slow(nn.Linear):\n"
        "    def __init__(self): super().__init__(2, 2)\n"
        "    def forward(self, x):\n"
        "        if not x.is_meta: open('reached.txt', 'w').close(); time.sleep(6000)\n"
        "        return super().forward(x)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "netscope", "bench", "slow.py:Slow", "-i", "1x2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: Path("reached.txt").exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (130, "")
    assert err == "netscope: interrupted before anything was measured\n"


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_of_blocks_is_answered_and_the_second_ends_them(capfd):
    display = Display()

    def stop():
        display.on_stop()
        return True

    with handle_interrupts(stop):
        interrupt()
        assert capfd.readouterr().err == "finishing this round of blocks; press Ctrl-C again to exit immediately\n"
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            interrupt()


def test_an_interrupt_without_blocks_is_not_delayed():
    with handle_interrupts(lambda: False), pytest.raises(KeyboardInterrupt, match=r"^$"):
        interrupt()


@pytest.mark.parametrize(("blocks", "keeps"), [(0, False), (1, True)])
def test_a_measurement_is_only_finished_if_it_has_blocks(blocks, keeps, folder):
    executor = SubprocessExecutor(folder, lambda _progress: None)
    executor._on_progress({"blocks": blocks})
    assert executor.stop() is keeps


@pytest.mark.slow
def test_a_plain_script_may_call_it(folder):
    script = """
        import torch, netscope
        print("once")
        report = netscope.bench("lenet5", batch_size=2, max_time_s=0.2)
        assert report.results[0].is_measured and report.exit_code == 0
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8)).train()
        model[0].eval()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        other, random = torch.nn.Linear(8, 8), torch.get_rng_state()
        report = netscope.bench([model, other], (4, 8), mode="train", max_time_s=0.2)
        assert [result.config.mode for result in report.results] == ["train", "train"]
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert [module.training for module in model.modules()] == [True, False, True]
        assert model[0].weight.grad is None and torch.equal(torch.get_rng_state(), random)
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        assert netscope.BenchReport.from_json(report.to_json()) == report
    """
    (folder / "script.py").write_text(dedent(script))
    finished = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "once\n"), finished.stderr


@pytest.mark.slow
def test_layers_have_times():
    finished = bench("lenet5", "--layers", *SHORT)
    assert finished.returncode == 0, finished.stderr
    assert "lenet5, layer by layer" in finished.stdout
    assert "events in a step" in finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_over_gloo(parallel, tmp_path):
    target = tmp_path / "x.json"
    finished = bench(
        "lenet5", "-b", "16", "--mode", "train", "--nproc", "2", "--parallel", parallel, "--device", "cpu",
        "--max-time", "1", "-o", str(target),
    )  # fmt: skip
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    report = BenchReport.from_json(target.read_bytes())
    one, two = report.results
    assert [(result.config.nproc, result.config.parallel, result.samples) for result in report.results] == [
        (1, None, 16), (2, parallel, 32)
    ]  # fmt: skip
    assert one.config.threads == two.config.threads
    assert len(two.peak_memory_bytes) == 2
    assert len(two.no_sync_blocks) == (len(two.blocks) if parallel == "ddp" else 0)
    assert (two.exposed_communication_s is not None) == (parallel == "ddp")
    assert 0 < report.scaling_efficiency(two) < 1.5
    assert f"{parallel} over 2 processes" in two.work


@pytest.mark.slow
def test_it_runs_under_torchrun(tmp_path):
    target = tmp_path / "x.json"
    command = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "netscope", "bench")
    arguments = ("lenet5", "-b", "8", "--mode", "train", "--device", "cpu", "--max-time", "0.5", "-o", str(target))
    finished = subprocess.run(
        [sys.executable, *command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (finished.returncode, finished.stdout) == (0, ""), finished.stderr
    (result,) = BenchReport.from_json(target.read_bytes()).results
    assert (result.config.nproc, result.config.parallel, result.samples) == (2, "ddp", 16)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_auto_tries_each_batch_in_a_fresh_process():
    finished = bench("my.py:Greedy", "-i", "1x8", "-b", "auto", *SHORT)
    assert finished.returncode == 0, finished.stderr
    assert "batch 5" in finished.stdout
    assert "a batch of 5 is the largest that fits" in finished.stdout


@pytest.mark.slow
def test_a_compiled_model_shows_its_compile_time():
    finished = bench("lenet5", "--compile", *SHORT)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert " compiling)" in finished.stdout
    assert "compiled (default)" in finished.stdout


@pytest.mark.slow
def test_the_self_test_runs():
    finished = bench("--selftest", "--device", "cpu")
    # Whether they pass depends on what else the machine does; that they are carried out does not.
    assert finished.returncode in (0, 1), finished.stderr
    assert finished.stdout.count("ok") + finished.stdout.count("FAILED") == 6
    assert "1 thread on" in finished.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_run_is_compared_with_an_earlier_one():
    assert bench("lenet5", "-b", "8", *SHORT, "-o", "old.json").returncode == 0
    finished = bench("lenet5", "-b", "8", *SHORT, "--compare", "old.json", "--fail-if-slower", "400%")
    assert finished.returncode == 0, finished.stderr
    assert "Compared with earlier run  lenet5: " in finished.stdout
    damaged = Path("old.json").read_text().replace('"cores": ', '"cores": 9')
    Path("other.json").write_text(damaged)
    code, _, err = ask("bench", "lenet5", "-b", "8", "--compare", "other.json")
    assert code == 2
    assert "use --force to compare anyway" in err
    assert run(["bench", "lenet5", "-b", "4", "--compare", "old.json"]) == 2


@pytest.mark.slow
def test_one_of_several_processes_that_fails_is_named(folder):
    (folder / "uneven.py").write_text(
        "import os, torch\nfrom torch import nn\n"
        "class Uneven(nn.Linear):\n"
        "    def __init__(self, error='memory'): super().__init__(8, 8); self.error = error\n"
        "    def forward(self, x):\n"
        "        if not x.is_meta and os.environ.get('RANK') == '1':\n"
        "            raise torch.OutOfMemoryError('out of memory') if self.error == 'memory' else ValueError('not I')\n"
        "        return super().forward(x)\n"
    )
    how = ("-i", "2x8", "--mode", "train", "--nproc", "2", "--device", "cpu", *SHORT)
    finished = bench("uneven.py:Uneven", *how)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "2 processes oom: uneven.py:Uneven needs more memory than is available" in " ".join(finished.stdout.split())
    finished = bench("uneven.py:Uneven@error=value", *how)
    assert (finished.returncode, finished.stderr) == (3, "")
    expected = "2 processes failed: a step of uneven.py:Uneven@error=value failed: ValueError: not I"
    assert expected in " ".join(finished.stdout.split())
