"""What a piece of work read of the world besides what is installed, so that it is known whether it still holds."""

import ast
import importlib.util
import os
import pathlib
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from netscope.cache.installation import is_installed

MOST_FILES = 1000
LARGEST_BYTES = 32 * 2**20
"""Of all files together: reading more at each start would take longer than what is remembered."""

UNSTEADY_MODULES = frozenset({"ctypes", "datetime", "secrets", "time", "uuid"})
"""What modules import that read clocks or chance, or call what Python does not tell of."""

UNSTEADY_NAMES = frozenset(
    {
        "CDLL", "File", "Random", "SentencePieceProcessor", "SystemRandom", "default_rng", "from_file", "getrandom",
        "imread", "load_file", "load_model", "safe_open", "stdin", "urandom",
    }
)  # fmt: skip
"""Names of functions in their code that read chance, or files by ways that Python does not tell of."""

UNSTEADY_PAIRS = (("numpy", "random"), ("jit", "load"), ("export", "load"))
"""Likewise, of two names together."""

_IMPORTABLE = ("py", "pyc", "so", "pyd")
_HEARD = frozenset({"open", "sqlite3.connect", "subprocess.Popen", "socket.connect"})
_stat, _lstat, _readlink = os.stat, os.lstat, os.readlink
_UNSEEN = ("/proc/", "/sys/", "/dev/")
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.connect")


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer rests on. It holds as long as all of this is as it was.

    Attributes:
        files: contents of files that were read, by path, as digests; None for one that was not there.
        folders: names in folders that were listed.
        names: of top-level modules that something tried to import.
        modules: by folder in which modules were looked for: names asked for there, and the entries that had them.
        variables: of the environment, that code outside of what is installed asked for; None where there was none.
        kinds: what a path that was asked about was: a file of some size, a folder, a link or nothing.
    """

    files: dict[str, str | None] = {}
    folders: dict[str, list[str]] = {}
    names: list[str] = []
    modules: dict[str, tuple[list[str], list[str]]] = {}
    variables: dict[str, str | None] = {}
    kinds: dict[str, str] = {}

    def to_json(self) -> bytes:
        """For ``from_json``."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, text: bytes) -> "Footprint":
        """What ``to_json`` wrote.

        Raises:
            msgspec.DecodeError: it is none.
        """
        return msgspec.json.decode(text, type=cls)

    def holds(self, search_path: Iterable[str]) -> bool:
        """Whether all is as it was.

        Args:
            search_path: where modules would be looked for now.
        """
        places = {folder: (self.names, list[str]()) for folder in _loose(search_path)} | self.modules
        return (
            all(os.environ.get(name) == value for name, value in self.variables.items())
            and all(_kind(path) == kind for path, kind in self.kinds.items())
            and all(_entries(folder, names) == found for folder, (names, found) in places.items())
            and all(_listed(folder) == names for folder, names in self.folders.items())
            and all(_digest(path) == digest for path, digest in self.files.items())
        )


