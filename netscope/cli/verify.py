"""``netscope verify``."""

import typer

from netscope.cli.options import (
    ArchitectureArgument,
    BatchSizeOption,
    DebugOption,
    FormatOption,
    InputOption,
    OutputOption,
    SeqLenOption,
)
from netscope.cli.output import choose_format, show_progress, write_result
from netscope.render import check_format


def verify(
    architecture: ArchitectureArgument,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    seq_len: SeqLenOption = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
    debug: DebugOption = False,
) -> None:
    """Our counts beside torchinfo's, fvcore's, torch's and the published ones, each difference with its cause.

    Exits with 1 if one of them contradicts ours and no cause is known.
    """
    format_name = choose_format(output, format_name)
    check_format(format_name)
    with show_progress(f"counting {architecture} in four ways"):
        from netscope.api.verify import verify as verify_counts
        from netscope.schema.inputs import parse_inputs

        result = verify_counts(
            architecture, parse_inputs(inputs) if inputs else None, batch_size=batch_size, seq_len=seq_len
        )
    write_result(result, format_name, output)
    if result.contradicted_by:
        raise typer.Exit(1)
