"""Options become configurations."""

import pytest

from netscope.api.bench import BenchOptions, plan_bench
from netscope.errors import InputError, UsageError


def configs(**options):
    return plan_bench(("lenet5",), BenchOptions(**options)).configs


def test_nothing_named_is_alexnet():
    plan = plan_bench((), BenchOptions())
    assert plan.models == ("alexnet",)
    assert [(config.mode, config.dtype, config.batch_size) for config in plan.configs] == [("infer", "fp32", None)]


def test_several_values_are_all_combined():
    found = configs(batch_size="1,32", dtype="fp32,bf16", mode=["infer", "train"])
    assert len(found) == 8
    assert {(config.batch_size, config.dtype, config.mode) for config in found} == {
        (size, dtype, mode) for size in (1, 32) for dtype in ("fp32", "bf16") for mode in ("infer", "train")
    }
    assert {config.optimizer for config in found if config.mode == "train"} == {"sgd"}
    assert {config.optimizer for config in found if config.mode == "infer"} == {None}


def test_a_sweep_over_processes_has_one_process_before_them():
    found = configs(nproc="2,4", mode="train", device="cpu", threads=3)
    assert [(config.nproc, config.parallel, config.threads) for config in found] == [
        (1, None, 3), (2, "ddp", 3), (4, "ddp", 3)
    ]  # fmt: skip
    assert [config.nproc for config in configs(nproc=1)] == [1]


def test_processes_share_the_cores():
    found = configs(nproc="1,2", mode="train", device="cpu")
    assert len({config.threads for config in found}) == 1
    assert configs()[0].threads is None


def test_a_cast_is_to_a_shorter_format():
    assert [config.cast for config in configs(dtype="fp32,bf16", cast=True)] == [False, True]


@pytest.mark.parametrize(("text", "share"), [("0.5%", 0.005), ("2 %", 0.02), (0.01, 0.01)])
def test_a_precision_is_a_percentage_or_a_share(text, share):
    assert configs(precision=text)[0].precision == pytest.approx(share)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "the batch size must be an integer of at least 1 or auto"),
        ({"batch_size": "1,two"}, "got 'two'"),
        ({"batch_size": "auto,1"}, "must be the only one"),
        ({"batch_size": True}, "got True"),
        ({"dtype": "fp8"}, "unknown dtype 'fp8'"),
        ({"dtype": "bf61"}, "did you mean bf16"),
        ({"mode": "training"}, "did you mean train"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"data": "disk"}, "unknown data location 'disk'; use device, host"),
        ({"data": "resident"}, 'use data="device"'),
        ({"data": "host", "device": "cpu"}, "nothing to copy"),
        ({"compile": "max"}, "unknown compile mode 'max'"),
        ({"optimizer": "adan", "mode": "train"}, "did you mean adam"),
        ({"optimizer": "adam"}, 'optimizer="adam" requires mode="train"'),
        ({"cuda_graph": True, "device": "cpu"}, "cuda_graph=True cannot be used with the CPU"),
        ({"cuda_graph": True, "device": "cuda", "data": "host"}, 'cannot be used with data="host"'),
        ({"cuda_graph": True, "device": "cuda", "compile": "default"}, "cannot be used with compile"),
        ({"cuda_graph": True, "device": "cuda", "mode": "train", "dtype": "fp16"}, "gradient scaler"),
        ({"nproc": "2,x"}, "number of processes"),
        ({"nproc": 2, "parallel": "fsdp"}, 'parallel="fsdp" requires mode="train"'),
        ({"nproc": 2, "parallel": "dp"}, "use ddp, fsdp"),
        ({"threads": 0}, "number of threads"),
        ({"seed": -1}, "the seed must be an integer from 0"),
        ({"seed": 2**63}, "the seed must be an integer from 0"),
        ({"parallel": "ddp"}, "pass their number with nproc"),
        ({"cast": True}, 'cast=True requires dtype="bf16" or fp16'),
        ({"precision": "5"}, "must be a percentage, e.g. 5%"),
        ({"precision": 0.9}, "must be between"),
        ({"max_time_s": -1}, "greater than 0 s"),
        ({"max_time_s": float("inf")}, "greater than 0 s"),
    ],
)
def test_invalid_options_are_errors(options, message):
    with pytest.raises(UsageError, match=message):
        configs(**options)


def test_malformed_inputs_are_refused_before_anything_is_started():
    with pytest.raises(InputError, match=r"invalid input '1xbig'.*e\.g\. inputs=\"1x3x224x224\""):
        configs(inputs=("1xbig",))


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ({"layers": True}, {"batch_size": "1,2"}, "a single architecture and configuration"),
        ({"layers": True}, {"compile": "default"}, "contain no modules"),
        ({"slower_limit": 0.05}, {}, "pass it with compare"),
    ],
)
def test_conflicting_options_are_errors(how, options, message):
    with pytest.raises(UsageError, match=message):
        plan_bench(("lenet5",), BenchOptions(**options), **how)