@dataclass(slots=True)
class Recording:
    """What this process has read so far, as long as someone recorded.

    What one piece of work imported is there for the next without being read again; so a process has one recording.

    Attributes:
        reasons: why it cannot be said what an answer rests on; empty if it can.
    """

    reasons: set[str] = field(default_factory=set)
    _since: float = field(default_factory=time.time)
    _files: set[str] = field(default_factory=set)
    _written: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)
    _search_path: set[str] = field(default_factory=set)
    _variables: dict[str, str | None] = field(default_factory=dict)
    _set: set[str] = field(default_factory=set)
    _kinds: dict[str, str] = field(default_factory=dict)

    def add_file(self, path: str) -> None:
        """Notes a file that is read by ways that Python does not see."""
        self._files.add(_absolute(path))

    def footprint(self) -> Footprint | None:
        """What the answer rests on; None if that cannot be said. To be called right after the work."""
        loaded = dict(sys.modules)
        self._files.update(loose_modules().values())
        names = self._names | loaded.keys()
        top = sorted({name.partition(".")[0] for name in names})
        modules = {place: (top, _entries(place, top)) for place in _loose([*self._search_path, *sys.path])}
        for package, module in loaded.items():
            for place in _loose(_places(module)):
                inside = sorted(
                    {name[len(package) + 1 :].partition(".")[0] for name in names if name.startswith(f"{package}.")}
                )
                modules[place] = (inside, _entries(place, inside))
        files = {path: _digest(path) for path in sorted(self._files)}
        self._judge(files)
        if self.reasons:
            return None
        return Footprint(
            files=files,
            folders={path: _listed(path) for path in sorted(self._folders)},
            names=top,
            modules=modules,
            variables=self._variables,
            kinds=self._kinds,
        )

    def _judge(self, files: dict[str, str | None]) -> None:
        size = 0
        for path in files:
            with suppress(OSError):
                status = _stat(path)
                size += status.st_size
                if max(status.st_mtime, status.st_ctime) >= self._since:
                    self.reasons.add(f"{path} changed meanwhile")
        if len(files) > MOST_FILES or size > LARGEST_BYTES:
            self.reasons.add("it reads too many files")
        for path in files:
            if path.endswith(".py") and (unsteady := _unsteady_names(path)):
                self.reasons.add(f"{path} has {', '.join(sorted(unsteady))}")

    # What is seen

    def find_spec(self, name: str, *_: Any) -> None:
        """A module that something looks for, as those on ``sys.meta_path`` are asked; it is found by others."""
        self._names.add(name)
        self._search_path.update(item for item in sys.path if isinstance(item, str))

    def event(self, name: str, args: tuple[Any, ...]) -> None:
        """An event that Python's auditing told of."""
        if name in ("open", "sqlite3.connect"):
            self._opened(*args)
        elif name in ("os.listdir", "os.scandir"):
            if not isinstance(args[0], int) and _is_asked_by_loose_code():
                self._folders.add(_absolute("." if args[0] is None else args[0]))
        elif name in _STARTS and _is_asked_by_loose_code():
            self.reasons.add(f"it runs {name}")

    def _opened(self, path: Any, mode: Any = None, flags: int = 0) -> None:
        if isinstance(path, int):
            return
        absolute = _absolute(path)
        if is_installed(absolute) or absolute.startswith(_UNSEEN):
            return
        if mode[:1] in ("w", "a", "x") if isinstance(mode, str) else flags & os.O_WRONLY:
            self._written.add(absolute)
            return
        if absolute.endswith(".pyc"):
            with suppress(ValueError):
                absolute = importlib.util.source_from_cache(absolute)
        if absolute not in self._written:
            self._files.add(absolute)

    def variable(self, name: str | None, value: str | None = None) -> None:
        """A variable of the environment that was asked for, with its value; no name for all of them."""
        if not _is_asked_by_loose_code(imports_count=False):
            return
        if name is None:
            self.reasons.add("it reads the whole environment")
        elif name not in self._set:
            self._variables.setdefault(name, value)

    def has_set(self, name: str) -> None:
        """A variable that gets its value from this process."""
        self._set.add(name)

    def asked_about(self, path: Any) -> None:
        """A path whose existence or kind was asked for."""
        if isinstance(path, int) or not _is_asked_by_loose_code():
            return
        absolute = _absolute(path)
        if not is_installed(absolute):
            self._kinds.setdefault(absolute, _kind(absolute))


def loose_modules() -> dict[str, str]:
    """The modules that were imported from elsewhere than from what is installed, by name: their files."""
    command = sys.modules["__main__"]  # which multiprocessing has under another name as well
    files = {
        name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if module is not command
    }
    # torch gives modules of its own making a file without a folder.
    return {
        name: file
        for name, file in files.items()
        if isinstance(file, str) and os.path.isabs(file) and not is_installed(file)  # noqa: PTH117
    }


_RECORDING: list[Recording] = []
"""That of this process, once there is one."""

_ACTIVE: list[Recording] = []
"""The same while something is recorded."""


def listen() -> None:
    """Begins to note what is imported, which later work may find there. The hook stays as long as the process."""
    if not _RECORDING:
        _RECORDING.append(Recording())
        sys.meta_path.insert(0, _RECORDING[0])
        sys.addaudithook(_hear)


@contextmanager
def recording() -> Iterator[Recording]:
    """Records what is read within. For processes of netscope's own."""
    listen()
    (found,) = _RECORDING
    kind = type(os.environ)
    with ExitStack() as undo:
        for holder in {os, getattr(pathlib, "_NormalAccessor", os)}:  # pathlib's own, in Python 3.10
            for name in ("stat", "lstat", "access", "readlink"):
                if hasattr(holder, name):
                    _watch(holder, name, found.asked_about, undo)
        _ACTIVE.append(found)
        undo.callback(_ACTIVE.clear)
        os.environ.__class__ = _WatchedEnvironment
        undo.callback(setattr, os.environ, "__class__", kind)
        yield found


