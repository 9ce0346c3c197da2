"""Other revisions of a git repository: which one is the base, and a temporary checkout of it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from netscope.errors import UsageError
from netscope.schema import Head

_HOOK_VARIABLES = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})
"""The variables with which git directs the commands of its hooks to its own index; ours must not write there."""

_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")

_DATE, _UTC = "%Y-%m-%dT%H:%M:%SZ", {"TZ": "UTC"}

_REMOVE_AT_EOF = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


def find_repository(folder: Path) -> Path:
    """Returns the top folder of the git repository that contains ``folder``.

    Raises:
        UsageError: there is none, or git is not installed.
    """
    return Path(_git(folder, "rev-parse", "--show-toplevel"))


def list_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Returns the files of these names in ``folder`` and below, tracked or untracked, but not those that git ignores.

    Raises:
        UsageError: ``folder`` is in no repository, or git is not installed.
    """
    patterns = [f":(glob)**/{name}" for name in names]
    listed = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return [path for name in listed.split("\0") if name and (path := folder / name).is_file()]


def find_commit(folder: Path, revision: str) -> str:
    """Returns the commit that a revision names.

    Raises:
        UsageError: the revision is unknown.
    """
    return _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")


def describe_head(folder: Path, ignored: Iterable[Path] = ()) -> Head:
    """Returns the commit that is checked out.

    Args:
        folder: folder in the repository.
        ignored: files whose changes do not count.

    Raises:
        UsageError: ``folder`` is not in a git repository, git is not installed, or there is no commit.
    """
    commit, top = find_commit(folder, "HEAD"), find_repository(folder).resolve()
    inside = (path.resolve() for path in ignored if path.resolve().is_relative_to(top))
    excluded = (f":(exclude,top,literal){path.relative_to(top).as_posix()}" for path in inside)
    changed = _git(top, "status", "--porcelain", "--untracked-files=no", "--", ".", *excluded)
    date = _git(folder, "show", "--no-patch", f"--date=format-local:{_DATE}", "--format=%cd", commit, environment=_UTC)
    return Head(revision=f"{commit}-dirty" if changed else commit, date=date)


def find_merge_base(folder: Path) -> tuple[str, str]:
    """Returns the commit where this branch left the remote's default branch, and its description for messages.

    Raises:
        UsageError: there is none.
    """
    for branch in _DEFAULT_BRANCHES:
        with suppress(UsageError):
            commit = _git(folder, "merge-base", "HEAD", branch)
            name = _git(folder, "rev-parse", "--abbrev-ref", branch)
            is_head = commit == _git(folder, "rev-parse", "HEAD")
            what = "which is HEAD, so only uncommitted changes count" if is_head else f"the merge base with {name}"
            return commit, f"{_git(folder, 'rev-parse', '--short', commit)}, {what}"
    raise UsageError(
        f"base = true found no base in {folder}: {', '.join(_DEFAULT_BRANCHES)} are missing or share no history with "
        f"HEAD; fetch the default branch with its history, or pass --against REVISION"
    )


@contextmanager
def check_out(commit: str, top: Path) -> Iterator[Path]:
    """Checks out a commit of the repository ``top`` into a temporary folder, and yields that folder.

    The files are written through a separate index instead of a worktree: the repository, which may be in the middle of
    a commit, is only read, and runs no hooks.
    """
    with _make_temporary_folder() as temporary:
        files, index = temporary / "revision", {"GIT_INDEX_FILE": str(temporary / "index")}
        files.mkdir()
        _git(top, "read-tree", commit, environment=index)
        _git(top, "checkout-index", "--all", "--quiet", f"--prefix={files}{os.sep}", environment=index)
        yield files


@contextmanager
def _make_temporary_folder() -> Iterator[Path]:
    """Yields a folder that another process removes when this one leaves it or is killed."""
    folder = Path(tempfile.mkdtemp(prefix="netscope-")).resolve()
    command = [sys.executable, "-I", "-S", "-c", _REMOVE_AT_EOF, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - our own code
        yield folder


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in _HOOK_VARIABLES}
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
        raise UsageError("git not found; install it to compare with another revision") from error
    if finished.returncode:
        reason = finished.stderr.strip().partition("\n")[0] or f"unknown revision {arguments[-1].partition('^')[0]!r}"
        raise UsageError(f"git {arguments[0]} failed in {folder}: {reason}")
    return finished.stdout.strip()
