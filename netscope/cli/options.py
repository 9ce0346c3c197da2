"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures, complete_device, complete_format
from netscope.errors import join_choices
from netscope.render import FORMATS

TIMEOUT_S = 600.0

ArchitectureArgument = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        autocompletion=complete_architectures,
        help="A name, timm/NAME, hf/TYPE, FILE.py:CLASS, package.module:CLASS, all with optional @key=value,…, or a "
        "saved program, weights file or summary.",
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[PARAM=]SHAPE[:DTYPE]",
        help="Shape of an input with optional name and dtype, e.g. 1x3x224x224 or ids=1x128:int64 (repeatable).",
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option("--batch-size", "-b", metavar="N", help="Override the batch dimension (dim 0) of every input."),
]
SeqLenOption = Annotated[
    int | None, typer.Option("--seq-len", metavar="N", help="Sequence length in tokens, for hf/ architectures.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        autocompletion=complete_device,
        help="Trace on meta, cpu or cuda, or on auto: meta, and the CPU if the model needs real values.",
    ),
]
DepthOption = Annotated[
    int | None, typer.Option("--depth", "-d", metavar="N", help="Show at most N levels below the root.")
]
TopOption = Annotated[int | None, typer.Option("--top", metavar="N", help="With --sort: show only the first N rows.")]
MacsOption = Annotated[bool, typer.Option("--macs", help="Show MACs instead of FLOPs (1 MAC = 2 FLOPs).")]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        autocompletion=complete_format,
        help=f"Write {join_choices(FORMATS)} (--json is --format json), by default as the suffix of FILE says, or a "
        "table.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to FILE instead of stdout, replacing it only on success."
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Run N architectures in parallel, by default one per core if memory suffices.",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="Give up on an architecture after this many seconds.")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Trace again: neither read nor write cached results.")]


def split_names(lists: Sequence[str] | None) -> tuple[str, ...] | None:
    """Returns the names in comma-separated lists, each list from one option; None if the option was not given."""
    return tuple(dict.fromkeys(name.strip() for names in lists for name in names.split(","))) if lists else None
