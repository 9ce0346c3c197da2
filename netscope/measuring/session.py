"""Subjects that are compared, in one process and one configuration → what was measured of each."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import torch

from netscope.errors import MeasuringError, NetscopeError, OutOfMemoryError, describe_error
from netscope.measuring import execution_compat
from netscope.measuring.clock import clock_of
from netscope.measuring.host_transfer import HostFeed
from netscope.measuring.layers import LayerTimes, layer_times
from netscope.measuring.memory import PeakMemoryMeter, within_memory
from netscope.measuring.precision import device_of, set_up
from netscope.measuring.process_group import joined
from netscope.measuring.roofline import device_limits
from netscope.measuring.runner import (
    Clock,
    MeasuringProgress,
    Rules,
    Watch,
    Work,
    measure,
    measure_block,
    synchronisation_s,
    warm_up,
)
from netscope.measuring.step import BenchSubject, Prepared, grad_mode, prepare
from netscope.measuring.telemetry import Sampler
from netscope.schema import BenchConfig, Block, DeviceLimits, Telemetry, WarmUp

_COPY_BLOCKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one subject; the attributes are those of ``BenchResult``."""

    work: str
    warm_up: WarmUp
    blocks: tuple[Block, ...]
    no_sync_blocks: tuple[Block, ...]
    peak_memory_bytes: tuple[int, ...]
    copy_s: float | None
    resident_step_s: float | None
    has_device_sync: bool
    layers: LayerTimes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What was measured of all of them, and of the device meanwhile."""

    measured: tuple[Measured, ...]
    sync_s: float
    device_limits: DeviceLimits | None
    telemetry: Telemetry | None
    background_load: float | None
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What else a session is asked for.

    Attributes:
        layers: whether each module is timed.
        steps_per_block: of each subject, where blocks have to be as long as in another process.
        tell: is told how far it has come.
        stopped: whether someone wants it to end.
    """

    layers: bool = False
    steps_per_block: tuple[int, ...] = ()
    tell: Callable[[MeasuringProgress], None] = lambda _: None
    stopped: Callable[[], bool] = lambda: False


def run_session(subjects: Sequence[BenchSubject], config: BenchConfig, wishes: SessionOptions) -> Session:
    """Measures the subjects in turns.

    Raises:
        DeviceError: there is no such device, or it has not the number format.
        OutOfMemoryError: memory does not suffice for all of them together.
        MeasuringError: a step raised.
        UntrainableError: there is nothing to differentiate.
    """
    device = device_of(config)
    clock = clock_of(device)
    compiling = execution_compat.compiling(config.compile is not None)
    with on_device(device), joined(device) as team, set_up(config), compiling, grad_mode(config):
        rules = Rules(precision=config.precision, max_time_s=config.max_time_s, sync_every_step=config.sync_every_step)
        watch = Watch(team=team, tell=wishes.tell, stopped=wishes.stopped)
        sync_s = team.agreed(synchronisation_s(clock))
        ready = [_ready(subject, config, device, _Measuring(clock, watch, sync_s)) for subject in subjects]
        for number, steps in enumerate(wishes.steps_per_block):
            ready[number].prepared.work.steps_per_block = steps
        sampler = Sampler(device)
        whats = " and ".join(subject.what for subject in subjects)
        series = _explained(whats, lambda: _measure(ready, config, clock, rules, watch))
        telemetry, background_load = sampler.telemetry(), sampler.background_load()
        interrupted = wishes.stopped()
        measured = tuple(
            Measured(
                work=item.prepared.description(config),
                warm_up=item.warm_up,
                blocks=series[number],
                no_sync_blocks=series[len(ready) + number] if len(series) > len(ready) else (),
                peak_memory_bytes=item.peak_memory_bytes,
                copy_s=item.copy_s,
                resident_step_s=item.resident_step_s,
                has_device_sync=item.has_device_sync,
                layers=layer_times(item.prepared.model, item.prepared.work.step, clock) if wishes.layers else None,
            )
            for number, item in enumerate(ready)
        )
        ready.clear()
        _free(config, device)
        found = _ceilings(config, device, clock)
    return Session(
        measured=measured,
        sync_s=sync_s,
        device_limits=found,
        telemetry=telemetry,
        background_load=background_load if config.nproc == 1 else None,
        interrupted=interrupted,
    )


