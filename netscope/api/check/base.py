"""The base revision of a project, from which ``max_increase`` is measured and differences are shown."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from netscope import analysis, config
from netscope.api.check.revisions import check_out, find_commit, find_merge_base, find_repository
from netscope.api.workers.client import WorkerError
from netscope.errors import ConfigError
from netscope.schema import CheckRequest, ModelCheck, Summary

WRONG_NAME = 2
"""The exit code of an error in the name or the options of an architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A project in its base revision.

    Attributes:
        revision: name of the revision, for messages.
        commit: hash of its commit.
        folder: temporary copy of the project's folder.
        requests: checks there by name; empty for a check of the command line.
        problem: why the checks there are unknown; empty if they are known.
    """

    revision: str
    commit: str
    folder: Path
    requests: Mapping[str, CheckRequest]
    problem: str = ""

    def make_request(self, request: CheckRequest) -> CheckRequest:
        """Returns the request for the architecture of a check there; of a check that is not there, as it is now.

        An increase is measured with the inputs and options of now, so that both sides are measured alike.
        """
        then = self.requests.get(request.name, request)
        return replace(request, model=then.model) if any(rule.from_base for rule in request.rules) else then

    def make_entry(self, request: CheckRequest, before: Summary | WorkerError) -> analysis.BaseEntry:
        """Returns the architecture of a check there; none for a new check, whatever its model was."""
        if request.name not in self.requests:
            return analysis.BaseEntry(
                revision=self.revision, problem=self.problem or f"this check is not in {self.revision}"
            )
        if isinstance(before, WorkerError):
            return analysis.BaseEntry(revision=self.revision, problem=f"not measured in {self.revision}: {before}")
        metrics = [rule.metric for rule in request.rules]
        return analysis.BaseEntry(revision=self.revision, model=analysis.lock_model(before, request.model, metrics))

    def compare(
        self, status: ModelCheck, request: CheckRequest, summary: Summary, before: Summary | WorkerError
    ) -> ModelCheck:
        """Returns the result of a check with the difference from the base revision.

        Args:
            status: result without it.
            request: the check.
            summary: summary of the architecture.
            before: summary of the architecture there, or the error there.
        """
        then = self.requests.get(request.name)
        if then is not None:
            status = replace(status, base_rules=analysis.list_rules(then))
            if self.make_request(request) != then and then.inputs != request.inputs:
                status = replace(
                    status,
                    notes=(*status.notes, f"the input in {self.revision}: {', '.join(then.inputs) or 'default'}"),
                )
        if isinstance(before, WorkerError):
            return replace(status, base_error=str(before), is_new=then is None and before.exit_code == WRONG_NAME)
        is_new = bool(self.requests) and then is None
        return replace(status, base_diff=analysis.diff_summaries(before, summary), is_new=is_new)

    def list_removed(self, requests: Sequence[CheckRequest]) -> list[str]:
        """Returns the names of the checks there that are not among the current ``requests``."""
        return sorted(self.requests.keys() - {request.name for request in requests})


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFinder:
    """Checks out base revisions, each once for all projects of a repository.

    Attributes:
        cleanup: stack that removes the checkouts at its end.
        against: requested revision; empty for the merge base with the remote's default branch.
    """

    cleanup: ExitStack
    against: str
    _files: dict[tuple[str, Path], Path] = field(default_factory=dict)

    def find(self, folder: Path, file: Path | None) -> Base:
        """Returns the base of the project in ``folder``, whose checks are in ``file``.

        Raises:
            UsageError: ``folder`` is in no repository, git is not installed, the revision is unknown, or there is none.
        """
        top = find_repository(folder)
        revision = self.against
        commit = find_commit(folder, revision) if revision else ""
        if not commit:
            commit, revision = find_merge_base(folder)
        if (commit, top) not in self._files:
            self._files[commit, top] = self.cleanup.enter_context(check_out(commit, top))
        there = self._files[commit, top] / folder.resolve().relative_to(top.resolve())
        there.mkdir(parents=True, exist_ok=True)  # a project that is new
        requests: dict[str, CheckRequest] = {}
        problem = ""
        try:
            requests = config.read_checks(there, file.name) if file else {}
        except ConfigError as error:
            reason = str(error).replace(f"{there}/", "")
            problem = f"the checks of {revision} cannot be read: {reason}"
        return Base(revision=revision, commit=commit, folder=there, requests=requests, problem=problem)
