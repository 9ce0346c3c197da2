"""``netscope verify``."""

import typer

from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    FormatOption,
    InputOption,
    OutputOption,
    SeqLenOption,
)
from netscope.cli.output import choose_format, show_progress, write_result


def verify(
    architecture: ArchitectureArgument,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Compare our counts with other tools and published values.

    The tools are torchinfo, fvcore and torch's FlopCounterMode. Each difference is shown with its cause. Exit code: 1
    if a difference has no known cause.
    """
    format_name = choose_format(output, format_name)
    with show_progress(f"counting {architecture} with each tool"):
        from netscope.api.verify import verify as verify_architecture

        result = verify_architecture(architecture, inputs or None, batch_size=batch_size, seq_len=seq_len)
    write_result(result, format_name, output)
    if result.contradicted_by:
        raise typer.Exit(1)
