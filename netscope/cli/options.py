"""The options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures
from netscope.cli.output import format_names

ArchitectureArgument = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        autocompletion=complete_architectures,
        help="NAME, SOURCE/NAME, package.module:factory or path/file.py:factory, each with @key=value,… behind it; or "
        "a saved program, file of weights, or summary (.json).",
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[PARAM=]SHAPE[:DTYPE]",
        help="What to run it on, like 1x3x224x224 or ids=1x128:int64; again for each further input.",
    ),
]
BatchSizeOption = Annotated[
    int | None, typer.Option("--batch-size", "-b", metavar="N", help="Replaces the first size of every input.")
]
SeqLenOption = Annotated[
    int | None, typer.Option("--seq-len", metavar="N", help="Tokens of each sequence, for hf/ architectures.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto (meta, or the CPU where the model needs values), meta, cpu or cuda.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"{format_names()}; by default what -o ends in, or table. json holds all.",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Writes there, whole or not at all.")
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="How many architectures are run at once; by default as many as there are cores, and memory for.",
    ),
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Traces anew: takes no answer that was given before, and keeps none.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Shows the traceback of an error.")]
