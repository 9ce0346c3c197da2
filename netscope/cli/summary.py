"""``netscope summary``."""

from typing import Annotated

import typer

from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DebugOption,
    DeviceOption,
    FormatOption,
    InputOption,
    NoCacheOption,
    OutputOption,
    SeqLenOption,
)
from netscope.cli.output import choose_format, show_progress, write_result
from netscope.render import COLUMNS, View, check_format, check_view


def summary(
    architecture: ArchitectureArgument,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="DTYPE", help="Casts the model: float32, float16, bfloat16, float64."),
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="Counts a step: forward in train mode, and backward.")] = False,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", metavar="NAME", help="With --train: whose state is kept, like adamw.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", "-d", metavar="N", help="Shows this many levels below the root.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", "-c", metavar="A,B,…", help=f"Which columns: {', '.join(COLUMNS)}.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", "-s", metavar="ORDER", help="order (the tree), or as a flat list by params, flops or name."
        ),
    ] = "order",
    macs: Annotated[bool, typer.Option("--macs", help="Shows multiply–adds instead of FLOPs.")] = False,
    ops: Annotated[bool, typer.Option("--ops", help="Shows the ops that each module ran itself.")] = False,
    expand: Annotated[bool, typer.Option("--expand", help="Leaves runs of identical siblings open.")] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """Every layer's output shape, parameters and FLOPs, from one pass without weights."""
    view = View(
        columns=tuple(key.strip() for key in columns.split(",")) if columns is not None else None,
        depth=depth,
        sort=sort,
        expand=expand,
        macs=macs,
        ops=ops,
    )
    check_view(view)
    format_name = choose_format(output, format_name)
    check_format(format_name)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.diff import summary_of
        from netscope.schema.inputs import parse_inputs

        options = {
            "batch_size": batch_size,
            "seq_len": seq_len,
            "device": device,
            "dtype": dtype,
            "optimizer": optimizer,
            "mode": "train" if train else "eval",
        }
        result = summary_of(architecture, parse_inputs(inputs) if inputs else None, options)
    write_result(result, format_name, output, view)
