"""The parts of ``gpu.sh`` that are written in Python.

python benchmarks/gpu.py environment|nvml|timm|check|tables …
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from netscope.errors import NetscopeError
from netscope.render import numbers, render
from netscope.schema import BenchConfig, BenchReport, BenchResult

MANY = 8
"""A table of more results is shown without their comparisons, of which there are several for each."""

TIMM_WARM_UP, TIMM_STEPS = 10, 40
"""The defaults of timm's ``benchmark.py``."""


def environment(device: str) -> None:
    """Prints the machine and the versions, as each result has them."""
    from netscope.api.bench.preflight import inspect_device

    _, found = inspect_device(BenchConfig(device=device), "benchmarks/gpu.sh")
    for name in found.__dataclass_fields__:
        print(f"{name}: {getattr(found, name)}")


def nvml() -> None:
    """Prints what NVML reports about the first GPU; fails without it."""
    import torch

    from netscope.runtime.nvml import Gpu, driver_version

    gpu = Gpu(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
    print(json.dumps({"driver": driver_version(), "limits": gpu.limits(), "sample": gpu.sample()}, indent=2))


def timm(device: str, batch: str, max_time: str, *models: str) -> None:
    """Prints the samples per second of timm's own loop beside ours, for inference in fp32.

    Ours synchronizes after each step too with ``latency``. Both have the same settings of torch.
    """
    import netscope

    rows = [["architecture", "batch", "timm's loop, samples/s", "netscope, samples/s", "±", "ratio"]]
    for name in models:
        theirs = int(batch) / measure_as_timm(name, device, int(batch))
        (ours,) = netscope.bench(
            name, device=device, batch_size=int(batch), latency=True, max_time_s=float(max_time)
        ).results
        rates = [numbers.rate(theirs), numbers.rate(ours.throughput), numbers.margin(ours.step_s.relative)]
        rows.append([name, batch, *rates, f"{ours.throughput / theirs:.3f}"])
    print("\n".join(format_table(rows)))


def measure_as_timm(name: str, device: str, batch: int) -> float:
    """Returns the seconds of a step as timm's loop measures them: 10 steps, then 40, each synchronized."""
    import torch

    import netscope
    from netscope.measuring.clock import create_clock
    from netscope.measuring.precision import configure_torch
    from netscope.sources import resolve

    (spec,) = netscope.summarize(name).inputs
    x = torch.randn(batch, *spec.shape[1:], device=device)
    model = resolve(name).factory().eval().to(device)
    clock = create_clock(torch.device(device))

    def run(steps: int) -> float:
        clock.synchronize()
        start = clock.now()
        for _ in range(steps):
            model(x)
            clock.synchronize()
        return clock.now() - start

    with torch.no_grad(), configure_torch(BenchConfig(device=device)):
        run(TIMM_WARM_UP)
        return run(TIMM_STEPS) / TIMM_STEPS


def check(path: str, *statuses: str) -> None:
    """Fails unless the results in a file have these statuses, in order."""
    found = [result.status for result in read(Path(path)).results]
    print(f"expected {', '.join(statuses)}; found {', '.join(found)}")
    if found != list(statuses):
        raise SystemExit(1)


def read(path: Path) -> BenchReport:
    """Returns a saved report."""
    return BenchReport.from_json(path.read_bytes())


def tables(folder: str) -> None:
    """Writes ``throughput-gpu.md``, in the form of docs/explanation/throughput.md, and ``summary.md``."""
    out = Path(folder)
    reports: dict[str, BenchReport] = {}
    unreadable: list[str] = []
    for path in sorted(out.rglob("*.json")):
        name = str(path.relative_to(out).with_suffix(""))
        try:
            reports[name] = read(path)
        except NetscopeError as error:
            unreadable.append(f"{name}: {error}")
    page = "\n".join(part for name, report in reports.items() if "/" not in name for part in format_report(report))
    selftest = out / "selftest.log"
    if selftest.is_file():
        page += f"\n`netscope bench --selftest`\n\n```text\n{selftest.read_text(encoding='utf-8').rstrip()}\n```\n"
    (out / "throughput-gpu.md").write_text(page, encoding="utf-8")
    summary = "\n".join([*format_steps(out / "steps.tsv"), "", *format_results(reports), *unreadable, ""])
    (out / "summary.md").write_text(summary, encoding="utf-8")
    print(summary)
    if unreadable:
        raise SystemExit(1)


def format_report(report: BenchReport) -> Iterator[str]:
    """Yields the command and the table of a report, as the pages of throughput have them."""
    command, _, _file = report.results[0].environment.command.partition(" -o ")
    yield f"`{command}`\n"
    yield render(replace(report, comparisons=()) if len(report.results) > MANY else report, "markdown")


def format_steps(path: Path) -> Iterator[str]:
    """Yields the table of the steps of ``gpu.sh`` so far."""
    rows = list(csv.reader(path.open(encoding="utf-8"), delimiter="\t"))
    yield from format_table(rows)


def format_results(reports: Mapping[str, BenchReport]) -> Iterator[str]:
    """Yields one table with a row for each result of each file."""
    heading = ["file", "architecture", "batch", "dtype", "mode", "samples/s", "±", "of peak", "of matmul", "bound", ""]
    yield from format_table(
        [heading, *([name, *cells(result)] for name, report in reports.items() for result in report.results)]
    )


def cells(result: BenchResult) -> list[str]:
    """Returns the cells of a result."""
    config = result.config
    first = [result.architecture.title, str(config.batch_size or ""), config.dtype, config.mode]
    if not result.is_measured:
        return [*first, "", "", "", "", "", f"{result.status}: {result.message}"]
    shares = [
        "" if share is None else numbers.fraction(share)
        for share in (result.peak_utilization, result.matmul_utilization)
    ]
    return [
        *first,
        numbers.rate(result.throughput),
        numbers.margin(result.step_s.relative),
        *shares,
        result.bound or "",
        "" if result.has_converged else "not converged",
    ]


def format_table(rows: list[list[str]]) -> Iterator[str]:
    """Yields a Markdown table, whose first row is the heading."""
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        if number == 0:
            yield "| " + " | ".join("---" for _ in row) + " |"


PARTS: Mapping[str, Callable[..., None]] = {
    "environment": environment,
    "nvml": nvml,
    "timm": timm,
    "check": check,
    "tables": tables,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](*sys.argv[2:])
