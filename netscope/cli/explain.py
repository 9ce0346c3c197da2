"""``netscope explain``."""

from typing import Annotated

import typer

from netscope.cli.completion import complete_layers
from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DeviceOption,
    FormatOption,
    InputOption,
    NoCacheOption,
    OutputOption,
    SeqLenOption,
)
from netscope.cli.output import choose_format, show_progress, write_result


def explain(
    architecture: ArchitectureArgument,
    layer: Annotated[
        str | None,
        typer.Argument(
            metavar="LAYER", autocompletion=complete_layers, help="Path of a module, e.g. features.0, by default all."
        ),
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            "-w",
            metavar="CHANGE",
            help="Change input=SHAPE or MODULE.HYPERPARAMETER=VALUE, e.g. features.0.padding=0 (repeatable).",
        ),
    ] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    device: DeviceOption = "auto",
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Show the arithmetic behind shapes, counts and receptive fields.

    Exit code: 1 if a layer cannot take its input after a change, 2 if it cannot without changes; the output names the
    layer and the reason.
    """
    format_name = choose_format(output, format_name)
    with show_progress(f"tracing {architecture}", use_cache=not no_cache):
        from netscope.api.explain import explain as explain_architecture

        result = explain_architecture(
            architecture,
            layer,
            inputs or None,
            what_if=what_if or (),
            batch_size=batch_size,
            seq_len=seq_len,
            device=device,
        )
    write_result(result, format_name, output)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
