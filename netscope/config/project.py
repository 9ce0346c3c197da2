"""The TOML file of a project: where it is, what it says, and on which line."""

import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from netscope.errors import ConfigError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAMES = ("netscope.toml", "pyproject.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A TOML file that has checks.

    Attributes:
        path: where it is.
        text: what it says.
        section: the keys that lead to the checks: ``("tool", "netscope", "check")``.
        checks: the tables by name.
    """

    path: Path
    text: str
    section: tuple[str, ...]
    checks: dict[str, Any]

    @property
    def shown(self) -> str:
        """Its path from here, if it is below."""
        try:
            return str(self.path.resolve().relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)

    def line_of(self, keys: Sequence[str]) -> int:
        """The line on which ``keys`` is given; if none is, that of the closest table around it; 1 at worst."""
        for known in range(len(keys), -1, -1):
            line = _line_of(self.text, (*self.section, *keys[:known]))
            if line:
                return line
        return 1


def find_project_file(start: Path) -> ProjectFile | None:
    """The closest file with checks, in ``start`` or above it; None if there is none.

    Raises:
        ConfigError: a file on the way is no TOML.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        files = [read_project_file(folder / name) for name in NAMES if (folder / name).is_file()]
        with_checks = [file for file in files if file.checks]
        if len(with_checks) > 1:
            raise ConfigError(f"{folder}: both {' and '.join(NAMES)} have checks: put them into one of them")
        if with_checks:
            return with_checks[0]
        if (folder / ".git").exists():
            break
    return None


def read_project_file(path: Path) -> ProjectFile:
    """What ``path`` says about checks.

    Raises:
        ConfigError: it cannot be read, is no TOML, or its checks are no tables.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, and of integers and nests without end
        raise ConfigError(f"{path}: {error}") from error
    _check_names(path, text, document)
    sections: tuple[tuple[str, ...], ...] = (("tool", "netscope", "check"),)
    if path.name != "pyproject.toml":
        sections = (("check",), *sections)
    if sum(_inside(document, section) is not None for section in sections) > 1:
        raise ConfigError(
            f"{path}: it has checks both under [check] and under [tool.netscope.check]: put them together"
        )
    for section in sections:
        checks = _inside(document, section)
        if checks is None:
            continue
        found = ProjectFile(path=path, text=text, section=section, checks=checks if isinstance(checks, dict) else {})
        if not isinstance(checks, dict):
            raise ConfigError(f"{found.shown}:{found.line_of(())}: {'.'.join(section)} has to be a table of checks")
        return found
    return ProjectFile(path=path, text=text, section=sections[0], checks={})


def _check_names(path: Path, text: str, document: dict[str, Any]) -> None:
    """Checks that a section is not called otherwise than it has to be.

    Raises:
        ConfigError: there is a table that netscope does not know where all are netscope's.
    """
    known: dict[tuple[str, ...], tuple[str, ...]] = {("tool", "netscope"): ("check",)}
    if path.name == "netscope.toml":
        known[()] = ("check", "tool")
    for section, names in known.items():
        table = _inside(document, section)
        for name in table if isinstance(table, dict) else ():
            if name not in names:
                keys = (*section, name)
                where = f"{path.name}:{_line_of(text, keys) or 1}: {'.'.join(keys)}"
                raise ConfigError(f"{where}: there is no such section{did_you_mean(name, names)}; there is {names[0]}")


def _inside(document: Any, keys: Sequence[str]) -> Any:
    """What stands under ``keys``; None if nothing does."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def _line_of(text: str, keys: Sequence[str]) -> int:
    """The first line of what gives ``keys`` its value; 0 if nothing does.

    The parser says nothing about lines, but the start of a document is a document as well: the value is given by the
    lines that the shortest start that knows it has more than the longest one that does not.
    """
    lines = text.split("\n")

    def knows(count: int) -> bool:
        """Whether the first lines do; within a value that goes over several, those up to its end."""
        return any(_inside(document, keys) is not None for document in _documents(text, count))

    count = bisect_left(range(len(lines) + 1), True, key=knows)
    if count > len(lines):
        return 0
    start = next(before for before in range(count - 1, -1, -1) if _document(text, before) is not None)
    told = (n + 1 for n in range(start, count) if lines[n].strip() and not lines[n].lstrip().startswith("#"))
    return next(told, count)


def _documents(text: str, count: int) -> Iterator[Any]:
    """The shortest start of at least ``count`` lines that is a document."""
    total = len(text.split("\n"))
    found = (_document(text, longer) for longer in range(count, total + 1))
    yield from islice((document for document in found if document is not None), 1)


@lru_cache(maxsize=4096)
def _document(text: str, count: int) -> Any:
    """What the first ``count`` lines say; None if they are no document."""
    try:
        return tomllib.loads("\n".join(text.split("\n")[:count]))
    except tomllib.TOMLDecodeError:
        return None
