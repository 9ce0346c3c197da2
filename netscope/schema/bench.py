"""What ``netscope bench`` answers: how fast architectures run, how surely that is known, and what bounds it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from netscope.display import Displayed
from netscope.errors import SavedResultError
from netscope.schema.codec import from_json, to_json
from netscope.schema.summary import Architecture, Summary
from netscope.schema.trace import InputSpec
from netscope.statistics import Difference, Estimate, Trend, mean_estimate, outliers, percentile, trend

Mode = Literal["infer", "train"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Placement = Literal["resident", "host"]
Parallelism = Literal["ddp", "fsdp"]
Bound = Literal["host", "input", "GPU", "CPU"]
Outcome = Literal["measured", "oom", "failed"]

FEWEST_BLOCKS = 12
"""An estimate from fewer, or from fewer batches of them, has not converged."""

HOST_BOUND_ABOVE = 0.8
"""The host bounds where issuing takes this share of the device's time; on a CPU, where the thread is idle beyond it."""

DRIFT_BEYOND = 0.01
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


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
        synchronised: whether every step is waited for, as ``--latency`` asks.
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
    synchronised: bool = False
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
class Block:
    """Some steps in a row, synchronised at their ends only.

    Attributes:
        start_s: since the first block of the run.
        steps: how many.
        wall_s: from the first step to the end of the last, by the clock on the wall; of several processes the longest.
        device_s: the same between two events on the device; None on a CPU.
        enqueue_s: until the host had issued the last step; on a CPU all of it.
        first_enqueue_s: until it had issued the first one, into an empty queue.
        busy_s: of the thread that issued them, by its own CPU time.
        latencies_s: of each step by itself, where every step is waited for; otherwise empty.
    """

    start_s: float
    steps: int
    wall_s: float
    device_s: float | None
    enqueue_s: float
    first_enqueue_s: float
    busy_s: float
    latencies_s: tuple[float, ...] = ()

    @property
    def step_s(self) -> float:
        """Time of one step."""
        return self.wall_s / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What came before the first block that counts.

    Attributes:
        first_step_s: the first step, with all that happens once.
        compile_s: what of it torch's compiler took; None without it.
        steps: how many, with the first.
        seconds: how long they took.
        settled: whether nothing was compiled or allocated any more, and block medians had come within 1 %.
    """

    first_step_s: float
    compile_s: float | None
    steps: int
    seconds: float
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What the device can do at most, by measurement and by its datasheet.

    Attributes:
        matmul_flops: FLOP/s of a large matrix product in the same precision, measured on the spot.
        copy_bytes: bytes read and written per second by a large copy, measured on the spot.
        datasheet: the document; None for a device without one here.
        datasheet_flops: its dense peak in that precision, FLOP/s; None if it gives none.
        datasheet_bytes: its memory bandwidth, bytes/s; None if it gives none.
    """

    matmul_flops: float
    copy_bytes: float
    datasheet: str | None = None
    datasheet_flops: float | None = None
    datasheet_bytes: float | None = None

    @property
    def ridge(self) -> float:
        """FLOPs per byte above which arithmetic bounds and below which memory does, by what was measured."""
        return self.matmul_flops / self.copy_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The range of a sampled quantity."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What NVML said of the GPU during the blocks, asked from another process; None for what it does not tell.

    Attributes:
        samples: how many.
        sm_clock_mhz: of the multiprocessors.
        memory_clock_mhz: of the memory.
        power_w: drawn.
        temperature_c: of the chip.
        throttle_reasons: everything that held the clock back at any time, ``"sw_power_cap"``, ….
        foreign_processes: how many other processes were on the GPU.
    """

    samples: int
    sm_clock_mhz: Span | None
    memory_clock_mhz: Span | None
    power_w: Span | None
    temperature_c: Span | None
    throttle_reasons: tuple[str, ...]
    foreign_processes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchEnvironment:
    """Where it was measured.

    Attributes:
        time: when, in UTC, ``"2026-01-31T12:00:00Z"``.
        command: what was typed; empty in Python.
        versions: of netscope, Python, torch, CUDA, cuDNN and what the architecture comes from.
        system: operating system and its release.
        cpu: model.
        cores: that the process may use.
        threads: of torch within an op.
        memory_bytes: of the machine.
        load: processes that wanted to run, averaged over the minute before.
        device: name; that of the CPU where it is one.
        device_memory_bytes: of the GPU; None on a CPU.
        driver: of the GPU; None on a CPU, or where it is not known.
        device_limits: of the GPU: power in W and clocks in MHz, as far as NVML tells.
        variables: environment variables that change speed, such as ``OMP_NUM_THREADS``.
        revision: of the git repository that the working directory is in; empty without one.
        dirty: whether it holds changes that are not committed.
    """

    time: str
    command: str
    versions: dict[str, str]
    system: str
    cpu: str
    cores: int
    threads: int
    memory_bytes: int | None
    load: float | None
    device: str
    device_memory_bytes: int | None
    driver: str | None
    device_limits: dict[str, float]
    variables: dict[str, str]
    revision: str
    dirty: bool

    def differences(self, other: "BenchEnvironment") -> tuple[str, ...]:
        """In words, what differs that changes speed; the time, the load and the revision may."""
        pairs: list[tuple[str, object, object]] = [
            ("device", self.device, other.device),
            ("driver", self.driver, other.driver),
            ("CPU", self.cpu, other.cpu),
            ("cores", self.cores, other.cores),
            ("threads", self.threads, other.threads),
            ("system", self.system, other.system),
        ]
        pairs += [
            (name, self.device_limits.get(name), other.device_limits.get(name))
            for name in dict.fromkeys((*self.device_limits, *other.device_limits))
        ]
        pairs += [
            (name, self.versions.get(name), other.versions.get(name))
            for name in dict.fromkeys((*self.versions, *other.versions))
            if name != "netscope"
        ]
        pairs += [
            (name, self.variables.get(name), other.variables.get(name))
            for name in dict.fromkeys((*self.variables, *other.variables))
        ]
        return tuple(f"{name} {theirs} → {ours}" for name, ours, theirs in pairs if ours != theirs)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOverhead:
    """What it cost to time each module.

    Attributes:
        events: how many were recorded in a step: two for each call of a module.
        bare_step_s: a step without them.
        timed_step_s: a step with them.
    """

    events: int
    bare_step_s: float
    timed_step_s: float

    @property
    def per_event_s(self) -> float:
        """What one event costs."""
        return max(self.timed_step_s - self.bare_step_s, 0.0) / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
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
        remarks: what a reader should know.
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
    remarks: tuple[str, ...]
    summary: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What a process is asked to measure.

    Attributes:
        surveyed: the architectures, which are measured in turns.
        config: how.
        command: what was typed.
        steps_per_block: of each, where blocks have to be as long as in another process; otherwise empty.
    """

    surveyed: tuple[Surveyed, ...]
    config: BenchConfig
    command: str
    steps_per_block: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """One architecture in one configuration.

    Attributes:
        architecture: what it is.
        inputs: what a step is given, in each process.
        config: how it was run.
        environment: where.
        outcome: ``"measured"``; ``"oom"`` if memory did not suffice; ``"failed"`` if it would not run.
        message: why it was not measured; empty if it was.
        work: what a step does, in words.
        samples: in a step, over all processes.
        warm_up: None if it was not measured.
        sync_s: what waiting for an idle device costs.
        blocks: all that were measured, in order.
        interleaved: how many architectures were measured in turns with it, itself included.
        flops: of a step of one process by our own count; None if that could not be had.
        is_lower_bound: whether an op without a formula ran, so that ``flops`` leaves it out.
        bytes_moved: that the ops of a forward pass, or of a step, read and write at least; None if not known.
        ceilings: of the device; None if they were not measured.
        peak_memory_bytes: the most that it needed, of each process; empty where the system does not tell.
        copy_s: copying one step's inputs to the device by itself; None if they are resident.
        resident_step_s: a step without that copy; None likewise.
        waits: whether a step itself waits for the GPU, as a gradient scaler does to look at a value.
        local_blocks: the same steps without exchanging gradients, measured in turns; of ``ddp`` alone.
        telemetry: of the GPU; None on a CPU, and without NVML.
        foreign_load: cores' worth of work that others did on this machine meanwhile; None where it cannot be told.
        interrupted: whether it was stopped before it was done.
        remarks: what a reader should know.
        layers: the summary with the time of each module, if that was asked for.
        layer_overhead: what timing each module cost.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    config: BenchConfig
    environment: BenchEnvironment
    outcome: Outcome
    message: str = ""
    work: str = ""
    samples: int = 0
    warm_up: WarmUp | None = None
    sync_s: float = 0.0
    blocks: tuple[Block, ...] = ()
    interleaved: int = 1
    flops: int | None = None
    is_lower_bound: bool = False
    bytes_moved: int | None = None
    ceilings: Ceilings | None = None
    peak_memory_bytes: tuple[int, ...] = ()
    copy_s: float | None = None
    resident_step_s: float | None = None
    waits: bool = False
    local_blocks: tuple[Block, ...] = ()
    telemetry: Telemetry | None = None
    foreign_load: float | None = None
    interrupted: bool = False
    remarks: tuple[str, ...] = ()
    layers: Summary | None = None
    layer_overhead: LayerOverhead | None = None

    @property
    def is_measured(self) -> bool:
        """Whether there is a figure."""
        return self.outcome == "measured"

    @property
    def step_times(self) -> tuple[float, ...]:
        """The time of a step in each block, in seconds."""
        return tuple(block.step_s for block in self.blocks)

    @property
    def step_s(self) -> Estimate:
        """The mean time of a step, with its 95 % interval."""
        return mean_estimate(self.step_times)

    @property
    def throughput(self) -> float:
        """Samples per second: all samples over all of the time."""
        return self.samples / self.step_s.mean

    @property
    def median_throughput(self) -> float:
        """Samples per second in the median block."""
        return self.samples / median(self.step_times)

    @property
    def has_converged(self) -> bool:
        """Whether the interval is as narrow as was asked for."""
        return is_enough(self.step_s, self.config.precision)

    @property
    def outliers(self) -> int:
        """Blocks far from the median; they are in every figure."""
        return outliers(self.step_times)

    @property
    def trend(self) -> Trend:
        """How the time of a step changed from the first block to the last."""
        return trend([block.start_s for block in self.blocks], self.step_times)

    @property
    def is_drifting(self) -> bool:
        """Whether it changed by more than 1 %, by more than the interval, and by no chance."""
        found = self.trend
        least = max(DRIFT_BEYOND, self.step_s.relative)
        return abs(found.change) > least and not found.low <= 0 <= found.high

    @property
    def bound(self) -> Bound | None:
        """What keeps it from being faster.

        None where each step waits for the GPU itself: then the host takes as long as the device, whichever is slower.
        """
        if self.copy_s is not None and self.resident_step_s is not None and self.copy_s > self.resident_step_s:
            return "input"
        if self.waits:
            return None
        return bound_of(self.blocks, is_cuda=self.config.is_cuda)

    @property
    def achieved_flops(self) -> float | None:
        """FLOP/s over all processes: our count over the measured time."""
        return None if self.flops is None else self.config.nproc * self.flops / self.step_s.mean

    @property
    def share_of_datasheet(self) -> float | None:
        """Of the datasheet's dense peak of all devices; None for a device without one here."""
        peak = self.ceilings.datasheet_flops if self.ceilings else None
        return None if peak is None or self.achieved_flops is None else self.achieved_flops / (peak * self.config.nproc)

    @property
    def share_of_matmul(self) -> float | None:
        """Of what a large matrix product achieves on the same devices."""
        if self.ceilings is None or self.achieved_flops is None:
            return None
        return self.achieved_flops / (self.ceilings.matmul_flops * self.config.nproc)

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte moved."""
        return None if self.flops is None or not self.bytes_moved else self.flops / self.bytes_moved

    @property
    def roofline(self) -> Literal["compute", "memory"] | None:
        """The side of the ridge that it is on."""
        if self.intensity is None or self.ceilings is None:
            return None
        return "compute" if self.intensity >= self.ceilings.ridge else "memory"

    @property
    def latency_percentiles(self) -> dict[float, float]:
        """Share of the steps → time in seconds that they did not exceed; those that ten steps or more lie beyond."""
        latencies = sorted(latency for block in self.blocks for latency in block.latencies_s)
        found = {share: percentile(latencies, share) for share in PERCENTILES}
        return {share: value for share, value in found.items() if value is not None}

    @property
    def exposed_communication_s(self) -> float | None:
        """What exchanging gradients adds to a step; None where it was not measured."""
        if not self.local_blocks:
            return None
        return self.step_s.mean - mean_estimate([block.step_s for block in self.local_blocks]).mean


def bound_of(blocks: Sequence[Block], *, is_cuda: bool) -> Bound:
    """Whether the host or the device keeps these blocks from being shorter."""
    if is_cuda:
        device = sum(block.device_s or 0.0 for block in blocks)
        # A full queue makes the host wait for the device; the first step of a block meets an empty one.
        issued = sum(block.enqueue_s for block in blocks)
        first = sum(block.first_enqueue_s * block.steps for block in blocks)
        return "host" if min(issued, first) > HOST_BOUND_ABOVE * device else "GPU"
    busy = sum(block.busy_s for block in blocks)
    return "host" if busy < HOST_BOUND_ABOVE * sum(block.wall_s for block in blocks) else "CPU"


def is_enough(estimate: Estimate, precision: float) -> bool:
    """Whether an estimate is as good as was asked for, and rests on enough blocks to say so."""
    return estimate.batches >= FEWEST_BLOCKS and estimate.relative <= precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two of a report's results.

    Attributes:
        first: position of one among the results.
        second: position of the other.
        difference: the second's time over the first's: above 1 the first is faster.
        in_turns: whether they were measured in turns in one process; otherwise in turns of processes.
    """

    first: int
    second: int
    difference: Difference
    in_turns: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedComparison:
    """A result beside that of an earlier run.

    Attributes:
        result: position among the results.
        throughput_before: samples per second then.
        difference: the time then over the time now: above 1 it has become faster.
    """

    result: int
    throughput_before: float
    difference: Difference

    def is_slower(self, limit: float) -> bool:
        """Whether it takes more than ``limit`` longer, by no chance."""
        return self.difference.high < 1 and 1 / self.difference.ratio > 1 + limit


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchReport(Displayed):
    """Everything that one run measured.

    Attributes:
        results: one for each architecture and configuration.
        comparisons: of those that were measured in turns, each at the level that it may have among all of its kind.
        saved: beside an earlier run, if that was asked for.
        slower_limit: how much longer than then fails, as a share; None if nothing does.
        remarks: about the whole.
    """

    results: tuple[BenchResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    saved: tuple[SavedComparison, ...] = ()
    slower_limit: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def too_slow(self) -> tuple[SavedComparison, ...]:
        """Those that became slower than may be."""
        limit = self.slower_limit
        return () if limit is None else tuple(item for item in self.saved if item.is_slower(limit))

    @property
    def exit_code(self) -> int:
        """1 if something became slower than may be; 3 if nothing could be measured, or something failed; else 0.

        Running out of memory is an answer, unless it is the only one.
        """
        if self.too_slow:
            return 1
        failed = any(result.outcome == "failed" for result in self.results)
        return 3 if failed or not any(result.is_measured for result in self.results) else 0

    def alone(self, result: BenchResult) -> BenchResult | None:
        """The same in one process, which scaling is held against; None if it was not measured."""
        for other in self.results:
            is_same = (other.architecture, other.config) == (result.architecture, _in_one_process(result.config))
            if is_same and other.is_measured:
                return other
        return None

    def scaling_efficiency(self, result: BenchResult) -> float | None:
        """Samples per second of each process as a share of what one process by itself does."""
        alone = self.alone(result) if result.is_measured and result.config.nproc > 1 else None
        return None if alone is None else result.throughput / result.config.nproc / alone.throughput

    def to_json(self) -> str:
        """This report as JSON; ``from_json`` reads it back equal.

        ``figures`` has for each result, in order, what follows from its blocks; null for those that were not measured.
        """
        return to_json(self, {"figures": [_figures(result) for result in self.results]})

    @classmethod
    def from_json(cls, text: str | bytes) -> "BenchReport":
        """The report that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        report = from_json(cls, text)
        for result in report.results:
            if result.is_measured and not (
                result.blocks and all(block.wall_s > 0 < block.steps for block in result.blocks)
            ):
                raise SavedResultError("this BenchReport is damaged: a measured result has no blocks, or empty ones")
        return report


_FIGURES = (
    "throughput", "median_throughput", "step_s", "has_converged", "is_drifting", "trend", "outliers", "bound",
    "achieved_flops", "share_of_datasheet", "share_of_matmul", "intensity", "roofline", "exposed_communication_s",
)  # fmt: skip


def _figures(result: BenchResult) -> dict[str, Any] | None:
    if not result.is_measured:
        return None
    percentiles = {f"p{100 * share:g}": value for share, value in result.latency_percentiles.items()}
    return {**{name: getattr(result, name) for name in _FIGURES}, "latency_s": percentiles}


def _in_one_process(config: BenchConfig) -> BenchConfig:
    return replace(config, parallel=None, nproc=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestCheck:
    """One thing that the benchmark must get right.

    Attributes:
        name: in words.
        expected: in words.
        measured: in words.
        passed: whether it did.
    """

    name: str
    expected: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelfTest(Displayed):
    """How the benchmark's test of itself came out.

    Attributes:
        checks: in order.
        environment: where.
    """

    checks: tuple[SelfTestCheck, ...]
    environment: BenchEnvironment

    @property
    def exit_code(self) -> int:
        """0 if all passed, else 1."""
        return 0 if all(check.passed for check in self.checks) else 1

    def to_json(self) -> str:
        """This self-test as JSON."""
        return to_json(self)
