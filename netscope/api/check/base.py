"""The base revision of a project, from which ``max_increase`` is measured and differences are shown."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from netscope import analysis, config
from netscope.api.check.revisions import check_out, find_commit, find_merge_base, find_repository
from netscope.api.workers.client import WorkerError
from netscope.errors import ConfigError
from netscope.schema import CheckRequest, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A project in its base revision.

    Attributes:
        revision: name of the revision, for messages.
        folder: temporary copy of the project's folder.
        models: name of the architecture of each check there, by name of the check.
        problem: why the checks there are unknown; empty if they are known.
    """

    revision: str
    folder: Path
    models: Mapping[str, str]
    problem: str = ""

    def make_request(self, request: CheckRequest) -> CheckRequest:
        """Returns the request for the architecture of a check there: its own model with the inputs and options of now.

        So a change of the model's name or arguments is a change like any other, and both sides are measured alike.
        """
        return replace(request, model=self.models.get(request.name, request.model))

    def make_entry(self, request: CheckRequest, before: Summary | WorkerError) -> analysis.BaseEntry:
        """Returns the architecture of a check there; none for a new check, whatever its model was."""
        if request.name not in self.models:
            return analysis.BaseEntry(
                revision=self.revision, problem=self.problem or f"this check is not in {self.revision}"
            )
        if isinstance(before, WorkerError):
            return analysis.BaseEntry(revision=self.revision, problem=f"not measured in {self.revision}: {before}")
        return analysis.BaseEntry(revision=self.revision, model=analysis.lock_model(before, request.model))


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFinder:
    """Checks out base revisions, each once for all projects of a repository.

    Attributes:
        cleanup: stack that removes the checkouts at its end.
        against: revision that was asked for; empty for the merge base with the remote's default branch.
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
        try:
            models = config.read_models(there, file.name) if file else {}
        except ConfigError as error:
            return Base(
                revision=revision, folder=there, models={}, problem=f"the checks in {revision} are unreadable: {error}"
            )
        return Base(revision=revision, folder=there, models=models)
