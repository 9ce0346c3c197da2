"""Measures the models that are compared, in one process and one configuration."""

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
from netscope.measuring.clock import create_clock
from netscope.measuring.host_transfer import HostInputLoader
from netscope.measuring.layers import LayerTimes, measure_layer_times
from netscope.measuring.memory import PeakMemoryMeter, limit_memory
from netscope.measuring.precision import configure_torch, select_device
from netscope.measuring.process_group import join_process_group
from netscope.measuring.roofline import measure_device_limits
from netscope.measuring.runner import (
    Clock,
    LoopOptions,
    MeasuringProgress,
    RunContext,
    Workload,
    measure,
    measure_block,
    measure_sync_s,
    warm_up,
)
from netscope.measuring.step import BenchModel, PreparedModel, grad_mode, prepare
from netscope.measuring.telemetry import TelemetrySampler
from netscope.schema import BenchConfig, Block, DeviceLimits, Telemetry, WarmUp

_COPY_BLOCKS = 5
_WARM_UP_SHARE = 0.5
"""Share of a model's time after which measuring starts, even if the steps are not stable yet."""

_LIMITS_SHARE, _MAX_LIMITS_S = 0.2, 6.0
"""Share of the time for measuring the device's limits, and its maximum."""

_LAYERS_SHARE, _MAX_LAYERS_S = 0.4, 10.0
"""Share of the time for timing each module, if requested, and its maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The measurements of one model; the attributes are explained in ``BenchResult``."""

    work: str
    build_s: float
    warm_up: WarmUp
    blocks: tuple[Block, ...]
    no_sync_blocks: tuple[Block, ...]
    peak_memory_bytes: tuple[int, ...]
    copy_s: float | None
    no_copy_step_s: float | None
    has_device_sync: bool
    layers: LayerTimes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """The measurements of all models, and the state of the device during them."""

    measurements: tuple[Measurement, ...]
    sync_s: float
    device_limits: DeviceLimits | None
    telemetry: Telemetry | None
    background_load: float | None
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Options of a session besides its configuration.

    Attributes:
        layers: whether to time each module.
        steps_per_block: the block size of each model, if it must be the same as in another process; otherwise empty.
        report_progress: is called with the progress.
        is_stopped: whether the user asked to stop.
    """

    layers: bool = False
    steps_per_block: tuple[int, ...] = ()
    report_progress: Callable[[MeasuringProgress], None] = lambda _: None
    is_stopped: Callable[[], bool] = lambda: False


def run_session(bench_models: Sequence[BenchModel], config: BenchConfig, options: SessionOptions) -> SessionResult:
    """Measures models interleaved and returns the results.

    Raises:
        DeviceError: the device does not exist or does not support the number format.
        OutOfMemoryError: the models together need more memory than available.
        MeasuringError: a step raised an error.
        UntrainableError: a training step has nothing to differentiate.
    """
    device = select_device(config)
    clock = create_clock(device)
    compiler = execution_compat.fresh_compiler(config.compile is not None)
    with use_device(device), join_process_group(device) as group, configure_torch(config), compiler, grad_mode(config):
        context = RunContext(group=group, report_progress=options.report_progress, is_stopped=options.is_stopped)
        max_time_s = config.max_time_s * len(bench_models)
        limits_s = min(_LIMITS_SHARE * max_time_s, _MAX_LIMITS_S)
        layers_s = min(_LAYERS_SHARE * max_time_s, _MAX_LAYERS_S) if options.layers else 0.0
        deadline = clock.now() + max_time_s - limits_s - layers_s
        sync_s = group.broadcast(measure_sync_s(clock))
        ready = [_warm_up_model(model, config, device, _Measuring(clock, context, sync_s)) for model in bench_models]
        for number, steps in enumerate(options.steps_per_block):
            ready[number].prepared.workload.steps_per_block = steps
        sampler = TelemetrySampler(device)
        names = " and ".join(model.name for model in bench_models)
        series = _wrap_errors(names, lambda: _measure_models(ready, config, clock, context, deadline))
        telemetry = sampler.stop()
        interrupted = options.is_stopped()
        measurements = tuple(
            Measurement(
                work=item.prepared.describe(config),
                build_s=item.build_s,
                warm_up=item.warm_up,
                blocks=series[number],
                no_sync_blocks=series[len(ready) + number] if len(series) > len(ready) else (),
                peak_memory_bytes=item.peak_memory_bytes,
                copy_s=item.copy_s,
                no_copy_step_s=item.no_copy_step_s,
                has_device_sync=item.has_device_sync,
                layers=measure_layer_times(
                    item.prepared.model, item.prepared.workload.step, clock, clock.now() + layers_s
                )
                if options.layers and not interrupted
                else None,
            )
            for number, item in enumerate(ready)
        )
        ready.clear()
        _free_memory(config, device)
        device_limits = None if interrupted else _try_measure_device_limits(config, device, clock, limits_s)
        background_load = sampler.measure_background_load()
    return SessionResult(
        measurements=measurements,
        sync_s=sync_s,
        device_limits=device_limits,
        telemetry=telemetry,
        background_load=background_load if config.nproc == 1 else None,
        interrupted=interrupted,
    )


def run_steps(bench_model: BenchModel, config: BenchConfig, steps: int) -> None:
    """Runs a few steps without measuring them.

    Raises:
        NetscopeError: same as ``run_session``.
    """
    device = select_device(config)
    with use_device(device), join_process_group(device) as group, configure_torch(config), grad_mode(config):

        def run() -> None:
            prepared = prepare(bench_model, config, device)
            for _ in range(steps):
                prepared.workload.step()
            create_clock(device).synchronize()

        _wrap_errors(bench_model.name, run)
        group.barrier()


@contextmanager
def use_device(device: torch.device) -> Iterator[None]:
    """Makes a GPU torch's current device, or limits the process's memory to the CPU memory available."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.mm(
                torch.ones(8, 8, device=device), torch.ones(8, 8, device=device)
            )  # allocates the libraries' workspaces
            yield
    else:
        with limit_memory():
            yield


