"""The live display on stderr during a benchmark, and its interruption by Ctrl-C."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from netscope.render import format_bench_line, numbers
from netscope.schema import BenchReport

_REFRESHES_PER_SECOND = 8
_STOPPING = "finishing this round of blocks; press Ctrl-C again to exit immediately"


class Display:
    """The results so far, the current activity and its progress."""

    def __init__(self, *, is_live: bool = False) -> None:
        self._is_live = is_live
        self._results: list[str] = []
        self._activity = "starting"
        self._since = time.monotonic()
        self._progress: dict[str, Any] = {}
        self._is_stopping = False
        self._spinner = Spinner("dots")

    def on_activity(self, text: str) -> None:
        """Shows a new activity."""
        self._activity, self._since, self._progress = text, time.monotonic(), {}

    def on_progress(self, progress: dict[str, Any]) -> None:
        """Shows the progress of a measurement."""
        self._progress = progress

    def on_results(self, report: BenchReport) -> None:
        """Shows the results of the report."""
        self._results = [format_bench_line(result, report) for result in report.results]

    def on_stop(self) -> None:
        """Shows that the run will end."""
        self._is_stopping = True
        if not self._is_live:
            # Unlike print, this works while the interrupted code is writing itself.
            os.write(sys.stderr.fileno(), f"{_STOPPING}\n".encode())

    def __rich__(self) -> Group:
        lines: list[Any] = [Text(line) for line in self._results]
        self._spinner.update(text=Text(f"{self._activity} · {time.monotonic() - self._since:.0f} s"))
        lines.append(self._spinner)
        if self._progress:
            blocks = f", {numbers.count_nouns(self._progress['blocks'], 'block')}" if self._progress["blocks"] else ""
            estimates = "".join(
                f" · {numbers.seconds(mean)} ± {numbers.margin(relative)}"
                for mean, relative in zip(self._progress["means"], self._progress["relatives"], strict=True)
            )
            lines.append(Text(f"  {self._progress['phase']}{blocks}{estimates}", style="dim"))
        if self._is_stopping:
            lines.append(Text(f"  {_STOPPING}", style="dim"))
        return Group(*lines)


@contextmanager
def live_display() -> Iterator[Display]:
    """Yields a display, which is shown on stderr if that is a terminal."""
    display = Display(is_live=sys.stderr.isatty())
    if not sys.stderr.isatty():
        yield display
        return
    console = Console(stderr=True)
    with Live(display, console=console, refresh_per_second=_REFRESHES_PER_SECOND, transient=True):
        yield display


@contextmanager
def handle_interrupts(stop: Callable[[], bool]) -> Iterator[None]:
    """Calls ``stop`` on the first Ctrl-C; raises ``KeyboardInterrupt`` if it returns False, and on the second."""
    pressed = False

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        is_second, pressed = pressed, True
        if is_second or not stop():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
