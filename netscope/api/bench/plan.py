"""What was asked for → which configurations are measured, once it is clear that they can be meant."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, get_args

from netscope.errors import UsageError, did_you_mean
from netscope.runtime.machine import cores
from netscope.runtime.torchrun_env import in_group
from netscope.schema import BenchConfig, BenchReport
from netscope.schema.bench import COMPILE_MODES, Mode, Parallelism, Placement, Precision
from netscope.schema.inputs import parse_inputs
from netscope.schema.memory import STATES_PER_PARAMETER

AUTO = "auto"
USUAL = "alexnet"
"""What is measured if nothing is named."""

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SEEDS = 2**63
_NARROWEST, _WIDEST = 0.0001, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    """What is to be measured.

    Attributes:
        models: architectures' names, or modules.
        inputs: what they are run on where it cannot be written as text; None for as the configurations say.
        configs: each is measured for every architecture.
        largest_batch: whether the batch size is the largest that fits, for each architecture and configuration.
        layers: whether each module is timed.
        command: what was typed.
        before: an earlier report to compare with.
        force: whether to compare with it although it comes from another environment.
        slower_limit: how much longer than then fails, as a share.
        in_this_process: whether it is measured in this process all the same, as one of several that torchrun started.
    """

    models: tuple[Any, ...]
    configs: tuple[BenchConfig, ...]
    inputs: Any = None
    largest_batch: bool = False
    layers: bool = False
    command: str = ""
    before: BenchReport | None = None
    force: bool = False
    slower_limit: float | None = None
    in_this_process: bool = False

    @property
    def by_name(self) -> bool:
        """Whether all is told by names, so that other processes can measure it."""
        return self.inputs is None and all(isinstance(model, str) for model in self.models)


@dataclass(slots=True, kw_only=True)
class Options:
    """The options of ``bench`` as they are given: several values where several are measured."""

    batch_size: Any = None
    seq_len: int | None = None
    device: str = AUTO
    dtype: Any = "fp32"
    mode: Any = "infer"
    cast: bool = False
    channels_last: bool = False
    compile: str | None = None
    cuda_graph: bool = False
    data: str = "resident"
    optimizer: str | None = None
    latency: bool = False
    nproc: Any = 1
    parallel: str | None = None
    threads: int | None = None
    seed: int = 0
    precision: Any = 0.005
    max_time_s: float = 60.0
    inputs: Sequence[str] = field(default_factory=tuple)


def plan_bench(models: Sequence[Any], options: Options, **how: Any) -> BenchPlan:
    """The plan for these architectures with these options.

    Args:
        models: names or modules; AlexNet for none.
        options: as given.
        how: the other attributes of the plan.

    Raises:
        UsageError: an option has no such value, or two of them do not go together.
        InputError: an input is malformed.
    """
    parse_inputs(list(options.inputs))
    sizes = _values(options.batch_size)
    largest = AUTO in sizes
    if largest and len(sizes) > 1:
        raise UsageError("a batch size of auto stands alone: it is the largest that fits")
    numbers = [None] if largest else [_whole("batch size", size) for size in sizes]
    processes = [_whole("number of processes", value) for value in _values(options.nproc)]
    base = _base(options, processes)
    dtypes = _chosen("dtype", _values(options.dtype), get_args(Precision))
    modes = _chosen("mode", _values(options.mode), get_args(Mode))
    configs = [
        _settled(replace(base, dtype=dtype, mode=mode, batch_size=size), nproc, options)
        for dtype, mode, size, nproc in product(
            dtypes, modes, numbers, processes if in_group() else _with_one(processes)
        )
    ]
    plan = BenchPlan(models=tuple(models) or (USUAL,), configs=tuple(configs), largest_batch=largest, **how)
    check_plan(plan)
    return plan


def _base(options: Options, processes: Sequence[int]) -> BenchConfig:
    """What all configurations have in common."""
    _check_names(options)
    _check_numbers(options)
    if options.parallel is not None and max(processes) == 1 and not in_group():
        raise UsageError(f"{options.parallel} takes several processes: say how many with --nproc")
    if options.cast and not {"bf16", "fp16"} & set(_values(options.dtype)):
        raise UsageError("--cast is to bf16 or fp16: name one with --dtype")
    threads = options.threads
    if threads is None and max(processes) > 1 and options.device != "cuda":
        # Each process gets its share of the cores, and the one that scaling is held against no more than that.
        threads = max(1, cores() // max(processes))
    return BenchConfig(
        device=options.device,
        inputs=tuple(options.inputs),
        seq_len=options.seq_len,
        cast=options.cast,
        channels_last=options.channels_last,
        compile=options.compile,
        cuda_graph=options.cuda_graph,
        data=options.data,  # type: ignore[arg-type]  # one of the literals, as was checked
        sync_every_step=options.latency,
        threads=threads,
        seed=options.seed,
        precision=_precision(options.precision),
        max_time_s=float(options.max_time_s),
    )


def _check_names(options: Options) -> None:
    if not _DEVICE.fullmatch(options.device):
        raise UsageError(
            f"there is no device {options.device!r}; the devices are auto, cpu, cuda and cuda:0, cuda:1, …"
        )
    for what, value, known in (
        ("compile mode", options.compile, COMPILE_MODES),
        ("place for data", options.data, get_args(Placement)),
        ("way to run in parallel", options.parallel, get_args(Parallelism)),
        ("optimizer", options.optimizer, tuple(STATES_PER_PARAMETER)),
    ):
        if value is not None:
            _chosen(what, [value], known)


def _check_numbers(options: Options) -> None:
    for what, value in (("number of threads", options.threads), ("sequence length", options.seq_len)):
        _whole(what, value)
    if type(options.seed) is not int or not 0 <= options.seed < _SEEDS:
        raise UsageError(f"the seed must be a whole number from 0 to 2^63 - 1, not {options.seed!r}")
    if not 0 < options.max_time_s < float("inf"):
        raise UsageError(f"the longest time must be more than 0 s, not {options.max_time_s:g}")


def _settled(config: BenchConfig, nproc: int, options: Options) -> BenchConfig:
    """The configuration with what follows from its own mode and number of processes."""
    training = config.mode == "train"
    if options.optimizer is not None and "train" not in _values(options.mode):
        raise UsageError(f"the optimizer {options.optimizer} goes with --mode train")
    parallel = (options.parallel or "ddp") if nproc > 1 else None
    if parallel == "fsdp" and not training:
        raise UsageError("fsdp shares out what a step of training keeps: it goes with --mode train")
    return replace(
        config,
        optimizer=(options.optimizer or "sgd") if training else None,
        parallel=parallel,  # type: ignore[arg-type]  # one of the literals
        nproc=nproc,
        cast=config.cast and config.dtype in ("bf16", "fp16"),
    )


def _with_one(processes: Sequence[int]) -> tuple[int, ...]:
    """With a single process before several: scaling is held against it."""
    return tuple(dict.fromkeys((1, *processes) if max(processes) > 1 else processes))


def check_plan(plan: BenchPlan) -> None:
    """Checks that what is asked for goes together; again once the device is known.

    Raises:
        UsageError: it does not.
    """
    for config in plan.configs:
        on_cpu = config.device == "cpu"
        if config.cuda_graph and (on_cpu or config.nproc > 1 or config.data == "host" or config.compile is not None):
            other = (
                "the CPU" if on_cpu else "several processes" if config.nproc > 1
                else "data on the host" if config.data == "host" else "--compile, whose modes have graphs of their own"
            )  # fmt: skip
            raise UsageError(f"a CUDA graph does not go with {other}")
        if config.cuda_graph and config.mode == "train" and config.dtype == "fp16" and not config.cast:
            raise UsageError("a CUDA graph does not go with a gradient scaler, whose step looks at values: use bf16")
        if config.data == "host" and on_cpu:
            raise UsageError("data on the host are copied to a GPU: on the CPU there is nothing to copy")
    if plan.layers:
        _check_layers(plan)
    if plan.slower_limit is not None and plan.before is None:
        raise UsageError("--fail-if-slower holds against an earlier run: name it with --compare")


def _check_layers(plan: BenchPlan) -> None:
    if len(plan.models) * len(plan.configs) > 1:
        raise UsageError("the layers are those of one architecture in one configuration")
    config = plan.configs[0]
    if config.nproc > 1:
        raise UsageError("the layers are timed in one process")
    if config.compile is not None or config.cuda_graph:
        raise UsageError("a compiled or captured step has no modules any more whose time could be taken")


def percent(text: Any, what: str) -> float:
    """``"5%"`` as the share 0.05.

    Raises:
        UsageError: it is no percentage.
    """
    found = _PERCENT.fullmatch(str(text))
    if not found:
        raise UsageError(f"{what} is a percentage like 5%, not {text!r}")
    return float(found[1]) / 100


def _precision(value: Any) -> float:
    share = percent(value, "the precision") if isinstance(value, str) else float(value)
    if not _NARROWEST <= share <= _WIDEST:
        raise UsageError(f"the precision lies between {_NARROWEST:.2%} and {_WIDEST:.0%}, not at {share:.4%}")
    return share


def _values(value: Any) -> list[Any]:
    """Several, also as text with commas between them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping) else [value]


def _whole(what: str, value: Any) -> Any:
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is not int or number < 1:
        more = " (or auto, the largest that fits)" if what == "batch size" else ""
        raise UsageError(f"the {what} must be a whole number of at least 1{more}, not {value!r}")
    return number


def _chosen(what: str, values: Sequence[Any], known: Sequence[str]) -> list[Any]:
    for value in values:
        if value not in known:
            hint = did_you_mean(str(value), known)
            raise UsageError(f"there is no {what} {value!r}{hint}; there are {', '.join(known)}")
    return list(dict.fromkeys(values))
