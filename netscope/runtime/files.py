"""A file written whole or not at all, also if the process is ended in the middle of it."""

import os
from pathlib import Path

DRAFTS: list[Path] = []
"""Files that are being written under another name; whoever ends the process removes them."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes ``content`` to the file, text in UTF-8; a file that was there keeps its permissions.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    target = path.resolve()
    draft = target.parent / f".netscope-{os.getpid()}-{os.urandom(4).hex()}"
    DRAFTS.append(draft)
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
        DRAFTS.remove(draft)
