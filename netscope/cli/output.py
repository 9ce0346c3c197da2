"""The output of commands: data to stdout or a file, progress to stderr."""

import os
import re
import stat
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import TYPE_CHECKING, Any, TextIO

from netscope.cli.commands import IS_QUIET
from netscope.errors import OutputError, join_choices
from netscope.render import CHECK_FORMATS, FORMATS, Canvas, check_format, render
from netscope.runtime.files import write_atomically

if TYPE_CHECKING:
    from rich.status import Status

    from netscope.api.workers.pool import JobProgress
    from netscope.render.document import ResultView

SPINNER_AFTER_S = 1.0

MAX_NAMES = 3
"""Maximum number of running architectures that a progress message names."""

STDOUT = Path("-")
"""The file name that means stdout, as in ``-o -``."""

_FORMAT_OF_SUFFIX = {
    suffix: name for formats in (FORMATS, CHECK_FORMATS) for name, kind in formats.items() for suffix in kind.suffixes
}

_ASCII = str.maketrans(
    {"─": "-", "├": "|", "└": "`", "│": "|", "×": "x", "·": ".", "→": ">", "…": "~", "−": "-", "∙": "*", "µ": "u",
     "Δ": "d", "ᵀ": "T", "γ": "g", "β": "b", "ε": "e"}
    | dict.fromkeys("▏▎▍▌▋▊▉█", "#")
    | {"≥": ">=", "≤": "<=", "±": "+-", "√": "sqrt", "²": "^2"}
)  # fmt: skip
"""One character for each, so that the columns of tables stay aligned, but for formulas and signs before a space."""


def choose_format(path: Path | None, format_name: str | None, option: str = "-o", more: Collection[str] = ()) -> str:
    """Returns the output format, from ``--format`` or the file's suffix, after checking that FILE is writable.

    Args:
        path: the file; None or ``-`` for stdout.
        format_name: value of ``--format``.
        option: the option that names the file.
        more: names of formats in addition to ``FORMATS``.

    Raises:
        OutputError: the folder does not exist, the file is not writable, or its suffix belongs to no format.
        UsageError: the format is unknown.
    """
    if path is not None and path != STDOUT:
        check_writable(path, option)
    suffix = path.suffix.lower() if path is not None else ""
    if format_name is None and suffix not in _FORMAT_OF_SUFFIX and not _is_special(path):
        if option != "-o":
            suffixes = join_choices(kind.suffixes[0] or kind.suffixes[1] for kind in FORMATS.values())
            raise OutputError(f"{option} {path}: unknown suffix {suffix!r}; use {suffixes}")
        raise OutputError(
            f"-o {path}: unknown suffix {suffix!r}; choose a format with --format: {join_choices(FORMATS)}"
        )
    chosen = format_name if format_name is not None else _FORMAT_OF_SUFFIX.get(suffix, "table")
    check_format(chosen, more)
    return chosen


def check_writable(path: Path, option: str) -> None:
    """Checks that a file can be written, before anything is computed.

    Raises:
        OutputError: it cannot; the message names ``option``.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{option} {path}: is a folder; name a file in it")
        folder = path.parent if _is_special(path) else path.resolve().parent
        if not folder.is_dir():
            raise OutputError(f"{option} {path}: folder {str(folder)!r} not found")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise OutputError(f"{option} {path}: no write permission")
    except OSError as error:
        raise OutputError(f"{option} {path}: {error.strerror or error}") from error


def _is_special(path: Path | None) -> bool:
    """Whether the path is a pipe or a device, which a file cannot replace."""
    return path is not None and path.exists() and not stat.S_ISREG(path.stat().st_mode)


def write_result(result: Any, format_name: str, path: Path | None, view: "ResultView | None" = None) -> None:
    """Renders ``result`` and writes it to stdout, in the terminal's width and color, or to the file.

    Raises:
        OutputError: the file could not be written; a previous file is unchanged.
    """
    if path is None or path == STDOUT:
        write_output(render(result, format_name, view=view, canvas=_stdout_canvas()), None)
    else:
        write_output(render(result, format_name, view=view), path)


def write_output(text: str, path: Path | None) -> None:
    """Writes the rendered result of a command to stdout or to the file.

    Raises:
        OutputError: the file could not be written; a previous file is unchanged.
    """
    if path is None or path == STDOUT:
        sys.stdout.write(encode_for(text, sys.stdout))
        sys.stdout.flush()
    else:
        write_file(path, text, "-o")


def _stdout_canvas() -> Canvas:
    """Returns the width and color of stdout; a pipe has neither, unless ``COLUMNS`` or ``FORCE_COLOR`` is set."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    columns = os.environ.get("COLUMNS", "")
    is_terminal = sys.stdout.isatty()
    width = console.width if is_terminal or columns.strip("0").isdigit() else None
    color = (is_terminal or console.is_terminal) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Canvas(width=width, color=color)


