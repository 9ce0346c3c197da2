"""``netscope check``."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from netscope.cli.options import (
    BatchSizeOption,
    DebugOption,
    DeviceOption,
    InputOption,
    JobsOption,
    NoCacheOption,
    OutputOption,
)
from netscope.cli.output import choose_format, format_progress, neutralize_github_commands, show_progress, write_result
from netscope.errors import OutputError, UsageError
from netscope.render import CHECK_FORMATS, FORMATS, check_format, render

TIMEOUT_S = 600.0

_LIMIT = "N"


_ROOT_OF = {"github": "GITHUB_WORKSPACE", "gitlab": "CI_PROJECT_DIR"}
"""Format → the variable with the repository's folder, from which its service reckons files."""


def _limit(name: str, text: str) -> Any:
    return typer.Option(name, metavar=_LIMIT, help=text, rich_help_panel="Rules for an architecture by itself")


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Checks of the project; or, with a rule, one architecture."),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Writes netscope.lock: this is how it shall be.")] = False,
    against: Annotated[
        str | None, typer.Option("--against", metavar="REVISION", help="Shows what differs from that git revision.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The project's file, if it is not found from here.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="After which an architecture is given up.")
    ] = TIMEOUT_S,
    jobs: JobsOption = None,
    params: Annotated[str | None, _limit("--params", "The exact number of parameters.")] = None,
    max_params: Annotated[str | None, _limit("--max-params", "Their most, like 26M.")] = None,
    max_trainable_params: Annotated[
        str | None, _limit("--max-trainable-params", "The most trainable parameters.")
    ] = None,
    flops: Annotated[str | None, _limit("--flops", "The exact FLOPs of a forward pass.")] = None,
    max_flops: Annotated[str | None, _limit("--max-flops", "Their most, like 2.3G.")] = None,
    max_macs: Annotated[str | None, _limit("--max-macs", "The most multiply–adds.")] = None,
    max_weight_bytes: Annotated[str | None, _limit("--max-weight-bytes", "Of the weights, like 300MB.")] = None,
    max_memory: Annotated[str | None, _limit("--max-memory", "Of weights and activations at the peak.")] = None,
    output_shape: Annotated[str | None, _limit("--output-shape", "Of the first output, like 1x1000.")] = None,
    layer_count: Annotated[str | None, _limit("--layer-count", "The exact number of layers.")] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help=f"{', '.join((*FORMATS, *CHECK_FORMATS))}; by default as -o ends."
        ),
    ] = None,
    output: OutputOption = None,
    no_cache: NoCacheOption = False,
    debug: DebugOption = False,
) -> None:
    """Whether architectures keep within their rules and are as the lock file says; for CI.

    The rules are those of [tool.netscope.check.NAME] in pyproject.toml or netscope.toml. Exits with 1 if one does not
    hold, with 2 if one cannot be understood, with 3 if an architecture cannot be run.
    """
    format_name = choose_format(output, format_name)
    check_format(format_name, tuple(CHECK_FORMATS))
    if not timeout > 0:
        raise UsageError(f"--timeout has to be more than 0 s, not {timeout:g}")
    rules = [
        ("--params", "params", "equal", params),
        ("--max-params", "params", "max", max_params),
        ("--max-trainable-params", "trainable_params", "max", max_trainable_params),
        ("--flops", "flops", "equal", flops),
        ("--max-flops", "flops", "max", max_flops),
        ("--max-macs", "macs", "max", max_macs),
        ("--max-weight-bytes", "weight_bytes", "max", max_weight_bytes),
        ("--max-memory", "memory", "max", max_memory),
        ("--output-shape", "output_shape", "equal", output_shape),
        ("--layer-count", "layer_count", "equal", layer_count),
    ]
    if against is not None and not against.strip():
        raise UsageError("--against names no revision: is the variable empty that it comes from?")
    given = [(option, metric, bound, limit) for option, metric, bound, limit in rules if limit is not None]
    options = {"batch_size": batch_size, "device": None if device == "auto" else device}
    how = {"update": update, "against": against or "", "timeout_s": timeout, "jobs": jobs}
    if not given and (inputs or any(value is not None for value in options.values())):
        raise UsageError("the input and the device of a check stand in the project's file, or go with a rule")
    from netscope.api import check as use_case

    plan = (
        use_case.plan_by_itself(names or [], inputs or [], options, given, config, **how)
        if given
        else use_case.plan_checks(names or [], config, **how)
    )
    is_github = format_name == "github" or os.environ.get("GITHUB_ACTIONS") == "true"
    with (
        neutralize_github_commands() if is_github else nullcontext(),
        show_progress("checking", use_cache=not no_cache) as progress,
    ):
        report = use_case.run_checks(plan, lambda told: progress(format_progress(told, "checking")))
    if format_name in _ROOT_OF:
        report = report.with_files_below(_from_root(_ROOT_OF[format_name]))
    if format_name == "github":
        _write_job_summary(render(report, "markdown"))
    write_result(report, format_name, output)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _from_root(variable: str) -> str:
    """The folder that we are in, from the repository's; ``""`` if that is the same, or not known."""
    root = os.environ.get(variable)
    here = Path.cwd()
    inside = root and here.is_relative_to(Path(root).resolve())
    return here.relative_to(Path(root).resolve()).as_posix().removeprefix(".") if root and inside else ""


def _write_job_summary(markdown: str) -> None:
    """Appends to the page that GitHub shows of a job, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown + "\n")
    except OSError as error:
        raise OutputError(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}") from error
