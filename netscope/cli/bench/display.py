"""What is seen on stderr while something is measured, and how it is stopped."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from netscope.render import bench_line, numbers
from netscope.schema import BenchReport

_REFRESHES_PER_SECOND = 8


class Display:
    """The results so far, what is being done, and how sure the figures are by now."""

    def __init__(self) -> None:
        self._results: list[str] = []
        self._doing = "starting"
        self._since = time.monotonic()
        self._told: dict[str, Any] = {}
        self._is_stopping = False
        self._spinner = Spinner("dots")

    def doing(self, text: str) -> None:
        """Something new is begun."""
        self._doing, self._since, self._told = text, time.monotonic(), {}

    def told(self, progress: dict[str, Any]) -> None:
        """It has come so far."""
        self._told = progress

    def measured(self, report: BenchReport) -> None:
        """There are results."""
        self._results = [bench_line(result, report) for result in report.results]

    def stopping(self) -> None:
        """Someone wants it to end."""
        self._is_stopping = True

    def __rich__(self) -> Group:
        lines: list[Any] = [Text(line) for line in self._results]
        self._spinner.update(text=Text(f"{self._doing} · {time.monotonic() - self._since:.0f} s"))
        lines.append(self._spinner)
        if self._told:
            blocks = f", {self._told['blocks']} blocks" if self._told["blocks"] else ""
            figures = "".join(
                f" · {numbers.seconds(mean)} ± {numbers.margin(relative)}"
                for mean, relative in zip(self._told["means"], self._told["relatives"], strict=True)
            )
            lines.append(Text(f"  {self._told['phase']}{blocks}{figures}", style="dim"))
        if self._is_stopping:
            lines.append(Text("  stopping after this round of blocks; Ctrl-C again leaves at once", style="dim"))
        return Group(*lines)


@contextmanager
def displayed() -> Iterator[Display]:
    """A display on stderr while it lasts, if that is a terminal."""
    display = Display()
    if not sys.stderr.isatty():
        yield display
        return
    console = Console(stderr=True)
    with Live(display, console=console, refresh_per_second=_REFRESHES_PER_SECOND, transient=True):
        yield display


@contextmanager
def stoppable(stop: Any) -> Iterator[None]:
    """Has the first Ctrl-C call ``stop``, and the second raise ``KeyboardInterrupt``."""
    pressed = False

    def pressed_once(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        stop()

    before = signal.signal(signal.SIGINT, pressed_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
