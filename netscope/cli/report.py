"""``netscope report``."""

from pathlib import Path
from typing import Annotated, cast

import typer

from netscope.cli.completion import complete_architectures
from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DeviceOption,
    InputOption,
    NoCacheOption,
    SeqLenOption,
)
from netscope.cli.output import STDOUT, check_writable, print_note, show_progress, write_file
from netscope.errors import OutputError, UsageError
from netscope.render import numbers
from netscope.schema import ArchitectureReport, BenchReport, DiffReport

PAGES = ("", ".html", ".htm")
PICTURES = (".svg", ".png", ".pdf")


def report(
    architecture: ArchitectureArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write .html, .svg, .png or .pdf to FILE, replacing it only on success.",
        ),
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            autocompletion=complete_architectures,
            help="Second architecture: show both, aligned as by netscope diff.",
        ),
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option("--bench", metavar="FILE", help="Include measurements from netscope bench -o FILE.json."),
    ] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    no_cache: NoCacheOption = False,
) -> None:
    """Write a self-contained HTML page, or a picture, of one or two architectures.

    The page shows the layers as a tree that you can fold, sort and search, where parameters, FLOPs and memory go, the
    shapes from input to output to scale, and the dataflow. It loads nothing from the network.
    """
    suffix = _check_suffix(output)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.report import report as make_report
        from netscope.api.saved_results import read_saved

        benchmark = read_saved(BenchReport, bench) if bench is not None else None
        result = make_report(
            architecture,
            other,
            inputs or None,
            bench=benchmark,
            batch_size=batch_size,
            seq_len=seq_len,
            device=device,
        )
        if benchmark is not None:
            _check_benchmark(result, benchmark, str(bench))
    with show_progress(f"drawing {architecture}"):
        content = _render(result, suffix)
    write_file(output, content, "-o")
    print_note(f"{output}: {numbers.size(len(content))}")


def _check_suffix(path: Path) -> str:
    """Returns the file's suffix, after checking that it is known and the file is writable.

    Raises:
        OutputError: the suffix is unknown, or the file is not writable.
    """
    if path == STDOUT:
        raise OutputError("-o -: a report cannot be written to stdout; name a file, e.g. -o report.html")
    suffix = path.suffix.lower()
    if suffix not in PAGES + PICTURES:
        raise OutputError(
            f"-o {path}: unknown suffix {path.suffix!r}; a report is a page (.html) or picture ({', '.join(PICTURES)})"
        )
    check_writable(path, "-o")
    return suffix


def _check_benchmark(result: ArchitectureReport | DiffReport, benchmark: BenchReport, file: str) -> None:
    """Checks that the benchmark has a result of an architecture in the report.

    Raises:
        UsageError: it has none.
    """
    shown = (result.before, result.after) if isinstance(result, DiffReport) else (result,)
    if any(side.bench for side in shown):
        return
    requested = " or ".join(dict.fromkeys(side.summary.architecture.title for side in shown))
    found = ", ".join(dict.fromkeys(item.architecture.title for item in benchmark.results)) or "nothing"
    raise UsageError(f"--bench {file} has no result of {requested}; it contains {found}")


def _render(result: ArchitectureReport | DiffReport, suffix: str) -> bytes:
    if suffix in PICTURES:
        from netscope.render.pictures import PictureFormat, picture_bytes

        return picture_bytes(result, cast("PictureFormat", suffix.removeprefix(".")))
    from netscope.render.page import report_page

    return report_page(result).encode()
