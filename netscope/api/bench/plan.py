"""Turns the options of ``bench`` into a plan of valid configurations."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, get_args

from netscope.errors import UsageError, did_you_mean
from netscope.runtime.machine import cores
from netscope.runtime.torchrun_env import is_torchrun_process
from netscope.runtime.wording import show_argument
from netscope.schema import BenchConfig, BenchReport
from netscope.schema.bench import COMPILE_MODES, MAX_TIME_S, DataLocation, Mode, Parallelism, Precision
from netscope.schema.inputs import abbreviate_dtype, parse_inputs
from netscope.schema.memory import STATES_PER_PARAMETER

AUTO = "auto"
DEFAULT_MODEL = "alexnet"
"""The architecture that is measured by default."""

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SEEDS = 2**63
_NARROWEST, _WIDEST = 0.0001, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    """A plan of measurements.

    Attributes:
        models: names of architectures, or modules.
        inputs: inputs that have no text form; None for the inputs in the configurations.
        configs: the configurations, each measured for every architecture.
        largest_batch: whether to find the largest batch that fits, for each architecture and configuration.
        layers: whether to time each module.
        command: the command line.
        before: an earlier report to compare with.
        force: whether to compare with it even if the environments differ.
        slower_limit: how much longer a step may take than in the earlier report, as a fraction.
        in_this_process: whether to measure names in this process too, as one of several that torchrun started.
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
        """Whether models and inputs are texts, so other processes can measure them."""
        return self.inputs is None and all(isinstance(model, str) for model in self.models)


@dataclass(slots=True, kw_only=True)
class BenchOptions:
    """The options of ``bench`` as given, possibly with several values."""

    batch_size: Any = None
    seq_len: int | None = None
    device: str = AUTO
    dtype: Any = "fp32"
    mode: Any = "infer"
    cast: bool = False
    channels_last: bool = False
    compile: str | None = None
    cuda_graph: bool = False
    data: str = "device"
    optimizer: str | None = None
    latency: bool = False
    nproc: Any = 1
    parallel: str | None = None
    threads: int | None = None
    seed: int = 0
    precision: Any = 0.005
    max_time_s: float = MAX_TIME_S
    inputs: Sequence[str] = field(default_factory=tuple)


def plan_bench(models: Sequence[Any], options: BenchOptions, **how: Any) -> BenchPlan:
    """Returns the plan for architectures and options.

    Args:
        models: names or modules; AlexNet by default.
        options: the options.
        how: the other attributes of the plan.

    Raises:
        UsageError: an option has an unknown value, or two options conflict.
        InputError: an input is malformed.
    """
    parse_inputs(list(options.inputs))
    options = replace(options, dtype=[abbreviate_dtype(dtype) for dtype in _split_values(options.dtype)])
    sizes = _split_values(options.batch_size)
    largest = AUTO in sizes
    if largest and len(sizes) > 1:
        raise UsageError("batch size auto must be the only one: it finds the largest that fits")
    numbers = [None] if largest else [_parse_count("batch size", size) for size in sizes]
    processes = [_parse_count("number of processes", value) for value in _split_values(options.nproc)]
    base = _create_base_config(options, processes)
    dtypes = _check_choices("dtype", _split_values(options.dtype), get_args(Precision))
    modes = _check_choices("mode", _split_values(options.mode), get_args(Mode))
    configs = [
        _complete_config(replace(base, dtype=dtype, mode=mode, batch_size=size), nproc, options)
        for dtype, mode, size, nproc in product(
            dtypes, modes, numbers, processes if is_torchrun_process() else _add_single_process(processes)
        )
    ]
    plan = BenchPlan(models=tuple(models) or (DEFAULT_MODEL,), configs=tuple(configs), largest_batch=largest, **how)
    check_plan(plan)
    return plan


