"""Finds the projects of a repository that holds several."""

import os
from collections.abc import Iterator
from pathlib import Path

from netscope import config
from netscope.api.check.revisions import list_files

_SKIPPED = ("node_modules",)
_VIRTUAL_ENVIRONMENT = "pyvenv.cfg"


def find_project_folders(start: Path) -> tuple[Path, ...]:
    """Returns the folders in ``start`` and below with a file that may contain checks, in order.

    In a git repository, only files that it does not ignore count. Hidden folders, virtual environments and node_modules
    never do.

    Raises:
        UsageError: ``start`` is in a git repository, and git is not installed.
    """
    inside_git = any((folder / ".git").exists() for folder in (start, *start.parents))
    paths = list_files(start, config.PROJECT_FILES) if inside_git else _walk(start)
    return tuple(sorted({path.parent for path in paths if not _is_skipped(path.parent, start)}))


def _walk(start: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(start):
        below[:] = [name for name in below if not _is_skipped(Path(folder, name), start)]
        yield from (Path(folder, name) for name in files if name in config.PROJECT_FILES)


def _is_skipped(folder: Path, start: Path) -> bool:
    between = folder.relative_to(start)
    return any(
        part.startswith(".")
        or part in _SKIPPED
        or (start.joinpath(*between.parts[: depth + 1]) / _VIRTUAL_ENVIRONMENT).is_file()
        for depth, part in enumerate(between.parts)
    )
