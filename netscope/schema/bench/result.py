"""The result of one architecture in one configuration: the measurements and the values derived from them."""

from dataclasses import dataclass
from math import fsum
from statistics import median
from typing import Literal

from netscope.schema.bench.blocks import Block, Bound, WarmUp, classify_bound, is_precise
from netscope.schema.bench.config import BenchConfig
from netscope.schema.bench.environment import BenchEnvironment, DeviceLimits, Telemetry
from netscope.schema.display import Displayed
from netscope.schema.summary import Architecture, Summary
from netscope.schema.tensors import InputSpec
from netscope.statistics import Estimate, Trend, compute_percentile, count_outliers, estimate_mean, estimate_trend

BenchStatus = Literal["ok", "oom", "failed"]

DRIFT_BEYOND = 0.01
NOTICEABLE_LOAD = 0.1
"""Cores that other processes keep busy beyond which a machine is not idle."""

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOverhead:
    """The cost of timing each module.

    Attributes:
        events: number of events in a step: two for each call of a module.
        bare_step_s: seconds of a step without events.
        timed_step_s: seconds of a step with events.
        timed_step_s: a step with them.
    """

    events: int
    bare_step_s: float
    timed_step_s: float

    @property
    def per_event_s(self) -> float:
        """Returns the cost of one event in seconds."""
        return max(self.timed_step_s - self.bare_step_s, 0.0) / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchResult(Displayed):
    """The measurements of one architecture in one configuration.

    Attributes:
        architecture: the architecture.
        inputs: inputs of a step, in each process.
        config: the configuration.
        environment: the environment.
        status: ``"ok"``; ``"oom"`` if memory ran out; ``"failed"`` if it could not run.
        message: the reason why it was not measured; empty if it was.
        work: description of a step.
        samples: samples in a step, over all processes.
        build_s: seconds of building the model and its inputs and of moving them to the device.
        warm_up: the warm-up; None if it was not measured.
        sync_s: seconds of a synchronization with an idle device.
        blocks: all measured blocks, in order.
        interleaved: number of architectures that were measured interleaved, including this one.
        flops: FLOPs of a step of one process by netscope's count; None if unknown.
        is_lower_bound: whether an op without a formula ran, so ``flops`` does not include it.
        bytes_moved: minimum bytes that the ops of a forward pass or training step read and write; None if unknown.
        device_limits: limits of the device; None if they were not measured.
        peak_memory_bytes: peak memory of each process; empty if the system does not report it.
        copy_s: seconds of copying one step's inputs to the device; None if they stay on it.
        no_copy_step_s: seconds of a step without this copy; None if the inputs stay on the device.
        has_device_sync: whether a step itself waits for the GPU, e.g. a gradient scaler that reads a value.
        no_sync_blocks: blocks without gradient synchronization, measured interleaved; only for ``ddp``.
        telemetry: state of the GPU; None on a CPU and without NVML.
        background_load: cores that other processes kept busy while blocks and limits were measured; None if unknown.
        interrupted: whether it was stopped early.
        notes: notes for the reader.
        layers: the summary with the time of each module, if requested.
        layer_overhead: the cost of timing each module.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    config: BenchConfig
    environment: BenchEnvironment
    status: BenchStatus
    message: str = ""
    work: str = ""
    samples: int = 0
    build_s: float = 0.0
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
    no_copy_step_s: float | None = None
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
        """Whether the architecture was measured."""
        return self.status == "ok"

    def is_on(self, inputs: tuple[InputSpec, ...]) -> bool:
        """Whether it was measured on inputs of these shapes, as far as they are known."""
        return not inputs or [item.shape for item in inputs] == [item.shape for item in self.inputs]

    @property
    def step_times(self) -> tuple[float, ...]:
        """Returns the step time of each block in seconds."""
        return tuple(block.step_s for block in self.blocks)

    @property
    def step_s(self) -> Estimate:
        """Returns the mean step time with its 95% interval."""
        return estimate_mean(self.step_times)

    @property
    def measuring_s(self) -> float:
        """Returns the seconds of all blocks."""
        return fsum(block.wall_s for block in self.blocks)

    @property
    def throughput(self) -> float:
        """Returns the samples per second: all samples over the total time."""
        return self.samples / self.step_s.mean

    @property
    def median_throughput(self) -> float:
        """Returns the samples per second of the median block."""
        return self.samples / median(self.step_times)

    @property
    def has_converged(self) -> bool:
        """Whether the interval has the requested precision."""
        return is_precise(self.step_s, self.config.precision)

    @property
    def outliers(self) -> int:
        """Returns the number of blocks far from the median; all values include them."""
        return count_outliers(self.step_times)

    @property
    def trend(self) -> Trend:
        """Returns the change of the step time from the first block to the last."""
        return estimate_trend([block.start_s for block in self.blocks], self.step_times)

    @property
    def is_drifting(self) -> bool:
        """Whether the step time changed by more than 1%, by more than the interval, and significantly."""
        change = self.trend
        limit = max(DRIFT_BEYOND, self.step_s.relative)
        return abs(change.change) > limit and not change.low <= 0 <= change.high

    @property
    def bound(self) -> Bound | None:
        """Returns the bottleneck.

        None if each step synchronizes with the GPU: the host then takes as long as the device, whichever is slower.
        """
        if self.copy_s is not None and self.no_copy_step_s is not None and self.copy_s > self.no_copy_step_s:
            return "input"
        if self.has_device_sync:
            return None
        return classify_bound(self.blocks, is_cuda=self.config.is_cuda)

    @property
    def achieved_flops(self) -> float | None:
        """Returns the FLOP/s of all processes: netscope's count over the measured time."""
        return None if self.flops is None else self.config.nproc * self.flops / self.step_s.mean

    @property
    def peak_utilization(self) -> float | None:
        """Returns the FLOP/s as a fraction of the dense peak of all devices; None for a device without a datasheet."""
        peak = self.device_limits.datasheet_flops if self.device_limits else None
        return None if peak is None or self.achieved_flops is None else self.achieved_flops / (peak * self.config.nproc)

    @property
    def matmul_utilization(self) -> float | None:
        """Returns the FLOP/s as a fraction of the rate of a large matmul on the same devices."""
        if self.device_limits is None or self.achieved_flops is None:
            return None
        return self.achieved_flops / (self.device_limits.matmul_flops * self.config.nproc)

    @property
    def is_machine_idle(self) -> bool | None:
        """Whether nothing else used the device while blocks and limits were measured; None if unknown."""
        if self.config.is_cuda:
            others = None if self.telemetry is None else self.telemetry.other_processes
            return None if others is None else others == 0
        return None if self.background_load is None else self.background_load <= NOTICEABLE_LOAD

    @property
    def excess(self) -> Literal["noise", "mistake"] | None:
        """Returns the reason why the FLOP/s exceed what the device can do; None if they do not.

        It is a mistake of netscope if the machine was idle and 100% is outside the interval of the step and of the
        matmul, whose best run may be slower than the device's limit. Otherwise it is noise of the machine.
        """
        if self.highest_utilization <= 1:
            return None
        spread = self.device_limits.matmul_spread if self.device_limits else 0.0
        lowest = max(self.peak_utilization or 0.0, (self.matmul_utilization or 0.0) / (1 + spread))
        return "mistake" if self.is_machine_idle and lowest / (1 + self.step_s.relative) > 1 else "noise"

    @property
    def highest_utilization(self) -> float:
        """Returns the larger of both utilizations; 0 without any."""
        return max(self.peak_utilization or 0.0, self.matmul_utilization or 0.0)

    @property
    def arithmetic_intensity(self) -> float | None:
        """Returns the FLOPs per byte moved."""
        return None if self.flops is None or not self.bytes_moved else self.flops / self.bytes_moved

    @property
    def roofline(self) -> Literal["compute", "memory"] | None:
        """Returns whether arithmetic or memory is the bound by the roofline model."""
        if self.arithmetic_intensity is None or self.device_limits is None:
            return None
        return "compute" if self.arithmetic_intensity >= self.device_limits.ridge else "memory"

    @property
    def latency_percentiles(self) -> dict[float, float]:
        """Returns the latency in seconds by percentile, for the percentiles that at least ten steps exceed."""
        latencies = sorted(latency for block in self.blocks for latency in block.latencies_s)
        percentiles = {share: compute_percentile(latencies, share) for share in PERCENTILES}
        return {share: value for share, value in percentiles.items() if value is not None}

    @property
    def exposed_communication_s(self) -> float | None:
        """Returns the seconds that gradient synchronization adds to a step; None if it was not measured."""
        if not self.no_sync_blocks:
            return None
        return self.step_s.mean - estimate_mean([block.step_s for block in self.no_sync_blocks]).mean
