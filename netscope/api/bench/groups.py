"""A request → results, in this process or in one of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.bench.preflight import measured_subject
from netscope.schema import BenchConfig, BenchEnvironment, BenchRequest, BenchResult, Ceilings, Surveyed

if TYPE_CHECKING:
    from netscope.measuring import Measured, Progress, Session, Subject

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
    whom = models or [item.spec for item in request.surveyed]
    subjects: list[Subject] = [
        measured_subject(model, item, config, inputs) for model, item in zip(whom, request.surveyed, strict=True)
    ]
    wishes = measuring.Wishes(
        layers=any(item.summary is not None for item in request.surveyed),
        steps_per_block=request.steps_per_block,
        tell=lambda progress: tell(_plain(progress)),
        stopped=stopped,
    )
    with tracing.undisturbed():
        session = measuring.run_session(subjects, config, wishes)
    environment = measuring.environment(measuring.device_of(config), {}, request.command)
    return tuple(
        _result(request, item, measured, session, environment_of(environment, item, config))
        for item, measured in zip(request.surveyed, session.measured, strict=True)
    )


def _plain(progress: "Progress") -> Told:
    return {
        "phase": progress.phase,
        "blocks": progress.blocks,
        "means": [estimate.mean for estimate in progress.estimates],
        "relatives": [estimate.relative for estimate in progress.estimates],
    }


def _result(
    request: BenchRequest,
    surveyed: Surveyed,
    measured: "Measured",
    session: "Session",
    environment: BenchEnvironment,
) -> BenchResult:
    config = request.config
    return BenchResult(
        architecture=surveyed.architecture,
        inputs=surveyed.inputs,
        config=config,
        environment=environment,
        outcome="measured",
        work=measured.work,
        samples=surveyed.samples * config.nproc,
        warm_up=measured.warm_up,
        sync_s=session.sync_s,
        blocks=measured.blocks,
        interleaved=len(request.surveyed),
        flops=surveyed.flops,
        is_lower_bound=surveyed.is_lower_bound,
        bytes_moved=surveyed.bytes_moved,
        ceilings=_with_datasheet(session.ceilings, environment.device, config.dtype),
        peak_memory_bytes=measured.peak_memory_bytes,
        copy_s=measured.copy_s,
        resident_step_s=measured.resident_step_s,
        waits=measured.waits,
        local_blocks=measured.local_blocks,
        telemetry=session.telemetry,
        foreign_load=session.foreign_load,
        interrupted=session.interrupted,
        remarks=surveyed.remarks,
        layers=None
        if surveyed.summary is None or measured.layers is None
        else analysis.with_times(surveyed.summary, measured.layers.seconds),
        layer_overhead=None if measured.layers is None else measured.layers.overhead,
    )


def environment_of(environment: BenchEnvironment, surveyed: Surveyed, config: BenchConfig) -> BenchEnvironment:
    """The environment with what an architecture and its configuration add to the device's."""
    ours = {"OMP_NUM_THREADS"} if config.nproc > 1 else set()  # which we set there ourselves
    return replace(
        environment,
        versions={**surveyed.versions, **environment.versions},
        threads=config.threads or environment.threads,
        variables={name: value for name, value in environment.variables.items() if name not in ours},
    )


def _with_datasheet(ceilings: Ceilings | None, device: str, dtype: str) -> Ceilings | None:
    sheet = analysis.datasheet_of(device)
    if sheet is None or ceilings is None:
        return ceilings
    return replace(
        ceilings,
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

    (surveyed,) = request.surveyed
    subject = measured_subject(models[0] if models else surveyed.spec, surveyed, request.config, inputs)
    measuring.run_steps(subject, request.config, _STEPS_TO_FIT)
    return True