def encode_for(text: str, stream: TextIO) -> str:
    """Returns the text as the stream can encode it: in ASCII if its encoding has no line drawing."""
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        # The space between a sign and its number gives its place to the second character. A dot in a product is "*".
        text = re.sub(r"(?<=\S)·(?=\S)", "*", re.sub("([≥≤±]) ", r"\1", text))
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def write_file(path: Path, text: str | bytes, option: str) -> None:
    """Writes text, or the bytes of a picture, to the file atomically.

    Raises:
        OutputError: the file could not be written; a previous file is unchanged. The message names ``option``.
    """
    try:
        if _is_special(path):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        else:
            write_atomically(path, text)
    except OSError as error:
        raise OutputError(f"{option} {path}: {error.strerror or error}") from error


@contextmanager
def show_progress(message: str, *, use_cache: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows a spinner on stderr after a second; yields a function that changes its message.

    Constructors and forward passes may print and warn: within the context, prints go to stderr and warnings are hidden.

    Args:
        message: message next to the spinner.
        use_cache: whether to reuse cached results and cache new ones within the context.
    """
    shown: list[Status] = []
    messages = [message]

    def show() -> None:
        from rich.console import Console
        from rich.text import Text

        status = Console(stderr=True).status(Text(messages[-1]))
        shown.append(status)
        status.start()

    def change(text: str) -> None:
        messages.append(text)
        if shown:
            from rich.text import Text

            shown[0].update(Text(text))

    timer = Timer(SPINNER_AFTER_S, show)
    timer.daemon = True
    if sys.stderr.isatty() and not IS_QUIET.get():
        timer.start()
    try:
        with _redirect_stdout_to_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _use_cache() if use_cache else nullcontext():
                yield change
    finally:
        timer.cancel()
        timer.join() if timer.is_alive() else None
        for status in shown:
            status.stop()


def format_progress(progress: "JobProgress", activity: str) -> str:
    """Returns a progress message such as ``"12 of 80 done, about 20 s left: tracing resnet50, vit_b_16"``."""
    shown = progress.running[:MAX_NAMES]
    more = f" and {len(progress.running) - len(shown)} more" if len(progress.running) > len(shown) else ""
    names = f"{activity} {', '.join(shown)}{more}" if shown else ""
    if progress.count == 1:
        return names or activity
    remaining = "" if progress.remaining_s is None else f", about {_format_duration(progress.remaining_s)} left"
    return f"{progress.done} of {progress.count} done{remaining}{': ' if names else ''}{names}"


def _format_duration(seconds: float) -> str:
    """Returns a duration rounded to the precision of an estimate."""
    if seconds < 10:  # noqa: PLR2004
        return f"{max(1, round(seconds))} s"
    return f"{5 * round(seconds / 5)} s" if seconds < 100 else f"{round(seconds / 60)} min"  # noqa: PLR2004


def _use_cache() -> AbstractContextManager[None]:
    from netscope.api.result_cache import use_cache

    return use_cache()


@contextmanager
def _redirect_stdout_to_stderr() -> Iterator[None]:
    """Redirects stdout to stderr, also for extensions, subprocesses and ``sys.__stdout__``; to nowhere if quiet."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        with ExitStack() as stack:
            target = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8")) if IS_QUIET.get() else sys.stderr
            os.dup2(target.fileno() if IS_QUIET.get() else 2, 1)
            stack.enter_context(redirect_stdout(target))
            yield
    finally:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        os.dup2(saved, 1)
        os.close(saved)


def print_note(text: str) -> None:
    """Prints a line on stderr, unless quiet."""
    if not IS_QUIET.get():
        print(encode_for(text, sys.stderr), file=sys.stderr)


@contextmanager
def neutralize_github_commands() -> Iterator[None]:
    """Holds back what models print until the end, and neutralizes workflow commands, which GitHub runs from stderr."""
    from netscope.render.continuous_integration import without_commands

    sys.stderr.flush()
    saved = os.dup(2)
    with TemporaryFile() as printed:
        try:
            os.dup2(printed.fileno(), 2)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            printed.seek(0)
            for line in printed:
                sys.stderr.write(without_commands(line.decode(errors="backslashreplace")))
