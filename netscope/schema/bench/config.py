"""What is measured, and what is known of it beforehand."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.summary import Architecture, Summary
from netscope.schema.tensors import InputSpec

Mode = Literal["infer", "train"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Placement = Literal["resident", "host"]
Parallelism = Literal["ddp", "fsdp"]

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
"""Those of ``torch.compile``, the usual one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """What is measured, and how long at most. Two results are comparable where all of this is equal.

    Attributes:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        batch_size: the first size of every input, of each process; None for that of the inputs.
        inputs: what the architecture is run on, as ``--input`` takes it; empty for its own.
        seq_len: tokens of each sequence; None for the architecture's own.
        mode: ``"infer"`` for forward passes, ``"train"`` for whole steps.
        dtype: ``"fp32"``, ``"tf32"``, ``"bf16"`` or ``"fp16"``.
        cast: whether weights and inputs are of that dtype; otherwise autocast chooses op by op.
        channels_last: whether the channels of pictures and weights come last in memory.
        compile: the mode of ``torch.compile``; None for eager.
        cuda_graph: whether the step is captured once and replayed.
        data: ``"resident"`` on the device, or ``"host"``: copied from pinned memory at each step, on a stream beside.
        optimizer: of a step of training; None for inference.
        sync_every_step: whether every step is waited for, as ``--latency`` asks.
        parallel: ``"ddp"`` or ``"fsdp"`` in several processes; None in one.
        nproc: how many processes.
        threads: of each process on the CPU; None for torch's choice.
        seed: of weights, inputs and targets.
        precision: the half-width of the 95 % interval that is enough, as a share of the mean.
        max_time_s: after which an architecture is measured no longer.
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
    data: Placement = "resident"
    optimizer: str | None = None
    sync_every_step: bool = False
    parallel: Parallelism | None = None
    nproc: int = 1
    threads: int | None = None
    seed: int = 0
    precision: float = 0.005
    max_time_s: float = 60.0

    @property
    def is_cuda(self) -> bool:
        """Whether it runs on a GPU."""
        return self.device.startswith("cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightResult:
    """What is known of an architecture in a configuration before it is measured.

    Attributes:
        spec: what to resolve it from.
        architecture: what it is.
        inputs: what a step is given.
        samples: in a step of one process.
        flops: of a step by our own count; None if it could not be had.
        is_lower_bound: whether an op without a formula ran.
        bytes_moved: that the ops read and write at least; None if not known.
        table_rows: of the smallest embedding that each input indexes, by the input's name.
        versions: of netscope and of what the architecture comes from.
        notes: what a reader should know.
        summary: of all layers, if each is to be timed.
    """

    spec: str
    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    samples: int
    flops: int | None
    is_lower_bound: bool
    bytes_moved: int | None
    table_rows: dict[str, int]
    versions: dict[str, str]
    notes: tuple[str, ...]
    summary: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What a process is asked to measure.

    Attributes:
        probed: the architectures, which are measured in turns.
        config: how.
        command: what was typed.
        steps_per_block: of each, where blocks have to be as long as in another process; otherwise empty.
    """

    probed: tuple[PreflightResult, ...]
    config: BenchConfig
    command: str
    steps_per_block: tuple[int, ...] = ()
