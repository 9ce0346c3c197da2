"""The environment of a measurement: the machine, its state and its limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimits:
    """The limits of a device, measured and from its datasheet.

    Attributes:
        matmul_flops: FLOP/s of a large matmul in the same precision, measured after the steps.
        copy_bytes: bytes read and written per second by a large copy, measured after the steps.
        matmul_spread: how much longer the median run of the matmul took than its fastest, as a fraction.
        datasheet: name of the datasheet; None if netscope has none for the device.
        datasheet_flops: the datasheet's dense peak FLOP/s in this precision; None if it has none.
        datasheet_bytes: the datasheet's memory bandwidth in bytes/s; None if it has none.
    """

    matmul_flops: float
    copy_bytes: float
    matmul_spread: float = 0.0
    datasheet: str | None = None
    datasheet_flops: float | None = None
    datasheet_bytes: float | None = None

    @property
    def ridge(self) -> float:
        """Returns the FLOPs per byte above which arithmetic is the bound, and below which memory is, as measured."""
        return self.matmul_flops / self.copy_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The range of the samples of a quantity."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The state of the GPU during the blocks, sampled by NVML in another process; None for values it does not report.

    Attributes:
        samples: number of samples.
        sm_clock_mhz: clock of the multiprocessors.
        memory_clock_mhz: clock of the memory.
        power_w: power draw.
        temperature_c: temperature of the chip.
        throttle_reasons: all reasons that throttled the clock at any time, ``"sw_power_cap"``, ….
        other_processes: number of other processes on the GPU.
    """

    samples: int
    sm_clock_mhz: Span | None
    memory_clock_mhz: Span | None
    power_w: Span | None
    temperature_c: Span | None
    throttle_reasons: tuple[str, ...]
    other_processes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchEnvironment:
    """The machine and the software of a measurement.

    Attributes:
        time: start in UTC, ``"2026-01-31T12:00:00Z"``.
        command: the command line; empty in Python.
        versions: versions of netscope, Python, torch, CUDA, cuDNN and the architecture's source.
        system: operating system and its release.
        cpu: model of the CPU.
        cores: CPU cores that the process may use.
        threads: threads that torch uses within an op.
        memory_bytes: memory of the machine.
        load: average number of runnable processes in the minute before.
        device: name of the GPU, or of the CPU if it is the device.
        device_memory_bytes: memory of the GPU; None on a CPU.
        driver: version of the GPU driver; None on a CPU or if unknown.
        device_limits: power limit in W and maximum clocks in MHz of the GPU, as far as NVML reports them.
        variables: environment variables that affect speed, such as ``OMP_NUM_THREADS``.
        revision: git revision of the working directory; empty outside a repository.
        dirty: whether the repository has uncommitted changes.
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
        """Returns the differences that affect speed, in words; time, load and revision are not compared."""
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
        return tuple(f"{name} {before} → {now}" for name, now, before in pairs if now != before)