def run_steps(subject: BenchSubject, config: BenchConfig, steps: int) -> None:
    """Runs a few steps and measures nothing.

    Raises:
        NetscopeError: as ``run_session``.
    """
    device = device_of(config)
    with on_device(device), joined(device) as team, set_up(config), grad_mode(config):

        def run() -> None:
            prepared = prepare(subject, config, device)
            for _ in range(steps):
                prepared.work.step()
            clock_of(device).synchronize()

        _explained(subject.what, run)
        team.gather()


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Makes it the one that is meant where none is named, and lets the CPU's memory end where the machine's does."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.mm(torch.ones(8, 8, device=device), torch.ones(8, 8, device=device))  # the libraries' own memory
            yield
    else:
        with within_memory():
            yield


@dataclass(frozen=True, slots=True)
class _Measuring:
    """What measuring one thing takes."""

    clock: Clock
    watch: Watch
    sync_s: float


@dataclass(slots=True, kw_only=True)
class _Ready:
    """A subject that has been warmed up."""

    prepared: Prepared
    warm_up: WarmUp
    peak_memory_bytes: tuple[int, ...]
    copy_s: float | None
    resident_step_s: float | None
    has_device_sync: bool


def _ready(subject: BenchSubject, config: BenchConfig, device: torch.device, how: _Measuring) -> _Ready:
    peak = PeakMemoryMeter(device)

    def warmed() -> tuple[Prepared, WarmUp]:
        prepared = prepare(subject, config, device)
        return prepared, warm_up(prepared.work, how.clock, how.sync_s, how.watch)

    prepared, warmth = _explained(subject.what, warmed)
    found = peak.bytes()
    everyone = how.watch.team.collected(found)
    copy_s, resident_step_s = _transfer(prepared, config, how.clock)
    with execution_compat.waits_noted(device) as has_device_sync:
        prepared.work.step()
    return _Ready(
        prepared=prepared,
        warm_up=warmth,
        peak_memory_bytes=tuple(value for value in everyone if value is not None),
        copy_s=copy_s,
        resident_step_s=resident_step_s,
        has_device_sync=bool(has_device_sync),
    )


def _transfer(prepared: Prepared, config: BenchConfig, clock: Clock) -> tuple[float | None, float | None]:
    """Seconds of copying a step's inputs by itself, and of a step without it; None for resident inputs."""
    feed = prepared.feed
    if config.data != "host" or not isinstance(feed, HostFeed):
        return None, None
    steps = prepared.work.steps_per_block
    copies = Work(step=feed.copy, steps_per_block=steps)
    copy_s = median(measure_block(copies, clock, 0.0).step_s for _ in range(_COPY_BLOCKS))
    with feed.held():
        resident_step_s = median(measure_block(prepared.work, clock, 0.0).step_s for _ in range(_COPY_BLOCKS))
    return copy_s, resident_step_s


def _measure(
    ready: Sequence[_Ready], config: BenchConfig, clock: Clock, rules: Rules, watch: Watch
) -> tuple[tuple[Block, ...], ...]:
    """The blocks of each; under data parallelism then those of each without exchanging gradients."""
    works = [item.prepared.work for item in ready]
    # Without exchanging, FSDP would keep whole gradients, and its optimizer would have none to work on.
    if config.parallel == "ddp" and config.mode == "train" and config.nproc > 1:
        works = [
            replace(
                item.prepared.work,
                before_block=partial(execution_compat.exchange_gradients, item.prepared.model, wanted),
            )
            for wanted in (True, False)
            for item in ready
        ]
    return measure(works, clock, rules, watch)


def _explained(what: str, run: Callable[[], Any]) -> Any:
    """What ``run`` returns, or why it cannot, in one sentence."""
    try:
        return run()
    except NetscopeError:
        raise
    except (Exception, SystemExit) as error:
        if execution_compat.is_out_of_memory(error):
            raise OutOfMemoryError(f"{what} needs more memory than there is: {describe_error(error)}") from error
        raise MeasuringError(f"a step of {what} failed: {describe_error(error)}") from error


def _ceilings(config: BenchConfig, device: torch.device, clock: Clock) -> DeviceLimits | None:
    """None where not even these fit into memory."""
    try:
        return device_limits(config, device, clock)
    except RuntimeError as error:
        if execution_compat.is_out_of_memory(error):
            return None
        raise


def _free(config: BenchConfig, device: torch.device) -> None:
    if config.compile is not None:
        execution_compat.forget_compiled()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