def _create_base_config(options: BenchOptions, processes: Sequence[int]) -> BenchConfig:
    """Returns the configuration with the values that all configurations share."""
    _check_names(options)
    _check_numbers(options)
    if options.parallel is not None and max(processes) == 1 and not is_torchrun_process():
        raise UsageError(
            f"{options.parallel} requires several processes; pass their number with {show_argument('--nproc')}"
        )
    if options.cast and not {"bf16", "fp16"} & set(_split_values(options.dtype)):
        raise UsageError(f"{show_argument('--cast', True)} requires {show_argument('--dtype', 'bf16')} or fp16")
    threads = options.threads
    if threads is None and max(processes) > 1 and options.device != "cuda":
        # Each process gets an equal share of the cores, and so does the single process that scaling is compared with.
        threads = max(1, cores() // max(processes))
    return BenchConfig(
        device=options.device,
        inputs=tuple(options.inputs),
        seq_len=options.seq_len,
        cast=options.cast,
        channels_last=options.channels_last,
        compile=options.compile,
        cuda_graph=options.cuda_graph,
        data=options.data,  # type: ignore[arg-type]  # checked to be one of the literals
        sync_every_step=options.latency,
        threads=threads,
        seed=options.seed,
        precision=_precision(options.precision),
        max_time_s=float(options.max_time_s),
    )


def _check_names(options: BenchOptions) -> None:
    if not _DEVICE.fullmatch(options.device):
        raise UsageError(f"unknown device {options.device!r}; use auto, cpu, cuda or cuda:N")
    if options.data == "resident":
        raise UsageError(f"the data location resident is now called device; use {show_argument('--data', 'device')}")
    for label, value, known in (
        ("compile mode", options.compile, COMPILE_MODES),
        ("data location", options.data, get_args(DataLocation)),
        ("parallel mode", options.parallel, get_args(Parallelism)),
        ("optimizer", options.optimizer, tuple(STATES_PER_PARAMETER)),
    ):
        if value is not None:
            _check_choices(label, [value], known)


def _check_numbers(options: BenchOptions) -> None:
    for label, value in (("number of threads", options.threads), ("sequence length", options.seq_len)):
        _parse_count(label, value)
    if type(options.seed) is not int or not 0 <= options.seed < _SEEDS:
        raise UsageError(f"the seed must be an integer from 0 to 2^63 - 1, got {options.seed!r}")
    if not 0 < options.max_time_s < float("inf"):
        raise UsageError(f"the maximum time must be greater than 0 s, got {options.max_time_s:g}")


def _complete_config(config: BenchConfig, nproc: int, options: BenchOptions) -> BenchConfig:
    """Returns the configuration with the values that depend on its mode and number of processes."""
    training = config.mode == "train"
    if options.optimizer is not None and "train" not in _split_values(options.mode):
        raise UsageError(
            f"{show_argument('--optimizer', options.optimizer)} requires {show_argument('--mode', 'train')}"
        )
    parallel = (options.parallel or "ddp") if nproc > 1 else None
    if parallel == "fsdp" and not training:
        raise UsageError(f"{show_argument('--parallel', 'fsdp')} requires {show_argument('--mode', 'train')}")
    return replace(
        config,
        optimizer=(options.optimizer or "sgd") if training else None,
        parallel=parallel,  # type: ignore[arg-type]  # one of the literals
        nproc=nproc,
        cast=config.cast and config.dtype in ("bf16", "fp16"),
    )


def _add_single_process(processes: Sequence[int]) -> tuple[int, ...]:
    """Returns the numbers of processes, with a single process first if there are several, to compute scaling."""
    return tuple(dict.fromkeys((1, *processes) if max(processes) > 1 else processes))


def check_plan(plan: BenchPlan) -> None:
    """Checks that the options of a plan are compatible; called again once the device is known.

    Raises:
        UsageError: two options conflict.
    """
    for config in plan.configs:
        on_cpu = config.device == "cpu"
        if config.cuda_graph and (on_cpu or config.nproc > 1 or config.data == "host" or config.compile is not None):
            other = (
                "the CPU" if on_cpu else "several processes" if config.nproc > 1
                else show_argument("--data", "host") if config.data == "host"
                else f"{show_argument('--compile')}; use {show_argument('--compile', 'reduce-overhead')}"
            )  # fmt: skip
            raise UsageError(f"{show_argument('--cuda-graph', True)} cannot be used with {other}")
        if config.cuda_graph and config.mode == "train" and config.dtype == "fp16" and not config.cast:
            raise UsageError(
                f"{show_argument('--cuda-graph', True)} cannot capture the gradient scaler of fp16 training; use bf16"
            )
        if config.data == "host" and on_cpu:
            raise UsageError(f"{show_argument('--data', 'host')} requires a GPU: on the CPU there is nothing to copy")
    if plan.layers:
        _check_layers(plan)
    if plan.slower_limit is not None and plan.before is None:
        raise UsageError(
            f"{show_argument('--fail-if-slower')} requires an earlier run; pass it with {show_argument('--compare')}"
        )


def _check_layers(plan: BenchPlan) -> None:
    if len(plan.models) * len(plan.configs) > 1:
        raise UsageError(f"{show_argument('--layers', True)} requires a single architecture and configuration")
    config = plan.configs[0]
    if config.nproc > 1:
        raise UsageError(f"{show_argument('--layers', True)} requires a single process")
    if config.compile is not None or config.cuda_graph:
        raise UsageError(
            f"{show_argument('--layers', True)} cannot be used with {show_argument('--compile')} or "
            f"{show_argument('--cuda-graph')}, whose steps contain no modules"
        )


def parse_percent(text: Any, label: str) -> float:
    """Returns a percentage such as ``"5%"`` as a fraction.

    Raises:
        UsageError: the text is not a percentage.
    """
    match = _PERCENT.fullmatch(str(text))
    if not match:
        raise UsageError(f"{label} must be a percentage, e.g. 5%, got {text!r}")
    return float(match[1]) / 100


def _precision(value: Any) -> float:
    share = parse_percent(value, "the precision") if isinstance(value, str) else float(value)
    if not _NARROWEST <= share <= _WIDEST:
        raise UsageError(f"the precision must be between {_NARROWEST:.2%} and {_WIDEST:.0%}, got {share:.4%}")
    return share


def _split_values(value: Any) -> list[Any]:
    """Returns the values of an option that takes several, also as comma-separated text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping) else [value]


def _parse_count(label: str, value: Any) -> Any:
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is not int or number < 1:
        alternative = " or auto" if label == "batch size" else ""
        raise UsageError(f"the {label} must be an integer of at least 1{alternative}, got {value!r}")
    return number


def _check_choices(label: str, values: Sequence[Any], known: Sequence[str]) -> list[Any]:
    for value in values:
        if value not in known:
            hint = did_you_mean(str(value), known)
            raise UsageError(f"unknown {label} {value!r}{hint}; use {', '.join(known)}")
    return list(dict.fromkeys(values))
