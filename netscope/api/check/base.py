"""The base revision of ``netscope check --against``: its checks, and what differs from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from netscope import analysis, config
from netscope.api.workers.client import WorkerError
from netscope.errors import ConfigError
from netscope.schema import CheckRequest, ModelCheck, Summary

WRONG_NAME = 2
"""The exit code of an error in the name or the options of an architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChecks:
    """The checks in the configuration of the base revision.

    Attributes:
        requests: checks by name.
        note: why they cannot be read; empty if they can.
    """

    requests: dict[str, CheckRequest] = field(default_factory=dict)
    note: str = ""

    def find_request(self, request: CheckRequest) -> CheckRequest:
        """Returns the check of the same name as it was; a check that the base revision lacks, as it is now."""
        return self.requests.get(request.name, request)

    def list_removed(self, requests: Sequence[CheckRequest]) -> tuple[str, ...]:
        """Returns the names of the checks that are not among the current ``requests``."""
        return tuple(sorted(self.requests.keys() - {request.name for request in requests}))


def read_base_checks(requests: Sequence[CheckRequest], folder: Path) -> BaseChecks:
    """Returns the checks in ``folder`` of the base revision; none if the current ones come from the command line."""
    files = [Path(request.location.file).name for request in requests if request.location.file]
    file = next((folder / name for name in (*files, *config.CONFIG_NAMES) if files and (folder / name).is_file()), None)
    if file is None:
        return BaseChecks()
    try:
        _, found = config.find_checks(folder, file)
    except ConfigError as error:
        reason = str(error).replace(f"{folder}/", "")
        return BaseChecks(note=f"the base revision's checks cannot be read, the current ones are used: {reason}")
    return BaseChecks(requests={request.name: request for request in found})


def compare_with_base(
    status: ModelCheck, summary: Summary, before: Summary | WorkerError, base: BaseChecks
) -> ModelCheck:
    """Returns the result of a check with the difference from the base revision.

    Args:
        status: result without it.
        summary: summary of the architecture.
        before: summary of the architecture of the base revision, or the error there.
        base: checks of the base revision.
    """
    then = base.requests.get(status.name)
    if then is not None:
        status = replace(status, base_rules=analysis.list_rules(then))
    if isinstance(before, WorkerError):
        return replace(status, base_error=str(before), is_new=then is None and before.exit_code == WRONG_NAME)
    is_new = bool(base.requests) and then is None
    return replace(status, base_diff=analysis.diff_summaries(before, summary), is_new=is_new)
