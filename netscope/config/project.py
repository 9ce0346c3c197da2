"""Finds and reads the TOML file of a project, and the lines of its keys."""

import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from netscope.config.lookalikes import find_lookalike
from netscope.errors import ConfigError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT_FILES = ("netscope.toml", "pyproject.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A TOML file with checks.

    Attributes:
        path: path of the file.
        text: content of the file.
        section: keys of the table of checks, ``("tool", "netscope", "check")``.
        checks: tables of the checks, by name.
    """

    path: Path
    text: str
    section: tuple[str, ...]
    checks: dict[str, Any]

    @property
    def display_path(self) -> str:
        """The path relative to the working directory if it is inside, otherwise the full path."""
        return _make_relative(self.path)

    def find_line(self, keys: Sequence[str]) -> int:
        """Returns the line of ``keys``; if they are missing, the line of the closest enclosing table, or 1."""
        for known in range(len(keys), -1, -1):
            line = _find_line(self.text, (*self.section, *keys[:known]))
            if line:
                return line
        return 1


def find_project_file(start: Path) -> ProjectFile | None:
    """Returns the closest file with checks, in ``start`` or its parents; None if there is none.

    Raises:
        ConfigError: a file on the way is not valid TOML.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        found = find_file_in_folder(folder)
        if found is not None:
            return found
        if (folder / ".git").exists():
            break
    return None


def find_file_in_folder(folder: Path) -> ProjectFile | None:
    """Returns the file with checks in ``folder``; None if there is none.

    Raises:
        ConfigError: a file is not valid TOML, or both have checks.
    """
    files = [read_project_file(folder / name) for name in PROJECT_FILES if (folder / name).is_file()]
    with_checks = [file for file in files if file.checks]
    if len(with_checks) > 1:
        raise ConfigError(f"{folder}: both {' and '.join(PROJECT_FILES)} have checks; move all checks to one of them")
    return with_checks[0] if with_checks else None


def mentions_netscope(folder: Path) -> bool:
    """Whether a file in ``folder`` that may contain checks has the word netscope in its name or text."""
    files = [folder / name for name in PROJECT_FILES if (folder / name).is_file()]
    return any(b"netscope" in file.name.encode() + file.read_bytes().lower() for file in files)


def read_project_file(path: Path) -> ProjectFile:
    """Returns the checks in the file ``path``.

    Raises:
        ConfigError: the file cannot be read, is not valid TOML, or its checks are not tables.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # invalid TOML or UTF-8, and too long integers or too deep nesting
        raise ConfigError(f"{path}: {error}") from error
    _check_names(path, text, document)
    lookalike = find_lookalike(document, is_own_file=path.name != "pyproject.toml")
    if lookalike:
        where = f"{_make_relative(path)}:{_find_line(text, lookalike) or 1}: {'.'.join(map(quote_key, lookalike))}"
        raise ConfigError(f"{where}: unknown section; did you mean tool.netscope.check?")
    sections: tuple[tuple[str, ...], ...] = (("tool", "netscope", "check"),)
    if path.name != "pyproject.toml":
        sections = (("check",), *sections)
    if sum(_get_nested(document, section) is not None for section in sections) > 1:
        raise ConfigError(f"{path}: has both [check] and [tool.netscope.check]; use one of them")
    for section in sections:
        checks = _get_nested(document, section)
        if checks is None:
            continue
        found = ProjectFile(path=path, text=text, section=section, checks=checks if isinstance(checks, dict) else {})
        if not isinstance(checks, dict):
            raise ConfigError(
                f"{found.display_path}:{found.find_line(())}: {'.'.join(section)} must be a table of checks"
            )
        return found
    return ProjectFile(path=path, text=text, section=sections[0], checks={})


def _check_names(path: Path, text: str, document: dict[str, Any]) -> None:
    """Checks the names of netscope's sections.

    Raises:
        ConfigError: a section is unknown.
    """
    known: dict[tuple[str, ...], tuple[str, ...]] = {("tool", "netscope"): ("check",)}
    if path.name == "netscope.toml":
        known[()] = ("check", "tool")
    for section, names in known.items():
        table = _get_nested(document, section)
        for name in table if isinstance(table, dict) else ():
            if name not in names:
                keys = (*section, name)
                where = f"{_make_relative(path)}:{_find_line(text, keys) or 1}: {'.'.join(keys)}"
                raise ConfigError(f"{where}: unknown section{did_you_mean(name, names)}; available: {names[0]}")


def _make_relative(path: Path) -> str:
    """Returns the path relative to the working directory if it is inside, otherwise the full path."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def quote_key(name: str) -> str:
    """Returns a key as TOML writes it, with quotes if it needs them."""
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'


def _get_nested(document: Any, keys: Sequence[str]) -> Any:
    """Returns the value under nested ``keys``; None if they are missing."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def _find_line(text: str, keys: Sequence[str]) -> int:
    """Returns the first line of the value of ``keys``; 0 if they are missing.

    The parser reports no lines, but the first lines of a document are often a valid document too. The value is in the
    lines between the longest such beginning without ``keys`` and the shortest with them.
    """
    lines = text.split("\n")

    def has_keys(count: int) -> bool:
        """Returns whether the first lines contain ``keys``; lines that end in a value are extended to its end."""
        return any(_get_nested(document, keys) is not None for document in _iterate_documents(text, count))

    count = bisect_left(range(len(lines) + 1), True, key=has_keys)
    if count > len(lines):
        return 0
    start = next(before for before in range(count - 1, -1, -1) if _parse_lines(text, before) is not None)
    content = (n + 1 for n in range(start, count) if lines[n].strip() and not lines[n].lstrip().startswith("#"))
    return next(content, count)


def _iterate_documents(text: str, count: int) -> Iterator[Any]:
    """Yields the document in the shortest valid beginning of at least ``count`` lines, if there is one."""
    total = len(text.split("\n"))
    found = (_parse_lines(text, longer) for longer in range(count, total + 1))
    yield from islice((document for document in found if document is not None), 1)


@lru_cache(maxsize=4096)
def _parse_lines(text: str, count: int) -> Any:
    """Returns the document in the first ``count`` lines; None if they are not valid TOML."""
    try:
        return tomllib.loads("\n".join(text.split("\n")[:count]))
    except tomllib.TOMLDecodeError:
        return None
