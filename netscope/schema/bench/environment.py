"""Where something was measured: the machine, its state, and what it can do at most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimits:
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
        other_processes: how many other processes were on the GPU.
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
