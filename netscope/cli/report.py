"""``netscope report``."""

from pathlib import Path
from typing import Annotated, cast

import typer

from netscope.cli.completion import complete_architectures
from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DebugOption,
    DeviceOption,
    InputOption,
    NoCacheOption,
    SeqLenOption,
)
from netscope.cli.output import STDOUT, check_writable, show_progress, write_file
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
            "--output", "-o", metavar="FILE", help="Writes there, whole or not at all: .html, or .svg, .png or .pdf."
        ),
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]", autocompletion=complete_architectures, help="Likewise: both are shown, aligned, as for diff."
        ),
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option("--bench", metavar="FILE", help="What bench -o FILE.json measured of it is shown as well."),
    ] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """One self-contained page to look at an architecture, or at two, in a browser; or a picture of it.

    The page has its layers as a tree that folds, sorts and searches, where parameters, FLOPs and memory go, the shapes
    from input to output to scale, and the dataflow. It fetches nothing, so it can be sent and kept.
    """
    suffix = _checked_suffix(output)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.report import report as reported
        from netscope.api.saved_results import read_saved
        from netscope.schema.inputs import parse_inputs

        measured = read_saved(BenchReport, bench) if bench is not None else None
        result = reported(
            architecture,
            other,
            parse_inputs(inputs) if inputs else None,
            bench=measured,
            batch_size=batch_size,
            seq_len=seq_len,
            device=device,
        )
        if measured is not None:
            _check_measured(result, measured, str(bench))
    with show_progress(f"drawing {architecture}"):
        content = _drawn(result, suffix)
    write_file(output, content, "-o")
    typer.echo(f"{output}: {numbers.size(len(content))}", err=True)


def _checked_suffix(path: Path) -> str:
    """The file's suffix, once it is clear that it can be written and what goes into it.

    Raises:
        OutputError: it cannot, or it is not.
    """
    if path == STDOUT:
        raise OutputError("-o -: a report is a file to open; name one, like -o report.html")
    suffix = path.suffix.lower()
    if suffix not in PAGES + PICTURES:
        raise OutputError(
            f"-o {path}: a report is a page (.html) or a picture ({', '.join(PICTURES)}), not {path.suffix!r}"
        )
    check_writable(path, "-o")
    return suffix


def _check_measured(result: ArchitectureReport | DiffReport, measured: BenchReport, file: str) -> None:
    """Checks that something was measured of what is shown.

    Raises:
        UsageError: nothing was.
    """
    shown = (result.before, result.after) if isinstance(result, DiffReport) else (result,)
    if any(side.bench for side in shown):
        return
    asked = " or ".join(dict.fromkeys(side.summary.architecture.title for side in shown))
    there = ", ".join(dict.fromkeys(item.architecture.title for item in measured.results)) or "none at all"
    raise UsageError(f"--bench {file} has no result of {asked}; it has those of {there}")


def _drawn(result: ArchitectureReport | DiffReport, suffix: str) -> bytes:
    if suffix in PICTURES:
        from netscope.render.pictures import PictureFormat, picture_bytes

        return picture_bytes(result, cast("PictureFormat", suffix.removeprefix(".")))
    from netscope.render.page import report_page

    return report_page(result).encode()