def _watch(holder: Any, name: str, tell: Callable[[Any], None], undo: ExitStack) -> None:
    """Has a function tell what it is first given, as long as it is recorded."""
    function = getattr(holder, name)

    @wraps(function)
    def watched(first: Any, *args: Any, **kwargs: Any) -> Any:
        tell(first)
        return function(first, *args, **kwargs)

    setattr(holder, name, staticmethod(watched) if isinstance(holder, type) else watched)
    undo.callback(setattr, holder, name, function)


def current_recording() -> Recording | None:
    """That which is going on, if one is."""
    return _ACTIVE[0] if _ACTIVE else None


def _hear(name: str, args: tuple[Any, ...]) -> None:
    if _ACTIVE and (name in _HEARD or name.startswith("os.")):
        with suppress(TypeError, ValueError):  # what is no path will be refused by whoever was asked
            _ACTIVE[0].event(name, args)


class _WatchedEnvironment(os._Environ[str]):
    """The environment, while it is watched which variables are asked for."""

    def __getitem__(self, key: str) -> str:
        try:
            value: str = super().__getitem__(key)
        except KeyError:
            _RECORDING[0].variable(key)
            raise
        _RECORDING[0].variable(key, value)
        return value

    def __setitem__(self, key: str, value: str) -> None:
        _RECORDING[0].has_set(key)
        super().__setitem__(key, value)

    def __iter__(self) -> Iterator[str]:
        _RECORDING[0].variable(None)
        return super().__iter__()


def _is_asked_by_loose_code(*, imports_count: bool = True) -> bool:
    """Whether code outside of what is installed asks, by itself or by way of what is installed.

    Args:
        imports_count: whether that includes an installed module that it merely imports.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        return False  # where it looks is noted by the names that it looks for
    command = getattr(sys.modules["__main__"], "__file__", None)
    while frame is not None:
        file = frame.f_code.co_filename
        if not (file.startswith("<") or file == command or is_installed(file)):
            return True
        if not imports_count and file.startswith("<frozen importlib"):
            return False
        frame = frame.f_back
    return False


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - not resolved: a link may be put elsewhere


def _loose(folders: Iterable[str]) -> list[str]:
    """Those in which there is more than what is installed, each once."""
    absolute = (_absolute(folder) for folder in folders)
    return list(dict.fromkeys(folder for folder in absolute if not is_installed(f"{folder}{os.sep}")))


def _places(module: Any) -> list[str]:
    """Where a package's modules are looked for; nowhere for a module."""
    try:
        return [item for item in module.__path__ if isinstance(item, str)]
    except (AttributeError, TypeError):
        return []


def _digest(path: str) -> str | None:
    try:
        return blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return []


def _entries(folder: str, names: Iterable[str]) -> list[str]:
    """The entries of a folder from which Python would import one of these modules."""
    wanted = frozenset(names)
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, suffix = entry.name.partition(".")
            if stem in wanted and (suffix.endswith(_IMPORTABLE) if dot else entry.is_dir()):
                found.append(entry.name)
    return sorted(found)


def _kind(path: str) -> str:
    """Whether it is a file of some size, a folder or nothing, and where a link leads."""
    try:
        link = f"link to {_readlink(path)}, " if stat.S_ISLNK(_lstat(path).st_mode) else ""
        status = _stat(path)
    except (OSError, ValueError):
        return ""
    return link + ("folder" if stat.S_ISDIR(status.st_mode) else f"file of {status.st_size}")


def _unsteady_names(path: str) -> set[str]:
    """What in the code of a module speaks of things that are different each time."""
    try:
        nodes = tuple(ast.walk(ast.parse(Path(path).read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    modules: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names)
            if node.module and not node.level:
                modules.add(node.module)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    parts = {part for module in modules for part in module.split(".")}
    pairs = [pair for pair in UNSTEADY_PAIRS if parts.union(names).issuperset(pair)]
    # Python's own hash of text is another one in each process.
    hashes = any(isinstance(node, ast.Name) and node.id == "hash" for node in nodes)
    tops = {module.partition(".")[0] for module in modules}
    found = (tops & UNSTEADY_MODULES) | (names & UNSTEADY_NAMES) | set[str]().union(*pairs)
    return found | {"hash"} if hashes else found
