"""``netscope diff``."""

from pathlib import Path
from typing import Annotated

import typer

from netscope.cli.completion import complete_architectures, complete_ignored
from netscope.cli.options import (
    BatchSizeOption,
    DepthOption,
    DeviceOption,
    FormatOption,
    InputOption,
    NoCacheOption,
    OutputOption,
    TopOption,
    split_names,
)
from netscope.cli.output import choose_format, print_note, show_progress, write_file, write_result
from netscope.render import DiffView, check_diff_view, render

_INPUT = "[PARAM=]SHAPE[:DTYPE]"


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=complete_architectures,
            help="Architecture (see netscope summary --help) or saved summary (.json).",
        ),
    ],
    after: Annotated[str, typer.Argument(metavar="B", autocompletion=complete_architectures, help="Same as A.")],
    inputs: InputOption = None,
    inputs_before: Annotated[
        list[str] | None, typer.Option("--input-a", metavar=_INPUT, help="Input for A only.")
    ] = None,
    inputs_after: Annotated[
        list[str] | None, typer.Option("--input-b", metavar=_INPUT, help="Input for B only.")
    ] = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    only_changed: Annotated[bool, typer.Option("--only-changed", help="Hide unchanged layers.")] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="A,B,…",
            autocompletion=complete_ignored,
            help="Leave out of comparison and totals: names, dropout, bias, wiring, identity, comma-separated or "
            "repeated.",
        ),
    ] = None,
    depth: DepthOption = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "-s",
            metavar="ORDER",
            help="order (the tree), or changed layers sorted by delta, params or flops.",
        ),
    ] = "order",
    top: TopOption = None,
    expand: Annotated[
        bool,
        typer.Option("--expand", help="Do not fold unchanged, repeated, or entirely added, removed or moved parts."),
    ] = False,
    weights_map: Annotated[
        Path | None,
        typer.Option(
            "--weights-map",
            metavar="FILE",
            help="Write to FILE, in the format of its suffix, how B's tensors are made of A's.",
        ),
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 even if they differ.")] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Compare two architectures layer by layer: what changed and what it costs.

    Exit code: 0 if they are the same, 1 if they differ.
    """
    view = DiffView(only_changed=only_changed, sort=sort, top=top, depth=depth, expand=expand)
    check_diff_view(view)
    format_name = choose_format(output, format_name)
    map_format = choose_format(weights_map, None, "--weights-map")
    with show_progress(f"comparing {before} and {after}", use_cache=not no_cache):
        from netscope.api import diff

        first, second = diff.get_summaries(
            before,
            after,
            inputs or None,
            inputs_before=inputs_before or None,
            inputs_after=inputs_after or None,
            batch_size=batch_size,
            device=device,
        )
        result = diff.diff(first, second, ignore=split_names(ignore) or ())
        mapped = diff.weights_map(first, second) if weights_map is not None else None
    if mapped is not None and weights_map is not None:
        from netscope.render.diff_weights import describe_coverage

        write_file(weights_map, render(mapped, map_format), "--weights-map")
        print_note(f"--weights-map {weights_map}: {describe_coverage(mapped)} of {after}")
    write_result(result, format_name, output, view)
    if not result.is_same and not exit_zero:
        raise typer.Exit(1)
