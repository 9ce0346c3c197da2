"""``netscope explain``."""

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
from netscope.render import check_format


def explain(
    architecture: ArchitectureArgument,
    layer: Annotated[
        str | None, typer.Argument(metavar="[LAYER]", help="A module's path, like features.0; by default all.")
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            "-w",
            metavar="CHANGE",
            help="input=SHAPE, or MODULE.HYPERPARAMETER=VALUE like features.0.padding=0; again for each further one.",
        ),
    ] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """The arithmetic behind each shape, count and receptive field.

    Exits with 1 if a change no longer fits, and with 2 if the input does not; the answer says which layer and why.
    """
    format_name = choose_format(output, format_name)
    check_format(format_name)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.explain import explain as explained
        from netscope.schema.inputs import parse_inputs

        result = explained(
            architecture,
            layer,
            parse_inputs(inputs) if inputs else None,
            what_if=what_if or (),
            batch_size=batch_size,
            seq_len=seq_len,
            device=device,
        )
    write_result(result, format_name, output)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
