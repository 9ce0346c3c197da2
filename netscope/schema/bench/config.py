"""The configuration of a benchmark, and the result of the trace before it."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.summary import Architecture, Summary
from netscope.schema.tensors import InputSpec

MAX_TIME_S = 3.0
"""The default maximum time per architecture: enough for a first answer on any machine."""

Mode = Literal["infer", "train"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
DataLocation = Literal["device", "host"]
Parallelism = Literal["ddp", "fsdp"]

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
"""The modes of ``torch.compile``, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """A configuration to measure. Results are comparable if everything that affects the work is equal.

    Attributes:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        batch_size: batch dimension (dim 0) of every input, per process; None for the batch size of the inputs.
        inputs: inputs in the syntax of ``--input``; empty for the architecture's default.
        seq_len: sequence length in tokens; None for the architecture's default.
        mode: ``"infer"`` for forward passes, ``"train"`` for full training steps.
        dtype: ``"fp32"``, ``"tf32"``, ``"bf16"`` or ``"fp16"``.
        cast: whether weights and inputs are cast to this dtype; otherwise autocast is used.
        channels_last: whether images and weights use the channels_last memory format.
        compile: the mode of ``torch.compile``; None for eager mode.
        cuda_graph: whether the step is captured once and replayed.
        data: ``"device"`` if inputs stay on the device, ``"host"`` if each step copies them from pinned memory.
        optimizer: the optimizer of a training step; None for inference.
        sync_every_step: whether every step is synchronized, as with ``--latency``.
        parallel: ``"ddp"`` or ``"fsdp"`` for several processes; None for one.
        nproc: number of processes.
        threads: CPU threads per process; None for torch's choice.
        seed: random seed of weights, inputs and targets.
        precision: half-width of the 95% interval that is enough, as a fraction of the mean.
        max_time_s: maximum time per architecture in seconds, for building, warm-up and measuring.
    """

    device: str
    batch_size: int | None = None
    inputs: tuple[str, ...] = ()
    seq_len: int | None = None
    mode: Mode = "infer"
    dtype: Precision = "fp32"
    cast: bool = False
    channels_last: bool = False
    compile: str | None = None
    cuda_graph: bool = False
    data: DataLocation = "device"
    optimizer: str | None = None
    sync_every_step: bool = False
    parallel: Parallelism | None = None
    nproc: int = 1
    threads: int | None = None
    seed: int = 0
    precision: float = 0.005
    max_time_s: float = MAX_TIME_S

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightResult:
    """The facts about an architecture in a configuration that are known before measuring.

    Attributes:
        spec: the text that resolves to the architecture.
        architecture: the architecture.
        inputs: the inputs of a step.
        samples: samples in a step of one process.
        flops: FLOPs of a step by netscope's count; None if they are unknown.
        is_lower_bound: whether an op without a formula ran.
        bytes_moved: minimum bytes that the ops read and write; None if unknown.
        embedding_rows: rows of the smallest embedding that each input indexes, by input name.
        versions: versions of netscope and of the architecture's source.
        notes: notes for the reader.
        summary: the summary of all layers, if each is to be timed.
    """

    spec: str
    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    samples: int
    flops: int | None
    is_lower_bound: bool
    bytes_moved: int | None
    embedding_rows: dict[str, int]
    versions: dict[str, str]
    notes: tuple[str, ...]
    summary: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """A request to a process to measure architectures.

    Attributes:
        preflights: the architectures, which are measured interleaved.
        config: the configuration.
        command: the command line.
        steps_per_block: block size of each architecture, if it must be the same as in another process; otherwise empty.
    """

    preflights: tuple[PreflightResult, ...]
    config: BenchConfig
    command: str
    steps_per_block: tuple[int, ...] = ()
