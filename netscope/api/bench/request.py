"""Runs a request in this process and returns its results."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.bench.preflight import create_bench_model
from netscope.schema import BenchConfig, BenchEnvironment, BenchRequest, BenchResult, DeviceLimits, PreflightResult

if TYPE_CHECKING:
    from netscope.measuring import Measurement, MeasuringProgress, SessionResult

ProgressData = dict[str, Any]

_TRIAL_STEPS = 2
"""From the second training step on, memory also contains the optimizer's state."""


def run_request(
    request: BenchRequest,
    report_progress: Callable[[ProgressData], None],
    is_stopped: Callable[[], bool],
    models: Sequence[Any] = (),
    inputs: Any = None,
) -> tuple[BenchResult, ...]:
    """Measures a request in this process and returns the results.

    Args:
        request: the request.
        report_progress: is called with the progress.
        is_stopped: whether the user asked to stop.
        models: the architectures if they are modules; otherwise the names in the request are used.
        inputs: the inputs, if the request cannot contain them.

    Raises:
        NetscopeError: same as ``measuring.run_session``.
    """
    from netscope import measuring, tracing

    config = request.config
    sources = models or [item.spec for item in request.preflights]
    options = measuring.SessionOptions(
        layers=any(item.summary is not None for item in request.preflights),
        steps_per_block=request.steps_per_block,
        report_progress=lambda progress: report_progress(_progress_to_dict(progress)),
        is_stopped=is_stopped,
    )
    with tracing.preserve_process_state():
        bench_models = [
            create_bench_model(model, item, config, inputs)
            for model, item in zip(sources, request.preflights, strict=True)
        ]
        session = measuring.run_session(bench_models, config, options)
    environment = measuring.collect_environment(measuring.select_device(config), {}, request.command)
    return tuple(
        _create_result(request, item, measurement, session, complete_environment(environment, item, config))
        for item, measurement in zip(request.preflights, session.measurements, strict=True)
    )


def _progress_to_dict(progress: "MeasuringProgress") -> ProgressData:
    return {
        "phase": progress.phase,
        "blocks": progress.blocks,
        "means": [estimate.mean for estimate in progress.estimates],
        "relatives": [estimate.relative for estimate in progress.estimates],
    }


def _create_result(
    request: BenchRequest,
    preflight: PreflightResult,
    measurement: "Measurement",
    session: "SessionResult",
    environment: BenchEnvironment,
) -> BenchResult:
    config = request.config
    return BenchResult(
        architecture=preflight.architecture,
        inputs=preflight.inputs,
        config=config,
        environment=environment,
        status="ok",
        work=measurement.work,
        samples=preflight.samples * config.nproc,
        build_s=measurement.build_s,
        warm_up=measurement.warm_up,
        sync_s=session.sync_s,
        blocks=measurement.blocks,
        interleaved=len(request.preflights),
        flops=preflight.flops,
        is_lower_bound=preflight.is_lower_bound,
        bytes_moved=preflight.bytes_moved,
        device_limits=_add_datasheet(session.device_limits, environment.device, config.dtype),
        peak_memory_bytes=measurement.peak_memory_bytes,
        copy_s=measurement.copy_s,
        no_copy_step_s=measurement.no_copy_step_s,
        has_device_sync=measurement.has_device_sync,
        no_sync_blocks=measurement.no_sync_blocks,
        telemetry=session.telemetry,
        background_load=session.background_load,
        interrupted=session.interrupted,
        notes=preflight.notes,
        layers=None
        if preflight.summary is None or measurement.layers is None
        else analysis.add_layer_times(preflight.summary, measurement.layers.seconds),
        layer_overhead=None if measurement.layers is None else measurement.layers.overhead,
    )


def complete_environment(
    environment: BenchEnvironment, preflight: PreflightResult, config: BenchConfig
) -> BenchEnvironment:
    """Returns the environment with the source's versions and the configured threads."""
    ignored = {"OMP_NUM_THREADS"} if config.nproc > 1 else set()  # torchrun's processes get it from netscope
    return replace(
        environment,
        versions={**preflight.versions, **environment.versions},
        threads=config.threads or environment.threads,
        variables={name: value for name, value in environment.variables.items() if name not in ignored},
    )


def _add_datasheet(device_limits: DeviceLimits | None, device: str, dtype: str) -> DeviceLimits | None:
    sheet = analysis.find_datasheet(device)
    if sheet is None or device_limits is None:
        return device_limits
    return replace(
        device_limits,
        datasheet=sheet.document,
        datasheet_flops=sheet.peak_flops(dtype),
        datasheet_bytes=sheet.peak_bytes,
    )


def try_steps(request: BenchRequest, models: Sequence[Any] = (), inputs: Any = None) -> None:
    """Runs a few steps of the request's only architecture.

    Raises:
        OutOfMemoryError: memory ran out.
        NetscopeError: a step failed for another reason.
    """
    from netscope import measuring, tracing

    (preflight,) = request.preflights
    with tracing.preserve_process_state():
        bench_model = create_bench_model(models[0] if models else preflight.spec, preflight, request.config, inputs)
        measuring.run_steps(bench_model, request.config, _TRIAL_STEPS)
