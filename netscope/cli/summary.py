"""``netscope summary``."""

from typing import Annotated, ClassVar

import typer

from netscope.cli.completion import complete_columns, complete_dtype, complete_sort
from netscope.cli.help import UsageCommand
from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DepthOption,
    DeviceOption,
    FormatOption,
    InputOption,
    MacsOption,
    NoCacheOption,
    OutputOption,
    SeqLenOption,
    TopOption,
    split_names,
)
from netscope.cli.output import choose_format, show_progress, write_result
from netscope.errors import UsageError, join_choices
from netscope.render import (
    COLUMN_MEANINGS,
    PARAMETER_COLUMNS,
    PARAMETER_ORDERS,
    ParametersView,
    View,
    check_parameters_view,
    check_view,
)
from netscope.schema import ParameterTable


class SummaryCommand(UsageCommand):
    """Shows what each column means below the options."""

    tables: ClassVar = {"Columns for --columns and --sort": COLUMN_MEANINGS}


def summary(
    architecture: ArchitectureArgument,
    shape: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="Same as --input, e.g. 1x3x64x64, or 64 for a square picture."),
    ] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            autocompletion=complete_dtype,
            help="Cast parameters, buffers and floating-point inputs: float32, float16, bfloat16, float64, fp16, ….",
        ),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Count a full training step: forward and backward pass in train mode.")
    ] = False,
    optimizer: Annotated[
        str | None,
        typer.Option(
            "--optimizer", metavar="NAME", help="With --train: include this optimizer's state in memory, e.g. adamw."
        ),
    ] = None,
    depth: DepthOption = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            "-c",
            metavar="A,B,…",
            autocompletion=complete_columns,
            help="Columns to show, comma-separated or repeated (table below).",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "-s",
            metavar="ORDER",
            autocompletion=complete_sort,
            help="Show a flat list sorted by name or a metric, e.g. params, instead of the tree.",
        ),
    ] = "order",
    top: TopOption = None,
    macs: MacsOption = False,
    ops: Annotated[
        bool, typer.Option("--ops", help="List the ops each module ran directly (excluding its children's).")
    ] = False,
    params: Annotated[
        bool,
        typer.Option(
            "--params",
            help=f"List every parameter and buffer, with columns {', '.join(PARAMETER_COLUMNS)}, sorted by "
            f"{join_choices(PARAMETER_ORDERS)}.",
        ),
    ] = False,
    expand: Annotated[bool, typer.Option("--expand", help="Do not fold runs of identical siblings.")] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Show every layer's output shape, parameters and FLOPs, from a single pass without weights."""
    view = View(
        columns=split_names(columns),
        depth=depth,
        sort=sort,
        top=top,
        expand=expand,
        macs=macs,
        ops=ops,
    )
    parameters_view = ParametersView(columns=view.columns, sort=sort, top=top) if params else None
    if parameters_view is None:
        check_view(view)
    elif view != View(columns=view.columns, sort=sort, top=top):
        raise UsageError("--params lists every tensor: --depth, --expand, --macs and --ops do not apply")
    else:
        check_parameters_view(parameters_view)
    format_name = choose_format(output, format_name)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.summary import get_summary

        given = [text for text in (shape, *(inputs or ())) if text is not None]
        options = {
            "batch_size": batch_size,
            "seq_len": seq_len,
            "device": device,
            "dtype": dtype,
            "optimizer": optimizer,
            "mode": "train" if train else "eval",
        }
        result = get_summary(architecture, given or None, options)
    shown = ParameterTable.of(result) if params else result
    write_result(shown, format_name, output, parameters_view or view)
