"""Where a command's answer goes: data to stdout or whole into a file, progress to stderr."""

import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from threading import Timer
from typing import Any

from netscope.errors import OutputError
from netscope.render import FORMATS, Canvas, View, render

SPINNER_AFTER_S = 1.0

_FORMAT_OF_SUFFIX = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown"}

_ASCII = str.maketrans(
    {"─": "-", "├": "|", "└": "`", "│": "|", "×": "x", "·": ".", "→": "->", "…": "...", "−": "-", "≥": ">=", "∙": "*"}
    | dict.fromkeys("▏▎▍▌▋▊▉█", "#")
)


def check_output(path: Path | None, format_name: str | None) -> str:
    """The format to write, from ``--format`` or else the file's suffix, once it is clear that it can be written.

    Raises:
        OutputError: the file's folder does not exist, or the file may not be written.
    """
    if path is not None:
        folder = path.resolve().parent
        if not folder.is_dir():
            raise OutputError(f"-o {path}: there is no folder {str(folder)!r}")
        if path.is_dir():
            raise OutputError(f"-o {path}: this is a folder; name a file in it")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise OutputError(f"-o {path}: no permission to write there")
    if format_name is not None:
        return format_name
    return _FORMAT_OF_SUFFIX.get(path.suffix.lower(), "table") if path is not None else "table"


def write_result(result: Any, format_name: str, path: Path | None, view: View | None = None) -> None:
    """Renders ``result`` and writes it: to stdout as the terminal is, or to the file, whole or not at all.

    Raises:
        OutputError: the file could not be written; what was there before is still there.
    """
    if path is None:
        text = render(result, format_name, view=view, canvas=_terminal())
        sys.stdout.write(_encodable(text))
        return
    _write_whole(path, render(result, format_name, view=view))


def _terminal() -> Canvas:
    """Width and colour of stdout; a pipe has neither, unless ``COLUMNS`` or ``FORCE_COLOR`` say so."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    asked = os.environ.get("COLUMNS", "")
    is_terminal = sys.stdout.isatty()
    width = console.width if is_terminal or asked.isdigit() else None
    color = (is_terminal or console.is_terminal) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Canvas(width=width, color=color)


def _encodable(text: str) -> str:
    """The text as stdout's encoding can take it: where it has no line drawing, in ASCII."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _write_whole(path: Path, text: str) -> None:
    target = path.resolve()
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_text(text, encoding="utf-8")
            return
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"-o {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def working(message: str) -> Iterator[None]:
    """A spinner on stderr for what takes over a second, and nobody's prints and warnings among our data.

    Constructors and forward passes print and warn as they like; their prints go to stderr.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    status = console.status(Text(message))
    timer = Timer(SPINNER_AFTER_S, status.start)
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        timer.cancel()
        timer.join() if timer.is_alive() else None
        status.stop()


def format_names() -> str:
    """The formats, for ``--help``."""
    return ", ".join(FORMATS)
