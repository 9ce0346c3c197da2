"""The badges and the history that ``netscope check`` writes next to its result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netscope.cli.output import check_writable, write_file
from netscope.errors import OutputError, UsageError
from netscope.render import check_badge, format_history, read_history, render_badge

if TYPE_CHECKING:
    from netscope.schema import CheckReport, Head

MAX_HISTORY_BYTES = 64 * 2**20
"""The largest history that is read."""

BadgeOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--badge",
        metavar="FILE",
        help="Write a badge, e.g. params.svg of one check, or how many checks passed (repeatable).",
    ),
]
HistoryOption = Annotated[
    Path | None,
    typer.Option("--history", metavar="FILE", help="Append a row for each check of this commit to a CSV file."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFiles:
    """The files that a run writes next to its result.

    Attributes:
        badges: paths of the badges, whose names choose what they show.
        history: path of the history; None for none.
    """

    badges: Sequence[Path] = field(default=())
    history: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of all files."""
        return (*self.badges, *([self.history] if self.history else []))

    def check(self, count: int) -> None:
        """Checks that the files can be written, before anything is computed.

        Args:
            count: number of checks that run.

        Raises:
            OutputError: a file cannot be written, or cannot show so many checks; or the history is another file.
        """
        for path in self.badges:
            check_writable(path, "--badge")
            if path.suffix.lower() != ".svg":
                raise OutputError(f"--badge {path}: unknown suffix {path.suffix!r}; a badge is an .svg file")
            try:
                check_badge(path.stem, count)
            except UsageError as error:
                raise OutputError(f"--badge {path}: {error}") from error
        if self.history:
            check_writable(self.history, "--history")
            _read(self.history)

    def write(self, report: "CheckReport", head: "Head | None") -> None:
        """Writes the files, each atomically.

        Args:
            report: the result.
            head: commit that was checked; required for a history.

        Raises:
            OutputError: a file cannot be written; a previous file is unchanged.
        """
        for path in self.badges:
            write_file(path, render_badge(report, path.stem), "--badge")
        if self.history and head:
            # It is read again, because another run may have added rows.
            write_file(self.history, format_history(_read(self.history), report, head), "--history")


def _read(path: Path) -> list[list[str]]:
    """Returns the rows of a history; none if the file does not exist."""
    content = _read_bytes(path)
    if len(content) > MAX_HISTORY_BYTES:
        raise OutputError(f"--history {path}: it has more than {MAX_HISTORY_BYTES // 2**20} MiB; choose another file")
    try:
        return read_history(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise OutputError(f"--history {path}: it is not UTF-8; choose another file") from error
    except UsageError as error:
        raise OutputError(f"--history {path}: {error}") from error


def _read_bytes(path: Path) -> bytes:
    """Returns the content of a file, of a too large one only more than is allowed."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(MAX_HISTORY_BYTES + 1)
    except OSError as error:
        raise OutputError(f"--history {path}: {error.strerror or error}") from error
