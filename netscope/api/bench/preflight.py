"""Inspects the device and traces each architecture before anything is measured."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netscope import analysis
from netscope.api.resolve_and_trace import (
    Sizes,
    check_has_forward,
    check_has_module,
    make_trace_request,
    parse_sizes,
    resolve,
    resolve_to_trace,
    shorten_reason,
    trace_or_diagnose,
)
from netscope.errors import InputError, NetscopeError, UntrainableError
from netscope.flops import count_flops
from netscope.runtime import startup
from netscope.schema import BenchConfig, BenchEnvironment, InputSpec, PreflightResult

if TYPE_CHECKING:
    from netscope.measuring import BenchModel

_TRACED_AS = {"bf16": "bfloat16", "fp16": "float16"}
_MEMBER = re.compile(r"\[\d+\]$")


def inspect_device(config: BenchConfig, command: str) -> tuple[str, BenchEnvironment]:
    """Returns the name of the device and the environment.

    Raises:
        DeviceError: the device does not exist or does not support the number format.
    """
    from netscope import __version__

    with startup.stub_imports(), startup.defer_garbage_collection():
        from netscope import measuring
    name = measuring.default_device() if config.device == "auto" else config.device
    device = measuring.select_device(replace(config, device=name))
    return name, measuring.collect_environment(device, {"netscope": __version__}, command)


def run_preflight(
    model: Any, config: BenchConfig, inputs: Any = None, *, with_summary: bool = False
) -> PreflightResult:
    """Returns the facts about an architecture that are known before measuring, such as the FLOPs of a step.

    Args:
        model: a name or a module.
        config: the configuration.
        inputs: the inputs, if ``config`` cannot contain them.
        with_summary: whether to include the summary of all layers.

    Raises:
        NetscopeError: the architecture cannot be run.
    """
    from netscope import __version__

    sizes = _sizes(config, inputs)
    notes: tuple[str, ...] = ()
    with resolve_to_trace(model) as resolved:
        from netscope import tracing

        check_has_forward(resolved)
        check_has_module(resolved, "bench")
        request = make_trace_request(resolved, sizes, _TRACED_AS.get(config.dtype))
        try:
            recorded = trace_or_diagnose(request, "meta", "train" if config.mode == "train" else "eval")
        except (InputError, UntrainableError):
            raise
        except NetscopeError as error:
            if with_summary:
                raise  # times of layers need the trace
            recorded = None
            notes = (f"FLOPs unknown: could not be traced without weights ({shorten_reason(error)})",)
            module = request.build("meta")
            given = tracing.resolve_input_specs(module, request.inputs(module))
    summary = (
        None if recorded is None else analysis.summarize_trace(recorded, count_flops(recorded), resolved.architecture)
    )
    specs = given if recorded is None else recorded.inputs
    return PreflightResult(
        spec=resolved.architecture.spec,
        architecture=resolved.architecture,
        inputs=specs,
        samples=config.batch_size or _samples(specs),
        flops=None if summary is None else summary.totals.step_flops or summary.totals.flops,
        is_lower_bound=summary is not None and summary.is_lower_bound,
        bytes_moved=None if recorded is None else analysis.count_bytes_moved(recorded),
        embedding_rows={} if recorded is None else analysis.count_embedding_rows(recorded),
        versions={"netscope": __version__, **resolved.versions},
        notes=notes,
        summary=summary if with_summary else None,
    )


def _samples(inputs: tuple[InputSpec, ...]) -> int:
    """Returns the samples in a step: the images in a list, otherwise the batch dimension of the first input."""
    if not inputs:
        return 1
    if _MEMBER.search(inputs[0].name):
        stem = _MEMBER.sub("", inputs[0].name)
        return sum(1 for item in inputs if _MEMBER.sub("", item.name) == stem)
    return inputs[0].shape[0] if inputs[0].shape else 1


def _sizes(config: BenchConfig, inputs: Any) -> Sizes:
    return parse_sizes(config.inputs or None if inputs is None else inputs, config.batch_size, config.seq_len)


def create_bench_model(model: Any, preflight: PreflightResult, config: BenchConfig, inputs: Any = None) -> "BenchModel":
    """Returns the module to measure, for your own module a copy, and a function for its varying inputs."""
    from netscope import measuring, tracing

    resolved = resolve(model)
    request = make_trace_request(resolved, _sizes(config, inputs))

    def build() -> Any:
        with tracing.avoid_compiler_import():
            module = request.build("cpu")
        return tracing.copy_to_device(module, "cpu") if resolved.user_owned else module

    return measuring.BenchModel(
        name=preflight.spec,
        build=build,
        create_inputs=lambda module, number, device: tracing.create_random_inputs(
            module, request.inputs(module), preflight.embedding_rows, config.seed + number, str(device)
        ),
        find_outputs=lambda result: tracing.find_differentiable_outputs(result, preflight.spec),
    )
