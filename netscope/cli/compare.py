"""``netscope compare``."""

from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures
from netscope.cli.options import (
    BatchSizeOption,
    DebugOption,
    DeviceOption,
    FormatOption,
    InputOption,
    JobsOption,
    NoCacheOption,
    OutputOption,
    SeqLenOption,
)
from netscope.cli.output import choose_format, format_progress, show_progress, write_output, write_result
from netscope.errors import UsageError
from netscope.render import COMPARED_COLUMNS, CompareView, check_compare_view, check_format

TIMEOUT_S = 600.0


def compare(
    architectures: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH",
            autocompletion=complete_architectures,
            help="As for summary, or a saved summary (.json); with *, ? and [ all names that fit, 'timm/convnext*'.",
        ),
    ],
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    columns: Annotated[
        str | None,
        typer.Option("--columns", "-c", metavar="A,B,…", help=f"Which columns: {', '.join(COMPARED_COLUMNS)}."),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "-s",
            metavar="COLUMN",
            help="By a column or by architecture: figures largest first, words from A to Z; order is that given.",
        ),
    ] = "order",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Turns the order round.")] = False,
    macs: Annotated[bool, typer.Option("--macs", help="Shows multiply–adds instead of FLOPs.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="After which an architecture is given up.")
    ] = TIMEOUT_S,
    jobs: JobsOption = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """Many architectures beside each other: year, idea, layers, activations, pooling, params, FLOPs and memory.

    One that fails, even in a crash, is a row with its reason, and the others go on. The exit code is then the largest
    of the failed ones: 2 for an unknown name, 3 for one that cannot be built or run.
    """
    view = CompareView(
        columns=tuple(key.strip() for key in columns.split(",")) if columns is not None else None,
        sort=sort,
        reverse=reverse,
        macs=macs,
    )
    check_compare_view(view)
    format_name = choose_format(output, format_name)
    check_format(format_name)
    if not timeout > 0:
        raise UsageError(f"--timeout has to be more than 0 s, not {timeout:g}")
    with show_progress("comparing", use_cache=not no_cache) as progress:
        from netscope.api import compare

        plan = compare.ComparisonPlan(
            specs=architectures,
            inputs=inputs or (),
            options={"batch_size": batch_size, "seq_len": seq_len, "device": device},
            timeout_s=timeout,
            jobs=jobs,
        )
        result = compare.run_comparison(plan, lambda told: progress(format_progress(told, "tracing")))
    if format_name == "html":
        from netscope.render.page import comparison_page

        write_output(comparison_page(result, view), output)
    else:
        write_result(result, format_name, output, view)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
