"""Which checks a run of ``netscope check`` consists of: those of a project, of all projects below, or a single one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netscope import config
from netscope.api.check.projects import find_project_folders
from netscope.errors import ConfigError, UnknownNameError, UsageError, did_you_mean
from netscope.schema import CheckRequest
from netscope.schema.inputs import parse_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """The arguments of ``netscope check``.

    Attributes:
        folder: folder of the lock file and of the architectures' files.
        file: configuration file; None for a check of the command line.
        name: prefix of the names of the checks in the report; empty for none.
        requests: checks to run.
        is_complete: whether these are all checks of the project.
        update: whether to update the lock file instead of comparing with it.
        against: git revision to compare the architectures with; empty for none.
        timeout_s: time after which a trace is aborted, in seconds; None for no limit.
        jobs: number of architectures to trace in parallel; None for the number that cores and memory allow.
    """

    folder: Path
    file: Path | None = None
    name: str = ""
    requests: tuple[CheckRequest, ...]
    is_complete: bool = True
    update: bool = False
    against: str = ""
    timeout_s: float | None = None
    jobs: int | None = None

    def prefix(self, name: str) -> str:
        """Returns the name of a check as the report of several projects has it."""
        return f"{self.name}: {name}" if self.name else name


def plan_checks(names: Sequence[str], file: Path | None = None, **how: Any) -> CheckPlan:
    """Returns the plan for the named checks of the project, or for all checks without a name.

    Args:
        names: names of checks.
        file: configuration file; by default the closest one with checks, from the current directory upwards.
        how: ``update``, ``against``, ``timeout_s`` and ``jobs`` of the plan.

    Raises:
        ConfigError: no configuration file with checks was found, or it is invalid.
        UnknownNameError: a check is unknown.
    """
    path, requests = config.find_checks(Path.cwd(), file)
    by_name = {request.name: request for request in requests}
    for name in names:
        if name not in by_name:
            raise UnknownNameError(
                f"unknown check {name!r} in {path}{did_you_mean(name, by_name)}; checks: {', '.join(by_name)}; "
                f"to check an architecture without a configuration, add a rule, e.g. --max-params 26M"
            )
    chosen = tuple(by_name[name] for name in dict.fromkeys(names)) or requests
    return CheckPlan(folder=path.resolve().parent, file=path, requests=chosen, is_complete=not names, **how)


def plan_all_checks(**how: Any) -> tuple[CheckPlan, ...]:
    """Returns the plans for all checks of every project in the current directory and below.

    Args:
        how: options of the plans, as for ``plan_checks``.

    Raises:
        ConfigError: no project has checks, or a configuration file is invalid.
        UsageError: git is needed to list the files, and is not installed.
    """
    here = Path.cwd()
    plans = []
    for folder in find_project_folders(here):
        found = config.find_checks_in_folder(folder)
        if found is None:
            continue
        path, requests = found
        name = folder.relative_to(here).as_posix().removeprefix(".")
        plans.append(CheckPlan(folder=folder, file=path, name=name, requests=requests, **how))
    if not plans:
        raise ConfigError(
            f"no checks found in a pyproject.toml or netscope.toml in {here} or below; hidden and ignored folders "
            f"are not searched"
        )
    return tuple(plans)


def plan_single_check(
    names: Sequence[str],
    inputs: Sequence[str],
    options: Mapping[str, Any],
    rules: Sequence[tuple[str, str, Any, str]],
    file: Path | None = None,
    **how: Any,
) -> CheckPlan:
    """Returns the plan for one architecture with the rules of the command line, without a configuration file.

    Args:
        names: name of the architecture, as the only item.
        inputs: inputs, as for ``--input``.
        options: other options of ``summarize``.
        rules: option, metric, bound and limit of each rule.
        file: configuration file, which must be None.
        how: options of the plan, as for ``plan_checks``.

    Raises:
        UsageError: not exactly one architecture is given, or an option requires a configuration file.
        ConfigError: a limit is invalid.
    """
    if len(names) != 1:
        raise UsageError(f"rule options require exactly one architecture, got {len(names)}")
    if how.get("update") or file is not None:
        raise UsageError(
            "rule options cannot be used with --config or --update, which are for the checks of the configuration file"
        )
    parse_inputs(inputs)
    request = config.make_check_request(names[0], inputs, options, rules)
    return CheckPlan(folder=Path.cwd(), requests=(request,), **how)
