"""A request → results, in this process or in one of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.bench.preflight import measured_subject
from netscope.schema import BenchConfig, BenchEnvironment, BenchRequest, BenchResult, DeviceLimits, PreflightResult

if TYPE_CHECKING:
    from netscope.measuring import BenchSubject, Measured, MeasuringProgress, Session

Told = dict[str, Any]

_STEPS_TO_FIT = 2
"""The second step of training has the optimizer's state beside it."""


def measure_request(
    request: BenchRequest,
    tell: Callable[[Told], None],
    stopped: Callable[[], bool],
    models: Sequence[Any] = (),
    inputs: Any = None,
) -> tuple[BenchResult, ...]:
    """The results of a request, measured in this process.

    Args:
        request: what to measure.
        tell: is told how far it has come.
        stopped: whether someone wants it to end.
        models: the architectures, where these are modules; otherwise their names are resolved.
        inputs: what they are run on where the request cannot say it.

    Raises:
        NetscopeError: as ``measuring.run_session``.
    """
    from netscope import measuring, tracing

    config = request.config
    whom = models or [item.spec for item in request.probed]
    subjects: list[BenchSubject] = [
        measured_subject(model, item, config, inputs) for model, item in zip(whom, request.probed, strict=True)
    ]
    wishes = measuring.SessionOptions(
        layers=any(item.summary is not None for item in request.probed),
        steps_per_block=request.steps_per_block,
        tell=lambda progress: tell(_plain(progress)),
        stopped=stopped,
    )
    with tracing.preserve_process_state():
        session = measuring.run_session(subjects, config, wishes)
    environment = measuring.environment(measuring.device_of(config), {}, request.command)
    return tuple(
        _result(request, item, measured, session, environment_of(environment, item, config))
        for item, measured in zip(request.probed, session.measured, strict=True)
    )


def _plain(progress: "MeasuringProgress") -> Told:
    return {
        "phase": progress.phase,
        "blocks": progress.blocks,
        "means": [estimate.mean for estimate in progress.estimates],
        "relatives": [estimate.relative for estimate in progress.estimates],
    }


def _result(
    request: BenchRequest,
    probed: PreflightResult,
    measured: "Measured",
    session: "Session",
    environment: BenchEnvironment,
) -> BenchResult:
    config = request.config
    return BenchResult(
        architecture=probed.architecture,
        inputs=probed.inputs,
        config=config,
        environment=environment,
        status="ok",
        work=measured.work,
        samples=probed.samples * config.nproc,
        warm_up=measured.warm_up,
        sync_s=session.sync_s,
        blocks=measured.blocks,
        interleaved=len(request.probed),
        flops=probed.flops,
        is_lower_bound=probed.is_lower_bound,
        bytes_moved=probed.bytes_moved,
        device_limits=_with_datasheet(session.device_limits, environment.device, config.dtype),
        peak_memory_bytes=measured.peak_memory_bytes,
        copy_s=measured.copy_s,
        resident_step_s=measured.resident_step_s,
        has_device_sync=measured.has_device_sync,
        no_sync_blocks=measured.no_sync_blocks,
        telemetry=session.telemetry,
        background_load=session.background_load,
        interrupted=session.interrupted,
        notes=probed.notes,
        layers=None
        if probed.summary is None or measured.layers is None
        else analysis.with_times(probed.summary, measured.layers.seconds),
        layer_overhead=None if measured.layers is None else measured.layers.overhead,
    )


def environment_of(environment: BenchEnvironment, probed: PreflightResult, config: BenchConfig) -> BenchEnvironment:
    """The environment with what an architecture and its configuration add to the device's."""
    ours = {"OMP_NUM_THREADS"} if config.nproc > 1 else set()  # which we set there ourselves
    return replace(
        environment,
        versions={**probed.versions, **environment.versions},
        threads=config.threads or environment.threads,
        variables={name: value for name, value in environment.variables.items() if name not in ours},
    )


def _with_datasheet(device_limits: DeviceLimits | None, device: str, dtype: str) -> DeviceLimits | None:
    sheet = analysis.datasheet_of(device)
    if sheet is None or device_limits is None:
        return device_limits
    return replace(
        device_limits,
        datasheet=sheet.document,
        datasheet_flops=sheet.peak_flops(dtype),
        datasheet_bytes=sheet.peak_bytes,
    )


def fits(request: BenchRequest, models: Sequence[Any] = (), inputs: Any = None) -> bool:
    """Whether a few steps of the request's one architecture run.

    Raises:
        OutOfMemoryError: they do not, for want of memory.
        NetscopeError: they do not, for another reason.
    """
    from netscope import measuring

    (probed,) = request.probed
    subject = measured_subject(models[0] if models else probed.spec, probed, request.config, inputs)
    measuring.run_steps(subject, request.config, _STEPS_TO_FIT)
    return True
