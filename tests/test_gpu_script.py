"""``benchmarks/gpu.sh``, as far as it needs neither a GPU nor time."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from netscope.schema import BenchReport
from tests.benchmarks import ENVIRONMENT, result

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu.sh"


def run(out, steps):
    variables = {"OUT": str(out), "PYTHON": sys.executable, "NETSCOPE_GPU_DEVICE": "cpu", "NETSCOPE_GPU_STEPS": steps}
    return subprocess.run(
        ["bash", str(SCRIPT)], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_results_become_a_page_and_one_table(tmp_path):
    command = "netscope bench resnet50 --batch-size 64 -o /somewhere/table.json"
    made = result("resnet50", environment=replace(ENVIRONMENT, command=command))
    (tmp_path / "table.json").write_text(BenchReport(results=(made,)).to_json())
    finished = run(tmp_path, "tables")
    assert finished.returncode == 0, finished.stdout
    page = (tmp_path / "throughput-gpu.md").read_text()
    assert page.startswith("`netscope bench resnet50 --batch-size 64`\n\n**inference")
    assert "| `resnet50` | 3,200 |" in page
    summary = (tmp_path / "summary.md").read_text()
    assert "| nvml | skipped: it needs CUDA | 0 |" in summary
    assert "| table | resnet50 | 32 | bf16 | infer | 3,200 |" in summary


def test_a_failed_step_is_named_and_the_next_one_runs(tmp_path):
    finished = run(tmp_path, "out-of-memory-check tables")
    assert finished.returncode == 1
    assert finished.stdout.endswith("failed: out-of-memory-check (exit code 1)\n")
    assert (tmp_path / "summary.md").exists()
