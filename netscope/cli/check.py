"""``netscope check``."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from netscope.cli.check_files import BadgeOption, CheckFiles, HistoryOption
from netscope.cli.options import (
    TIMEOUT_S,
    BatchSizeOption,
    DeviceOption,
    InputOption,
    JobsOption,
    NoCacheOption,
    OutputOption,
    TimeoutOption,
)
from netscope.cli.output import (
    choose_format,
    format_progress,
    neutralize_github_commands,
    show_progress,
    write_result,
)
from netscope.errors import OutputError, UsageError, join_choices
from netscope.render import CHECK_FORMATS, FORMATS, render

_ROOT_OF = {"github": "GITHUB_WORKSPACE", "markdown": "GITHUB_WORKSPACE", "gitlab": "CI_PROJECT_DIR"}
"""The environment variable with the repository's folder, by format: its service expects paths relative to it."""


def _rule(name: str, text: str, metavar: str = "N") -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel="Rules for a single architecture")


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Checks to run, by default all; with a rule such as --max-params, the architecture to check.",
        ),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the current state to netscope.lock.")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="REVISION",
            help="Show how each model differs from this git revision, and measure max_increase from it.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Configuration file, instead of searching from the current directory."
        ),
    ] = None,
    every_project: Annotated[
        bool, typer.Option("--all", help="Run the checks of every project in the current directory and below.")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_S,
    jobs: JobsOption = None,
    params: Annotated[str | None, _rule("--params", "Exact number of parameters.")] = None,
    max_params: Annotated[str | None, _rule("--max-params", "Maximum number of parameters, e.g. 26M.")] = None,
    max_trainable_params: Annotated[
        str | None, _rule("--max-trainable-params", "Maximum number of trainable parameters.")
    ] = None,
    flops: Annotated[str | None, _rule("--flops", "Exact FLOPs of a forward pass.")] = None,
    max_flops: Annotated[str | None, _rule("--max-flops", "Maximum FLOPs of a forward pass, e.g. 2.3G.")] = None,
    max_macs: Annotated[str | None, _rule("--max-macs", "Maximum MACs of a forward pass.")] = None,
    max_weight_bytes: Annotated[
        str | None, _rule("--max-weight-bytes", "Maximum size of the weights, e.g. 300MB.")
    ] = None,
    max_memory: Annotated[str | None, _rule("--max-memory", "Maximum peak memory (weights and activations).")] = None,
    output_shape: Annotated[
        str | None, _rule("--output-shape", "Exact shape of the first output, e.g. 1x1000.", "SHAPE")
    ] = None,
    layer_count: Annotated[str | None, _rule("--layer-count", "Exact number of layers.")] = None,
    inputs: InputOption = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help=f"Write {join_choices(FORMATS | CHECK_FORMATS)}, by default as the suffix of FILE says, or a table.",
        ),
    ] = None,
    output: OutputOption = None,
    badges: BadgeOption = None,
    history: HistoryOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Check architectures against their rules and the lock file, e.g. in CI.

    Rules come from [tool.netscope.check.NAME] in pyproject.toml, or from netscope.toml. Exit code: 0 if all pass, 1 if
    a rule fails, 2 for a configuration error, 3 if an architecture cannot be run.
    """
    format_name = choose_format(output, format_name, more=CHECK_FORMATS)
    if not timeout > 0:
        raise UsageError(f"--timeout must be greater than 0, got {timeout:g}")
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
        raise UsageError("--against is empty; is the variable that it comes from unset?")
    given = [(option, metric, bound, limit) for option, metric, bound, limit in rules if limit is not None]
    options = {"batch_size": batch_size, "device": None if device == "auto" else device}
    settings = {"update": update, "against": against or "", "timeout_s": timeout, "jobs": jobs}
    if not given and (inputs or any(value is not None for value in options.values())):
        raise UsageError(
            "--input, --batch-size and --device require a rule option such as --max-params; the project's checks have "
            "theirs in the configuration file"
        )
    if every_project and (names or given or config is not None):
        raise UsageError(
            "--all runs all checks of every project; it cannot be used with names, rule options or --config"
        )
    from netscope.api import check as use_case

    if every_project:
        plans = use_case.plan_all_checks(**settings)
    elif given:
        plans = (use_case.plan_single_check(names or [], inputs or [], options, given, config, **settings),)
    else:
        plans = (use_case.plan_checks(names or [], config, **settings),)
    files = CheckFiles(badges=badges or (), history=history)
    files.check(sum(len(plan.requests) for plan in plans))
    head = use_case.describe_head(Path.cwd() if every_project else plans[0].folder, files.paths) if history else None
    is_github = format_name == "github" or os.environ.get("GITHUB_ACTIONS") == "true"
    with (
        neutralize_github_commands() if is_github else nullcontext(),
        show_progress("checking", use_cache=not no_cache) as set_message,
    ):
        report = use_case.run_checks(plans, lambda done: set_message(format_progress(done, "checking")))
    if format_name in _ROOT_OF:
        report = report.prefix_files(_from_root(_ROOT_OF[format_name]))
    if format_name == "github":
        _write_job_summary(render(report, "markdown"))
    write_result(report, format_name, output)
    files.write(report, head)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _from_root(variable: str) -> str:
    """Returns the current folder relative to the repository's; ``""`` if they are the same, or it is unknown."""
    root = os.environ.get(variable)
    here = Path.cwd()
    inside = root and here.is_relative_to(Path(root).resolve())
    return here.relative_to(Path(root).resolve()).as_posix().removeprefix(".") if root and inside else ""


def _write_job_summary(markdown: str) -> None:
    """Appends the report to GitHub's job summary, if there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown + "\n")
    except OSError as error:
        raise OutputError(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}") from error
