"""From options to configurations."""

import pytest

from netscope.api.bench import Options, plan_bench
from netscope.errors import InputError, UsageError


def configs(**options):
    return plan_bench(("lenet5",), Options(**options)).configs


def test_nothing_named_is_alexnet():
    plan = plan_bench((), Options())
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
        ({"batch_size": 0}, "the batch size must be a whole number of at least 1"),
        ({"batch_size": "1,two"}, "not 'two'"),
        ({"batch_size": "auto,1"}, "stands alone"),
        ({"batch_size": True}, "not True"),
        ({"dtype": "fp8"}, "there is no dtype 'fp8'"),
        ({"dtype": "bf61"}, "did you mean bf16"),
        ({"mode": "training"}, "did you mean train"),
        ({"device": "gpu"}, "there is no device 'gpu'"),
        ({"data": "disk"}, "there is no place for data 'disk'"),
        ({"data": "host", "device": "cpu"}, "nothing to copy"),
        ({"compile": "max"}, "there is no compile mode 'max'"),
        ({"optimizer": "adan", "mode": "train"}, "did you mean adam"),
        ({"optimizer": "adam"}, "goes with --mode train"),
        ({"cuda_graph": True, "device": "cpu"}, "a CUDA graph does not go with the CPU"),
        ({"cuda_graph": True, "device": "cuda", "data": "host"}, "does not go with data on the host"),
        ({"cuda_graph": True, "device": "cuda", "compile": "default"}, "does not go with --compile"),
        ({"cuda_graph": True, "device": "cuda", "mode": "train", "dtype": "fp16"}, "gradient scaler"),
        ({"nproc": "2,x"}, "number of processes"),
        ({"nproc": 2, "parallel": "fsdp"}, "goes with --mode train"),
        ({"nproc": 2, "parallel": "dp"}, "there are ddp, fsdp"),
        ({"threads": 0}, "number of threads"),
        ({"seed": -1}, "the seed must be a whole number from 0"),
        ({"seed": 2**63}, "the seed must be a whole number from 0"),
        ({"parallel": "ddp"}, "say how many with --nproc"),
        ({"cast": True}, "name one with --dtype"),
        ({"precision": "5"}, "a percentage like 5%"),
        ({"precision": 0.9}, "lies between"),
        ({"max_time_s": -1}, "more than 0 s"),
        ({"max_time_s": float("inf")}, "more than 0 s"),
    ],
)
def test_what_cannot_be_meant(options, message):
    with pytest.raises(UsageError, match=message):
        configs(**options)


def test_malformed_inputs_are_refused_before_anything_is_started():
    with pytest.raises(InputError, match="invalid --input"):
        configs(inputs=("1xbig",))


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ({"layers": True}, {"batch_size": "1,2"}, "one architecture in one configuration"),
        ({"layers": True}, {"compile": "default"}, "no modules any more"),
        ({"slower_limit": 0.05}, {}, "name it with --compare"),
    ],
)
def test_what_does_not_go_together(how, options, message):
    with pytest.raises(UsageError, match=message):
        plan_bench(("lenet5",), Options(**options), **how)
