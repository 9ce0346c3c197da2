"""``netscope compare``."""

from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures, complete_compared_columns
from netscope.cli.options import (
    TIMEOUT_S,
    BatchSizeOption,
    DeviceOption,
    FormatOption,
    InputOption,
    JobsOption,
    MacsOption,
    NoCacheOption,
    OutputOption,
    SeqLenOption,
    TimeoutOption,
    TopOption,
    split_names,
)
from netscope.cli.output import choose_format, format_progress, show_progress, write_output, write_result
from netscope.errors import UsageError
from netscope.render import COMPARED_COLUMNS, CompareView, check_compare_view


def compare(
    architectures: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH",
            autocompletion=complete_architectures,
            help="Architecture (see netscope summary --help), saved summary (.json) or pattern, e.g. 'timm/convnext*'.",
        ),
    ],
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            "-c",
            metavar="A,B,…",
            autocompletion=complete_compared_columns,
            help=f"Columns to show, comma-separated or repeated: {', '.join(COMPARED_COLUMNS)}.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "-s",
            metavar="COLUMN",
            autocompletion=complete_compared_columns,
            help="Sort by a column, or by architecture: numbers from the largest, words from A to Z.",
        ),
    ] = "order",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Reverse the order.")] = False,
    top: TopOption = None,
    macs: MacsOption = False,
    timeout: TimeoutOption = TIMEOUT_S,
    jobs: JobsOption = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Compare many architectures, one row each: year, idea, layers, activations, pooling, params, FLOPs and memory.

    An architecture that fails, even in a crash, is a row with the reason; the others continue. Exit code: 2 if a name
    is unknown, 3 if an architecture cannot be built or run; the larger one if both occur.
    """
    view = CompareView(
        columns=split_names(columns),
        sort=sort,
        reverse=reverse,
        top=top,
        macs=macs,
    )
    check_compare_view(view)
    format_name = choose_format(output, format_name)
    if not timeout > 0:
        raise UsageError(f"--timeout must be greater than 0, got {timeout:g}")
    with show_progress("comparing", use_cache=not no_cache) as set_message:
        from netscope.api import compare

        plan = compare.ComparisonPlan(
            specs=architectures,
            inputs=inputs or (),
            options={"batch_size": batch_size, "seq_len": seq_len, "device": device},
            timeout_s=timeout,
            jobs=jobs,
        )
        result = compare.run_comparison(plan, lambda done: set_message(format_progress(done, "tracing")))
    if format_name == "html":
        from netscope.render.page import comparison_page

        write_output(comparison_page(result, view), output)
    else:
        write_result(result, format_name, output, view)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
