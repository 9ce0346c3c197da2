"""Where a command's answer goes: data to stdout or whole into a file, progress to stderr."""

import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, TextIO

from netscope.errors import OutputError
from netscope.render import FORMATS, Canvas, render
from netscope.runtime.files import write_whole

if TYPE_CHECKING:
    from rich.status import Status

    from netscope.api.workers.pool import JobProgress
    from netscope.render.document import ResultView

SPINNER_AFTER_S = 1.0

MOST_RUNNING = 3
"""That are named of what is being worked on."""

STDOUT = Path("-")
"""What ``-o -`` names."""

SPINNING = Event()
"""Set while the cursor is hidden."""

_FORMAT_OF_SUFFIX = {
    "": "table",
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xml": "junit",
}

_ASCII = str.maketrans(
    {"─": "-", "├": "|", "└": "`", "│": "|", "×": "x", "·": ".", "→": "->", "…": "...", "−": "-", "≥": ">=", "∙": "*"}
    | dict.fromkeys("▏▎▍▌▋▊▉█", "#")
)


def check_output(path: Path | None, format_name: str | None) -> str:
    """The format to write, from ``--format`` or else the file's suffix, once it is clear that it can be written.

    Raises:
        OutputError: the file's folder does not exist, or the file may not be written.
    """
    if path is not None and path != STDOUT:
        check_writable(path, "-o")
    if format_name is not None:
        return format_name
    suffix = path.suffix.lower() if path is not None else ""
    if suffix not in _FORMAT_OF_SUFFIX and not _is_special(path):
        raise OutputError(
            f"-o {path}: no format goes with {suffix!r}; name one with --format, the formats are {format_names()}"
        )
    return _FORMAT_OF_SUFFIX.get(suffix, "table")


def check_writable(path: Path, option: str) -> None:
    """Checks that a file can be written there, before anything is computed.

    Raises:
        OutputError: it cannot; the message names ``option``.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{option} {path}: this is a folder; name a file in it")
        folder = path.parent if _is_special(path) else path.resolve().parent
        if not folder.is_dir():
            raise OutputError(f"{option} {path}: there is no folder {str(folder)!r}")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise OutputError(f"{option} {path}: no permission to write there")
    except OSError as error:
        raise OutputError(f"{option} {path}: {error.strerror or error}") from error


def _is_special(path: Path | None) -> bool:
    """Whether it is a pipe or a device, which cannot be replaced by a file."""
    return path is not None and path.exists() and not stat.S_ISREG(path.stat().st_mode)


def write_result(result: Any, format_name: str, path: Path | None, view: "ResultView | None" = None) -> None:
    """Renders ``result`` and writes it: to stdout as the terminal is, or to the file, whole or not at all.

    Raises:
        OutputError: the file could not be written; what was there before is still there.
    """
    if path is None or path == STDOUT:
        write_answer(render(result, format_name, view=view, canvas=_terminal()), None)
    else:
        write_answer(render(result, format_name, view=view), path)


def write_answer(text: str, path: Path | None) -> None:
    """Writes what a command answers: to stdout, or to the file, whole or not at all.

    Raises:
        OutputError: the file could not be written; what was there before is still there.
    """
    if path is None or path == STDOUT:
        sys.stdout.write(encodable(text, sys.stdout))
        sys.stdout.flush()
    else:
        write_text(path, text, "-o")


def _terminal() -> Canvas:
    """Width and colour of stdout; a pipe has neither, unless ``COLUMNS`` or ``FORCE_COLOR`` say so."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    asked = os.environ.get("COLUMNS", "")
    is_terminal = sys.stdout.isatty()
    width = console.width if is_terminal or asked.strip("0").isdigit() else None
    color = (is_terminal or console.is_terminal) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Canvas(width=width, color=color)


def encodable(text: str, stream: TextIO) -> str:
    """The text as the stream's encoding can take it: where it has no line drawing, in ASCII."""
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def write_text(path: Path, text: str | bytes, option: str) -> None:
    """Writes ``text``, or the bytes of a picture, to the file, whole or not at all.

    Raises:
        OutputError: it could not be written; what was there before is still there. The message names ``option``.
    """
    try:
        if _is_special(path):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        else:
            write_whole(path, text)
    except OSError as error:
        raise OutputError(f"{option} {path}: {error.strerror or error}") from error


@contextmanager
def working(message: str) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr for what takes over a second, and nobody's prints and warnings among our data.

    What it yields changes the message.

    Constructors and forward passes print and warn as they like; their prints go to stderr.
    """
    shown: list[Status] = []
    messages = [message]

    def show() -> None:
        from rich.console import Console
        from rich.text import Text

        status = Console(stderr=True).status(Text(messages[-1]))
        shown.append(status)
        SPINNING.set()
        status.start()

    def change(text: str) -> None:
        messages.append(text)
        if shown:
            from rich.text import Text

            shown[0].update(Text(text))

    timer = Timer(SPINNER_AFTER_S, show)
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        with _stdout_to_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield change
    finally:
        timer.cancel()
        timer.join() if timer.is_alive() else None
        for status in shown:
            status.stop()
        SPINNING.clear()


def progress_text(progress: "JobProgress", doing: str) -> str:
    """How far it has come: ``"12 of 80 done, about 20 s left: tracing resnet50, vit_b_16"``."""
    shown = progress.running[:MOST_RUNNING]
    more = f" and {len(progress.running) - len(shown)} more" if len(progress.running) > len(shown) else ""
    names = f"{doing} {', '.join(shown)}{more}" if shown else ""
    if progress.count == 1:
        return names or doing
    left = "" if progress.left_s is None else f", about {_roughly(progress.left_s)} left"
    return f"{progress.done} of {progress.count} done{left}{': ' if names else ''}{names}"


def _roughly(seconds: float) -> str:
    """No finer than an estimate is good for."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(1, round(seconds))} s"
    return f"{5 * round(seconds / 5)} s" if seconds < 100 else f"{round(seconds / 60)} min"  # noqa: PLR2004


@contextmanager
def answering(message: str, *, no_cache: bool) -> Iterator[Callable[[str], None]]:
    """As ``working``, with answers that were given before, unless ``no_cache``."""
    with working(message) as progress:
        if no_cache:
            yield progress
            return
        from netscope.api.result_cache import recalling

        with recalling():
            yield progress
            if "torch" in sys.modules:
                from netscope.api.list import cache_source_names

                cache_source_names()


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Also for what is written below Python: by extensions, subprocesses, and ``sys.__stdout__``."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def without_github_commands() -> Iterator[None]:
    """Shows what models print only at the end, and so that GitHub, which reads stderr as well, obeys none of it."""
    from netscope.render.continuous_integration import without_commands

    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as printed:
        try:
            os.dup2(printed.fileno(), 2)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            printed.seek(0)
            for line in printed:
                sys.stderr.write(without_commands(line.decode(errors="backslashreplace")))


def format_names() -> str:
    """The formats, for ``--help``."""
    return ", ".join(FORMATS)
