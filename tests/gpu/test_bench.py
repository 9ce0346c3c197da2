"""Behavior that only a CUDA device shows. Run with ``pytest -m gpu``."""

import pytest
import torch

from netscope.schema import BenchReport
from netscope.schema.bench import Precision
from tests.cli.test_bench import bench

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

SHORT = ("--device", "cuda", "--max-time", "1.5")


def run_bench(tmp_path, *arguments):
    """The report of a run that must succeed."""
    target = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    finished = bench(*SHORT, *arguments, "-o", str(target))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return BenchReport.from_json(target.read_bytes())


def test_it_passes_its_self_test():
    finished = bench("--selftest", "--device", "cuda")
    assert finished.returncode == 0, finished.stdout


def test_every_precision_in_both_modes(tmp_path):
    dtypes = ",".join(Precision.__args__)
    report = run_bench(tmp_path, "resnet50", "-b", "32", "--dtype", dtypes, "--mode", "infer,train")
    assert len(report.results) == 2 * len(Precision.__args__)
    for result in report.results:
        assert result.environment.device == torch.cuda.get_device_name()
        assert all(block.device_s is not None and block.device_s <= 1.01 * block.wall_s for block in result.blocks)
        assert 0 < result.matmul_utilization <= 1
        assert result.peak_utilization is None or 0 < result.peak_utilization <= 1
        assert result.peak_memory_bytes[0] > 25_557_032 * 2
        assert result.has_device_sync == (result.config.dtype == "fp16" and result.config.mode == "train")


def test_large_batches_are_bound_by_the_gpu_and_small_ones_by_the_host(tmp_path):
    large, small = run_bench(tmp_path, "resnet50", "-b", "256,1", "--dtype", "bf16").results
    assert large.bound == "GPU"
    assert small.bound == "host"


def test_reduced_precision_is_faster_than_full(tmp_path):
    full, reduced = run_bench(tmp_path, "vit_b_16", "-b", "64", "--dtype", "fp32,bf16").results
    assert reduced.throughput > 1.5 * full.throughput


def test_a_cuda_graph_takes_the_host_out_of_the_way(tmp_path):
    arguments = ("resnet50", "-b", "1", "--mode", "infer,train")
    eager, graphs = (run_bench(tmp_path, *arguments, *how).results for how in ((), ("--cuda-graph",)))
    assert all(graph.throughput > plain.throughput for graph, plain in zip(graphs, eager, strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
def test_a_captured_step_updates_the_weights(optimizer, tmp_path):
    report = run_bench(
        tmp_path, "lenet5", "-b", "8", "--mode", "train", "--optimizer", optimizer, "--cuda-graph", "--dtype", "bf16"
    )
    assert report.results[0].is_measured


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_torch_compile(mode, tmp_path):
    report = run_bench(tmp_path, "lenet5", "-b", "8", "--compile", mode, "--max-time", "60")
    assert report.results[0].warm_up.compile_s > 1
    assert report.results[0].warm_up.is_stable


def test_transfers_are_within_the_time_when_asked_for(tmp_path):
    resident = run_bench(tmp_path, "lenet5", "-b", "8192").results[0]
    host = run_bench(tmp_path, "lenet5", "-b", "8192", "--data", "host").results[0]
    assert host.copy_s > 0
    assert host.throughput <= 1.02 * resident.throughput
    assert host.bound == ("input" if host.copy_s > host.no_copy_step_s else resident.bound)


def test_out_of_memory_is_a_row_and_the_others_go_on(tmp_path):
    report = run_bench(tmp_path, "resnet50", "--mode", "train", "-b", "100000,1")
    assert [result.status for result in report.results] == ["oom", "ok"]


def test_auto_finds_a_batch_that_fits(tmp_path):
    total = torch.cuda.get_device_properties(0).total_memory
    (tmp_path / "large.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Large(nn.Linear):\n"
        "    def __init__(self): super().__init__(8, 8)\n"
        "    def forward(self, x):\n"
        f"        torch.empty(len(x) * {total // 4}, dtype=torch.uint8, device=x.device)\n"
        "        return super().forward(x)\n"
    )
    (result,) = run_bench(tmp_path, f"{tmp_path}/large.py:Large", "-i", "1x8", "-b", "auto").results
    assert (result.is_measured, result.config.batch_size) == (True, 3)
    assert result.peak_memory_bytes[0] > 0.7 * total


def test_the_gpus_state_is_sampled_from_another_process(tmp_path):
    pytest.importorskip("pynvml")
    (result,) = run_bench(tmp_path, "resnet50", "-b", "64").results
    assert result.telemetry is not None
    assert result.telemetry.samples >= 3
    assert result.telemetry.sm_clock_mhz.high > 100
    assert result.environment.driver
    assert result.environment.device_limits["power_limit_w"] > 0


def test_layers_are_timed_by_events():
    finished = bench("resnet50", "-b", "8", "--layers", *SHORT)
    assert finished.returncode == 0, finished.stderr
    assert "resnet50, layer by layer" in finished.stdout


def test_two_architectures_are_interleaved(tmp_path):
    report = run_bench(tmp_path, "alexnet-paper", "alexnet-tv", "-b", "64")
    (comparison,) = report.comparisons
    assert comparison.same_process
    assert comparison.difference.verdict in ("slower", "equivalent", "faster")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are not two CUDA devices")
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_gpus_over_nccl(parallel, tmp_path):
    report = run_bench(
        tmp_path, "resnet50", "-b", "32", "--mode", "train", "--nproc", "2", "--parallel", parallel, "--dtype", "bf16"
    )
    one, two = report.results
    assert report.scaling_efficiency(two) > 0.5
    assert len(two.peak_memory_bytes) == 2
    assert one.config.nproc == 1


def test_more_processes_than_gpus():
    finished = bench("lenet5", "--nproc", str(torch.cuda.device_count() + 1), "--mode", "train", "--device", "cuda")
    assert finished.returncode == 3
    assert f"torch found {torch.cuda.device_count()}" in finished.stderr
