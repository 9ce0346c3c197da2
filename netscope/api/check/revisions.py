"""Another revision of the project, beside it for a while."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from netscope.errors import UsageError

_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})
"""What git tells its hooks: where they are to write, which we are not."""

_REMOVES = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """The place that ``folder`` has in a copy of ``revision``'s files, which are gone afterwards.

    They are written by an index of their own rather than as a worktree: the repository, which may be in the middle of a
    commit, is only read, and runs no hooks.

    Raises:
        UsageError: ``folder`` is in no git repository, git is not installed, or there is no such revision.
    """
    top = Path(_git(folder, "rev-parse", "--show-toplevel"))
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    with _temporary_folder() as place:
        files, index = place / "revision", {"GIT_INDEX_FILE": str(place / "index")}
        files.mkdir()
        _git(top, "read-tree", commit, environment=index)
        _git(top, "checkout-index", "--all", "--quiet", f"--prefix={files}{os.sep}", environment=index)
        inside = files / folder.resolve().relative_to(top.resolve())
        yield inside if inside.is_dir() else files


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, even if this process is killed: another one waits for its end."""
    place = Path(tempfile.mkdtemp(prefix="netscope-")).resolve()
    command = [sys.executable, "-I", "-S", "-c", _REMOVES, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - our own code
        yield place


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    try:
        finished = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607 - whatever git the user has
            cwd=folder,
            env={**inherited, **(environment or {})},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError("comparing with another revision needs git, and there is none here") from error
    if finished.returncode:
        said = finished.stderr.strip().partition("\n")[0] or f"there is no revision {arguments[-1].partition('^')[0]!r}"
        raise UsageError(f"git {arguments[0]} failed in {folder}: {said}")
    return finished.stdout.strip()
