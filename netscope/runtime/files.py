"""Files that are replaced only once the new content is complete, also if the process is ended before."""

import os
from contextvars import ContextVar
from pathlib import Path

_DRAFT: ContextVar[Path | None] = ContextVar("draft", default=None)
"""The file that is being written under a temporary name."""


def expand_home(path: str | Path) -> Path:
    """Returns the path with ``~`` replaced by the home folder; unchanged if that is unknown."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes ``content`` to the file, text in UTF-8; an existing file keeps its permissions.

    Raises:
        OSError: the file could not be written; a previous file is unchanged.
    """
    target = path.resolve()
    draft = target.parent / f".netscope-{os.getpid()}-{os.urandom(4).hex()}"
    token = _DRAFT.set(draft)
    try:
        with draft.open("xb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
        _DRAFT.reset(token)


def remove_draft() -> None:
    """Removes the unfinished file, for a signal handler that ends the process, which runs in the writer's context."""
    draft = _DRAFT.get()
    if draft is not None:
        draft.unlink(missing_ok=True)