@dataclass(frozen=True, slots=True)
class _Measuring:
    """The arguments that all measurements of a session share."""

    clock: Clock
    context: RunContext
    sync_s: float


@dataclass(slots=True, kw_only=True)
class _WarmedUpModel:
    """A model after its warm-up, with the measurements made before the blocks."""

    prepared: PreparedModel
    build_s: float
    warm_up: WarmUp
    peak_memory_bytes: tuple[int, ...]
    copy_s: float | None
    no_copy_step_s: float | None
    has_device_sync: bool


def _warm_up_model(
    bench_model: BenchModel, config: BenchConfig, device: torch.device, shared: _Measuring
) -> _WarmedUpModel:
    meter = PeakMemoryMeter(device)
    clock = shared.clock
    begin = clock.now()

    def prepare_and_warm_up() -> tuple[PreparedModel, float, WarmUp]:
        prepared = prepare(bench_model, config, device)
        clock.synchronize()
        build_s = clock.now() - begin
        deadline = begin + _WARM_UP_SHARE * config.max_time_s
        return prepared, build_s, warm_up(prepared.workload, clock, shared.sync_s, shared.context, deadline)

    prepared, build_s, warm_up_result = _wrap_errors(bench_model.name, prepare_and_warm_up)
    peaks = shared.context.group.all_gather(meter.peak_bytes())
    copy_s, no_copy_step_s = _measure_transfer(prepared, config, clock)
    with execution_compat.record_device_syncs(device) as device_syncs:
        if device_syncs is not None:
            prepared.workload.step()
    return _WarmedUpModel(
        prepared=prepared,
        build_s=build_s,
        warm_up=warm_up_result,
        peak_memory_bytes=tuple(peak for peak in peaks if peak is not None),
        copy_s=copy_s,
        no_copy_step_s=no_copy_step_s,
        has_device_sync=bool(device_syncs),
    )


def _measure_transfer(prepared: PreparedModel, config: BenchConfig, clock: Clock) -> tuple[float | None, float | None]:
    """Returns the seconds of copying one step's inputs, and of a step without it; None if inputs stay on the device."""
    loader = prepared.loader
    if config.data != "host" or not isinstance(loader, HostInputLoader):
        return None, None
    steps = prepared.workload.steps_per_block
    copies = Workload(step=loader.copy, steps_per_block=steps)
    copy_s = median(measure_block(copies, clock, 0.0).step_s for _ in range(_COPY_BLOCKS))
    with loader.paused_copies():
        no_copy_step_s = median(measure_block(prepared.workload, clock, 0.0).step_s for _ in range(_COPY_BLOCKS))
    return copy_s, no_copy_step_s


def _measure_models(
    ready: Sequence[_WarmedUpModel], config: BenchConfig, clock: Clock, context: RunContext, deadline: float
) -> tuple[tuple[Block, ...], ...]:
    """Returns the blocks of each model; with DDP training, then the blocks of each model without gradient sync."""
    workloads = [item.prepared.workload for item in ready]
    # Without gradient sync, FSDP would keep unsharded gradients and its optimizer would have no gradients to use.
    if config.parallel == "ddp" and config.mode == "train" and config.nproc > 1:
        workloads = [
            replace(
                item.prepared.workload,
                before_block=partial(execution_compat.set_gradient_sync, item.prepared.model, is_enabled),
            )
            for is_enabled in (True, False)
            for item in ready
        ]
    options = LoopOptions(precision=config.precision, deadline=deadline, sync_every_step=config.sync_every_step)
    return measure(workloads, clock, options, context)


def _wrap_errors(name: str, run: Callable[[], Any]) -> Any:
    """Returns the result of ``run``; raises its errors as one sentence about the model of this name."""
    try:
        return run()
    except NetscopeError:
        raise
    except (Exception, SystemExit) as error:
        if execution_compat.is_out_of_memory(error):
            raise OutOfMemoryError(f"{name} needs more memory than is available: {describe_error(error)}") from error
        raise MeasuringError(f"a step of {name} failed: {describe_error(error)}") from error


def _try_measure_device_limits(
    config: BenchConfig, device: torch.device, clock: Clock, max_time_s: float
) -> DeviceLimits | None:
    """Returns the limits of the device; None if their measurement does not fit into memory."""
    try:
        return measure_device_limits(config, device, clock, max_time_s)
    except RuntimeError as error:
        if execution_compat.is_out_of_memory(error):
            return None
        raise


def _free_memory(config: BenchConfig, device: torch.device) -> None:
    if config.compile is not None:
        execution_compat.reset_compiler()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
