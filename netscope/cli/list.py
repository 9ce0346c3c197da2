"""``netscope list``."""

from typing import Annotated

import typer

from netscope.cli.options import FormatOption, NoCacheOption, OutputOption, split_names
from netscope.cli.output import choose_format, show_progress, write_result


def list_architectures(
    pattern: Annotated[
        str,
        typer.Argument(metavar="PATTERN", help="Pattern with * and ? for NAME or SOURCE/NAME, or any part of a name."),
    ] = "*",
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME",
            help="List only these sources, e.g. built-in,torchvision,timm,hf (repeatable).",
        ),
    ] = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """List the architectures that can be loaded by name, by source, with their parameters where known.

    Exit code: 1 if nothing matches.
    """
    format_name = choose_format(output, format_name)
    with show_progress("listing architectures", use_cache=not no_cache):
        from netscope.api.list import list_architectures as list_all

        result = list_all(pattern, split_names(sources) or ())
    write_result(result, format_name, output)
    if not result.architectures:
        raise typer.Exit(1)
