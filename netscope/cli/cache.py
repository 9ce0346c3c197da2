"""``netscope cache``."""

from typing import Annotated

import typer

from netscope.cli.options import FormatOption, OutputOption
from netscope.cli.output import choose_format, show_progress, write_result
from netscope.errors import UsageError, did_you_mean
from netscope.render import CacheView

ACTIONS = ("show", "clear", "prune")


def cache(
    action: Annotated[
        str | None,
        typer.Argument(
            metavar="ACTION",
            help="show each result, clear all, or prune old ones; by default, show their number and size.",
        ),
    ] = None,
    unused: Annotated[
        float | None,
        typer.Option("--unused", metavar="DAYS", help="With prune: remove results not used for this many days (30)."),
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(
            "--max-size", metavar="MIB", help="With prune: keep at most this many MiB, the last used results."
        ),
    ] = None,
    format_name: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Show, prune or clear cached results.

    show lists each result; prune removes those that were not used for long; clear removes all. They are stored in
    NETSCOPE_CACHE_DIR, or in the system's cache folder by default.
    """
    if action is not None and action not in ACTIONS:
        raise UsageError(
            f"unknown action {action!r}{did_you_mean(action, ACTIONS)}; available actions: {', '.join(ACTIONS)}"
        )
    for option, value in (("--unused", unused), ("--max-size", max_size)):
        if value is not None and action != "prune":
            raise UsageError(f"{option} requires netscope cache prune")
        if value is not None and not value >= 0:
            raise UsageError(f"{option} must be at least 0, got {value:g}")
    format_name = choose_format(output, format_name)
    with show_progress("reading the cache"):
        from netscope.api import cache

        if action == "clear":
            result = cache.clear_cache()
        elif action == "prune":
            result = cache.prune_cache(
                cache.UNUSED_DAYS if unused is None else unused, None if max_size is None else round(max_size * 2**20)
            )
        else:
            result = cache.read_cache_contents()
    write_result(result, format_name, output, CacheView(lists_results=action == "show"))
