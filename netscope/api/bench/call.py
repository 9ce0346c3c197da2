"""``netscope.bench``: plans and runs a benchmark in one call."""

from pathlib import Path
from typing import Any

from netscope.api.arguments import check_arguments
from netscope.api.bench.plan import BenchOptions, parse_percent, plan_bench
from netscope.api.bench.run import BenchRun
from netscope.api.saved_results import read_saved
from netscope.schema import BenchReport


@check_arguments(BenchOptions)
def bench(
    models: Any = (),
    inputs: Any = None,
    *,
    layers: bool = False,
    compare: "BenchReport | str | Path | None" = None,
    force: bool = False,
    fail_if_slower: float | str | None = None,
    **options: Any,
) -> BenchReport:
    """Returns the throughput, latency, memory and utilization of architectures, with confidence intervals.

    Names are measured in separate processes, modules in this one. Your module is left unchanged.

    Args:
        models: an architecture's name, a module, or several; AlexNet by default.
        inputs: same as for ``summarize``.
        layers: whether to time each module; requires a single architecture and configuration.
        compare: an earlier report, or its JSON file.
        force: whether to compare with it even if the environments differ.
        fail_if_slower: how much longer a step may take before ``exit_code`` is 1, as a fraction or ``"5%"``.
        options: ``batch_size`` (a number, several, or ``"auto"`` for the largest that fits), ``seq_len``, ``device``
            (``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``), ``dtype`` (``"fp32"``, ``"tf32"``, ``"bf16"``,
            ``"fp16"``), ``mode`` (``"infer"``, ``"train"``), ``cast``, ``channels_last``, ``compile`` (a mode of
            ``torch.compile``), ``cuda_graph``, ``data`` (``"device"``, ``"host"``), ``optimizer``, ``latency``,
            ``nproc``, ``parallel`` (``"ddp"``, ``"fsdp"``), ``threads``, ``seed``, ``precision`` (0.005 or
            ``"0.5%"``), ``max_time_s``. You can give several batch sizes, dtypes, modes and numbers of processes.

    Returns:
        The report; ``print`` shows it as a table.

    Raises:
        UsageError: an option has an unknown value, or two options conflict.
        NetscopeError: the errors of ``summarize``, or a model could not be measured.
    """
    texts, objects = _split_inputs(inputs)
    before = compare if compare is None or isinstance(compare, BenchReport) else read_saved(BenchReport, Path(compare))
    limit = parse_percent(fail_if_slower, "fail_if_slower") if isinstance(fail_if_slower, str) else fail_if_slower
    plan = plan_bench(
        models if isinstance(models, (list, tuple)) else [models],
        BenchOptions(inputs=texts, **options),
        inputs=objects,
        layers=layers,
        before=before,
        force=force,
        slower_limit=limit,
    )
    return BenchRun(plan).run()


def _split_inputs(inputs: Any) -> tuple[tuple[str, ...], Any]:
    """Returns inputs as command-line texts, or unchanged as the second value if they have no such form."""
    if inputs is None:
        return (), None
    if isinstance(inputs, str):
        return (inputs,), None
    if isinstance(inputs, (list, tuple)) and inputs:
        if all(isinstance(item, str) for item in inputs):
            return tuple(inputs), None
        if all(type(item) is int for item in inputs):
            return ("x".join(map(str, inputs)),), None
    return (), inputs
