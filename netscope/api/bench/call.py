"""``netscope.bench``: a plan and its run in one call."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from netscope.api.bench.plan import Options, percent, plan_bench
from netscope.api.bench.run import BenchRun
from netscope.api.saved_results import read_saved
from netscope.errors import UsageError, did_you_mean
from netscope.schema import BenchReport


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
    """How fast architectures run, and how surely that is known.

    Names are measured in processes of their own, modules in this one; a module comes back as it was.

    Args:
        models: an architecture's name, a module, or several; AlexNet by default.
        inputs: as for ``summarize``.
        layers: whether the time of each module is measured as well, of one architecture in one configuration.
        compare: an earlier report, or the JSON file of one.
        force: whether to compare with it although it comes from another environment.
        fail_if_slower: how much longer than then makes ``exit_code`` 1, as a share or ``"5%"``.
        options: ``batch_size`` (a number, several, or ``"auto"`` for the largest that fits), ``seq_len``, ``device``
            (``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``), ``dtype`` (``"fp32"``, ``"tf32"``, ``"bf16"``,
            ``"fp16"``), ``mode`` (``"infer"``, ``"train"``), ``cast``, ``channels_last``, ``compile`` (a mode of
            ``torch.compile``), ``cuda_graph``, ``data`` (``"resident"``, ``"host"``), ``optimizer``, ``latency``,
            ``nproc``, ``parallel`` (``"ddp"``, ``"fsdp"``), ``threads``, ``seed``, ``precision`` (0.005 or
            ``"0.5%"``), ``max_time_s``. Batch sizes, dtypes, modes and numbers of processes may be several.

    Returns:
        The report; ``print`` shows it.

    Raises:
        UsageError: an option has no such value, or two of them do not go together.
        NetscopeError: another of its kinds; those of ``summarize``.
    """
    several = models if isinstance(models, (list, tuple)) else [models]
    texts, objects = _as_texts(inputs)
    known = {item.name for item in fields(Options)} - {"inputs"}
    for name in options:
        if name not in known:
            raise UsageError(f"bench has no option {name!r}{did_you_mean(name, known)}")
    before = compare if compare is None or isinstance(compare, BenchReport) else read_saved(BenchReport, Path(compare))
    limit = percent(fail_if_slower, "fail_if_slower") if isinstance(fail_if_slower, str) else fail_if_slower
    plan = plan_bench(
        several,
        Options(inputs=texts, **options),
        inputs=objects,
        layers=layers,
        before=before,
        force=force,
        slower_limit=limit,
    )
    return BenchRun(plan).go()


def _as_texts(inputs: Any) -> tuple[tuple[str, ...], Any]:
    """Inputs as the command line would have them, or as they are where they cannot be written."""
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
