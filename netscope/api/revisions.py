"""Another revision of the project, checked out beside it for a while."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netscope.errors import UsageError


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """The place that ``folder`` has in a worktree of ``revision``, which is gone afterwards.

    Raises:
        UsageError: ``folder`` is in no git repository, git is not installed, or there is no such revision.
    """
    top = Path(_git(folder, "rev-parse", "--show-toplevel"))
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    place = Path(tempfile.mkdtemp(prefix="netscope-")).resolve()
    worktree = place / "revision"
    try:
        _git(top, "worktree", "add", "--detach", "--quiet", str(worktree), commit)
        try:
            inside = worktree / folder.resolve().relative_to(top.resolve())
            yield inside if inside.is_dir() else worktree
        finally:
            _git(top, "worktree", "remove", "--force", str(worktree))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _git(folder: Path, *arguments: str) -> str:
    try:
        finished = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603, S607 - whatever git the user has
    except FileNotFoundError as error:
        raise UsageError("comparing with another revision needs git, and there is none here") from error
    if finished.returncode:
        said = finished.stderr.strip().partition("\n")[0] or f"there is no revision {arguments[-1].partition('^')[0]!r}"
        raise UsageError(f"git {arguments[0]} failed in {folder}: {said}")
    return finished.stdout.strip()
