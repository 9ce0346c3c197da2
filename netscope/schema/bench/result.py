"""One architecture in one configuration: what was measured, and what follows from it."""

from dataclasses import dataclass
from statistics import median
from typing import Literal

from netscope.schema.bench.blocks import Block, Bound, WarmUp, bound_of, is_enough
from netscope.schema.bench.config import BenchConfig
from netscope.schema.bench.environment import BenchEnvironment, DeviceLimits, Telemetry
from netscope.schema.display import Displayed
from netscope.schema.summary import Architecture, Summary
from netscope.schema.tensors import InputSpec
from netscope.statistics import Estimate, Trend, mean_estimate, outliers, percentile, trend

BenchStatus = Literal["ok", "oom", "failed"]

DRIFT_BEYOND = 0.01
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchResult(Displayed):
    """One architecture in one configuration.

    Attributes:
        architecture: what it is.
        inputs: what a step is given, in each process.
        config: how it was run.
        environment: where.
        status: ``"ok"``; ``"oom"`` if memory did not suffice; ``"failed"`` if it would not run.
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
        device_limits: of the device; None if they were not measured.
        peak_memory_bytes: the most that it needed, of each process; empty where the system does not tell.
        copy_s: copying one step's inputs to the device by itself; None if they are resident.
        resident_step_s: a step without that copy; None likewise.
        has_device_sync: whether a step itself waits for the GPU, as a gradient scaler does to look at a value.
        no_sync_blocks: the same steps without exchanging gradients, measured in turns; of ``ddp`` alone.
        telemetry: of the GPU; None on a CPU, and without NVML.
        background_load: cores' worth of work that others did on this machine meanwhile; None where it cannot be told.
        interrupted: whether it was stopped before it was done.
        notes: what a reader should know.
        layers: the summary with the time of each module, if that was asked for.
        layer_overhead: what timing each module cost.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    config: BenchConfig
    environment: BenchEnvironment
    status: BenchStatus
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
    device_limits: DeviceLimits | None = None
    peak_memory_bytes: tuple[int, ...] = ()
    copy_s: float | None = None
    resident_step_s: float | None = None
    has_device_sync: bool = False
    no_sync_blocks: tuple[Block, ...] = ()
    telemetry: Telemetry | None = None
    background_load: float | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    layers: Summary | None = None
    layer_overhead: LayerOverhead | None = None

    @property
    def is_measured(self) -> bool:
        """Whether there is a figure."""
        return self.status == "ok"

    def is_on(self, inputs: tuple[InputSpec, ...]) -> bool:
        """Whether it was measured on inputs of these sizes, as far as they are known."""
        return not inputs or [item.shape for item in inputs] == [item.shape for item in self.inputs]

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
        if self.has_device_sync:
            return None
        return bound_of(self.blocks, is_cuda=self.config.is_cuda)

    @property
    def achieved_flops(self) -> float | None:
        """FLOP/s over all processes: our count over the measured time."""
        return None if self.flops is None else self.config.nproc * self.flops / self.step_s.mean

    @property
    def peak_utilization(self) -> float | None:
        """Of the datasheet's dense peak of all devices; None for a device without one here."""
        peak = self.device_limits.datasheet_flops if self.device_limits else None
        return None if peak is None or self.achieved_flops is None else self.achieved_flops / (peak * self.config.nproc)

    @property
    def matmul_utilization(self) -> float | None:
        """Of what a large matrix product achieves on the same devices."""
        if self.device_limits is None or self.achieved_flops is None:
            return None
        return self.achieved_flops / (self.device_limits.matmul_flops * self.config.nproc)

    @property
    def arithmetic_intensity(self) -> float | None:
        """FLOPs per byte moved."""
        return None if self.flops is None or not self.bytes_moved else self.flops / self.bytes_moved

    @property
    def roofline(self) -> Literal["compute", "memory"] | None:
        """The side of the ridge that it is on."""
        if self.arithmetic_intensity is None or self.device_limits is None:
            return None
        return "compute" if self.arithmetic_intensity >= self.device_limits.ridge else "memory"

    @property
    def latency_percentiles(self) -> dict[float, float]:
        """Share of the steps → time in seconds that they did not exceed; those that ten steps or more lie beyond."""
        latencies = sorted(latency for block in self.blocks for latency in block.latencies_s)
        found = {share: percentile(latencies, share) for share in PERCENTILES}
        return {share: value for share, value in found.items() if value is not None}

    @property
    def exposed_communication_s(self) -> float | None:
        """What exchanging gradients adds to a step; None where it was not measured."""
        if not self.no_sync_blocks:
            return None
        return self.step_s.mean - mean_estimate([block.step_s for block in self.no_sync_blocks]).mean
