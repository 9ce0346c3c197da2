"""``netscope diff``."""

from pathlib import Path
from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures
from netscope.cli.options import (
    BatchSizeOption,
    DebugOption,
    DeviceOption,
    FormatOption,
    InputOption,
    NoCacheOption,
    OutputOption,
)
from netscope.cli.output import check_writable, choose_format, show_progress, write_file, write_result
from netscope.render import DiffView, check_diff_view, check_format

_INPUT = "[PARAM=]SHAPE[:DTYPE]"


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=complete_architectures,
            help="An architecture as for summary, or a saved summary (.json).",
        ),
    ],
    after: Annotated[str, typer.Argument(metavar="B", autocompletion=complete_architectures, help="Likewise.")],
    inputs: InputOption = None,
    inputs_before: Annotated[
        list[str] | None, typer.Option("--input-a", metavar=_INPUT, help="What A is run on instead.")
    ] = None,
    inputs_after: Annotated[
        list[str] | None, typer.Option("--input-b", metavar=_INPUT, help="What B is run on instead.")
    ] = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    only_changed: Annotated[bool, typer.Option("--only-changed", help="Leaves out what is the same.")] = False,
    ignore: Annotated[
        str | None,
        typer.Option("--ignore", metavar="A,B,…", help="Leaves out of comparison and figures: names, dropout, bias."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", "-d", metavar="N", help="Shows this many levels below the root.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", "-s", metavar="ORDER", help="order (the tree), or what differs by delta, params or flops."
        ),
    ] = "order",
    expand: Annotated[bool, typer.Option("--expand", help="Leaves open what is equal, repeated or whole.")] = False,
    weights_map: Annotated[
        Path | None,
        typer.Option("--weights-map", metavar="FILE", help="Writes which of A's tensors load into which of B's."),
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exits with 0 also if they differ.")] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """What differs between two architectures, layer by layer, and what it costs.

    Exits with 0 if nothing differs, and with 1 if something does.
    """
    view = DiffView(only_changed=only_changed, sort=sort, depth=depth, expand=expand)
    check_diff_view(view)
    format_name = choose_format(output, format_name)
    check_format(format_name)
    if weights_map is not None:
        check_writable(weights_map, "--weights-map")
    with show_progress(f"comparing {before} and {after}", use_cache=not no_cache):
        from netscope.api import diff
        from netscope.schema.inputs import parse_inputs

        first, second = diff.summaries_of(
            before,
            after,
            parse_inputs(inputs) if inputs else None,
            inputs_before=parse_inputs(inputs_before) if inputs_before else None,
            inputs_after=parse_inputs(inputs_after) if inputs_after else None,
            batch_size=batch_size,
            device=device,
        )
        result = diff.diff(first, second, ignore=[name.strip() for name in ignore.split(",")] if ignore else ())
        mapped = diff.weights_map(first, second) if weights_map is not None else None
    if mapped is not None and weights_map is not None:
        write_file(weights_map, mapped.to_json() + "\n", "--weights-map")
        share = f"{mapped.covered_params:,} of {mapped.params:,} parameters of {after}"
        typer.echo(f"--weights-map {weights_map}: {len(mapped.tensors)} tensors, {share}", err=True)
    write_result(result, format_name, output, view)
    if not result.is_same and not exit_zero:
        raise typer.Exit(1)
