"""What is known before anything is measured: the device, and each architecture's inputs, FLOPs and bytes."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.resolve_and_trace import (
    Sizes,
    check_has_module,
    check_runs,
    reason_of,
    resolve,
    sizes_of,
    trace_explained,
    trace_request,
)
from netscope.errors import InputError, NetscopeError, UntrainableError
from netscope.flops import count_flops
from netscope.schema import BenchConfig, BenchEnvironment, InputSpec, PreflightResult
from netscope.schema.inputs import parse_inputs

if TYPE_CHECKING:
    from netscope.measuring import BenchSubject

_TRACED_AS = {"bf16": "bfloat16", "fp16": "float16"}
_MEMBER = re.compile(r"\[\d+\]$")


def probe_device(config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
    """The device that is meant, and the environment.

    Raises:
        DeviceError: there is none, or it has not the number format.
    """
    from netscope import __version__, measuring

    name = measuring.usual_device() if config.device == "auto" else config.device
    device = measuring.device_of(replace(config, device=name))
    return name, measuring.environment(device, {"netscope": __version__}, command)


def preflight(model: Any, config: BenchConfig, inputs: Any = None, *, with_summary: bool = False) -> PreflightResult:
    """What ``model`` is, and what a step of it costs by our own count.

    Args:
        model: a name or a module.
        config: how it will be measured.
        inputs: what it is run on where ``config`` cannot say it.
        with_summary: whether the summary of all layers is wanted.

    Raises:
        NetscopeError: one of its kinds, if it is clear by now that it cannot be run.
    """
    from netscope import __version__, tracing

    sizes = _sizes(config, inputs)
    notes: tuple[str, ...] = ()
    with tracing.preserve_process_state():
        resolved = resolve(model)
        check_runs(resolved)
        check_has_module(resolved, "bench")
        subject = trace_request(resolved, sizes, _TRACED_AS.get(config.dtype))
        try:
            recorded = trace_explained(subject, "meta", "train" if config.mode == "train" else "eval")
        except (InputError, UntrainableError):
            raise
        except NetscopeError as error:
            if with_summary:
                raise  # without a trace there are no layers to put times beside
            recorded = None
            notes = (f"its FLOPs are not known, since it could not be traced without weights ({reason_of(error)})",)
            module = subject.build("meta")
            given = tracing.resolve_input_specs(module, subject.inputs(module))
    summary = (
        None if recorded is None else analysis.summarize_trace(recorded, count_flops(recorded), resolved.architecture)
    )
    specs = given if recorded is None else recorded.inputs
    return PreflightResult(
        spec=resolved.architecture.spec,
        architecture=resolved.architecture,
        inputs=specs,
        samples=config.batch_size or _samples(specs),
        flops=None if summary is None else summary.totals.step_flops,
        is_lower_bound=summary is not None and summary.is_lower_bound,
        bytes_moved=None if recorded is None else analysis.count_bytes_moved(recorded),
        table_rows={} if recorded is None else analysis.table_rows(recorded),
        versions={"netscope": __version__, **resolved.versions},
        notes=notes,
        summary=summary if with_summary else None,
    )


def _samples(inputs: tuple[InputSpec, ...]) -> int:
    """In a step: members of a list of pictures, or else the first size of the first input."""
    if not inputs:
        return 1
    if _MEMBER.search(inputs[0].name):
        stem = _MEMBER.sub("", inputs[0].name)
        return sum(1 for item in inputs if _MEMBER.sub("", item.name) == stem)
    return inputs[0].shape[0] if inputs[0].shape else 1


def _sizes(config: BenchConfig, inputs: Any) -> Sizes:
    if inputs is None and config.inputs:
        inputs = parse_inputs(config.inputs)
    return sizes_of(inputs, config.batch_size, config.seq_len)


def measured_subject(model: Any, probed: PreflightResult, config: BenchConfig, inputs: Any = None) -> "BenchSubject":
    """What is run to measure ``model``: a module of ours, or a twin of the caller's, on inputs that vary."""
    from netscope import measuring, tracing

    resolved = resolve(model)
    subject = trace_request(resolved, _sizes(config, inputs))

    def build() -> Any:
        module = subject.build("cpu")
        return tracing.copy_to_device(module, "cpu") if resolved.user_owned else module

    return measuring.BenchSubject(
        what=probed.spec,
        build=build,
        batch=lambda module, number, device: tracing.create_random_inputs(
            module, subject.inputs(module), probed.table_rows, config.seed + number, str(device)
        ),
        differentiable=lambda result: tracing.find_differentiable_outputs(result, probed.spec),
    )
