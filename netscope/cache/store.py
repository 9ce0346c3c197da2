"""A file of answers, each under its key: SQLite, which many processes may read and write at once."""

import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

FILE_NAME = "answers-1.sqlite3"
"""With the number of the table's form."""

_WAIT_S = 2.0
_USED_AGAIN_AFTER_S = 3600.0
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, kind TEXT, label TEXT, version TEXT, made REAL, used REAL, bytes INTEGER, footprint BLOB,
    content BLOB, checksum BLOB
)
"""


class StoreError(Exception):
    """The file cannot be read or written; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer with what it rests on.

    Attributes:
        footprint: as JSON.
        content: as JSON.
    """

    footprint: bytes
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is known of an answer without reading it.

    Attributes:
        key: under which it stands.
        kind: what was asked.
        label: of what, for people.
        version: of the netscope that gave it.
        made: when, in seconds since 1970.
        used: when it was last given, to the hour.
        bytes: what it takes.
    """

    key: bytes
    kind: str
    label: str
    version: str
    made: float
    used: float
    bytes: int


class Store:
    """The file in one folder.

    What a command does on the way, ``get`` and ``put``, never fails: a file that cannot be used is as one that is
    empty. What people ask for raises ``StoreError``. A damaged file is thrown away, a damaged answer is dropped: each
    carries the checksum of all of it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.path = folder / FILE_NAME
        self.limit_bytes = limit_bytes
        self._is_busy = False

    def get(self, key: bytes) -> StoredAnswer | None:
        """The answer under ``key``; None if there is none that is whole."""
        found: StoredAnswer | None = None
        damaged = is_used_again = False
        if self._is_busy:
            return None
        with suppress(StoreError), self._opened(writable=False) as database:
            database.text_factory = bytes  # what is damaged need not be text
            row = database.execute(
                "SELECT kind, label, version, footprint, content, checksum, used FROM answers WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            *parts, checksum, used = row
            try:
                damaged = _checksum(key, parts) != checksum
                is_used_again = time.time() - used > _USED_AGAIN_AFTER_S
                if not damaged:
                    found = StoredAnswer(footprint=zlib.decompress(parts[3]), content=zlib.decompress(parts[4]))
            except (TypeError, ValueError, zlib.error):
                damaged = True
        if damaged:
            self.drop([key])
        elif is_used_again:
            with suppress(StoreError), self._opened() as database:
                database.execute("UPDATE answers SET used = ? WHERE key = ?", (time.time(), key))
        return found

    def put(self, key: bytes, answer: StoredAnswer, *, kind: str, label: str, version: str) -> None:
        """Keeps ``answer`` under ``key``; those that were used longest ago leave if it would be too much."""
        footprint, content = zlib.compress(answer.footprint), zlib.compress(answer.content, 1)
        checksum = _checksum(key, (kind, label, version, footprint, content))
        size, now = len(footprint) + len(content) + len(label), time.time()
        if size > self.limit_bytes or self._is_busy:
            return
        row = (key, kind, label, version, now, now, size, footprint, content, checksum)
        with suppress(StoreError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._opened() as database:
                database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                _shrink(database, self.limit_bytes)

    def drop(self, keys: Sequence[bytes]) -> None:
        """Forgets the answers under these keys."""
        with suppress(StoreError), self._opened() as database:
            database.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def usage(self) -> tuple[Usage, ...]:
        """All answers, the last used first.

        Raises:
            StoreError: the file cannot be read.
        """
        if not os.path.exists(self.path):  # noqa: PTH110 - pathlib's raises where the folder is closed to us
            return ()
        with self._opened(writable=False) as database:
            rows = database.execute(
                "SELECT key, kind, label, version, made, used, bytes FROM answers WHERE typeof(made) = 'real' "
                "AND typeof(used) = 'real' AND typeof(bytes) = 'integer' ORDER BY used DESC, label, kind"
            ).fetchall()
        names = ("key", "kind", "label", "version", "made", "used", "bytes")
        return tuple(Usage(**dict(zip(names, row, strict=True))) for row in rows)

    def prune(self, keys: Sequence[bytes], limit_bytes: int | None = None) -> None:
        """Forgets the answers under these keys, and those used longest ago that are too much; the file gets smaller.

        Raises:
            StoreError: the file cannot be written.
        """
        if not os.path.exists(self.path):  # noqa: PTH110 - as above
            return
        with self._opened() as database:
            database.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])
            _shrink(database, self.limit_bytes if limit_bytes is None else limit_bytes)
        with self._opened() as database:
            database.execute("COMMIT")
            database.execute("VACUUM")

    def clear(self) -> None:
        """Removes the file.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            for path in self._files():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}") from error

    def _files(self) -> tuple[Path, Path]:
        return self.path, self.path.with_name(f"{FILE_NAME}-journal")

    @contextmanager
    def _opened(self, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction in the file, which is made if it is to be written."""
        # One that was killed while it wrote leaves a journal, by which the next sets the file right, also to read it.
        mode = "rwc" if writable else "rw"
        try:
            # What is lost when the machine stops is seen by the checksum, so nothing waits for the disk.
            with closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode={mode}", _WAIT_S, uri=True, isolation_level=None)
            ) as database:
                database.execute("PRAGMA synchronous = OFF")
                if writable:
                    database.execute("BEGIN IMMEDIATE")
                    database.execute(_TABLE)
                    database.execute("CREATE INDEX IF NOT EXISTS by_use ON answers (used, bytes)")
                yield database
                if database.in_transaction:
                    database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            # Of what is busy, full or not allowed there are kinds; that of other columns is none of ours.
            if type(error) is sqlite3.DatabaseError or str(error).startswith("no such column"):
                self._discard()
            self._is_busy = self._is_busy or str(error).startswith("database is locked")
            raise StoreError(f"{self.path}: {error}") from error

    def _discard(self) -> None:
        """Throws away a file that is none of ours any more."""
        with suppress(StoreError):
            self.clear()


def _shrink(database: sqlite3.Connection, limit_bytes: int) -> None:
    (size,) = database.execute("SELECT COALESCE(SUM(bytes), 0) FROM answers").fetchone()
    if size <= limit_bytes:
        return
    leaving = []
    for key, bytes_ in database.execute("SELECT key, bytes FROM answers ORDER BY used"):
        leaving.append((key,))
        size -= bytes_
        if size <= limit_bytes:
            break
    database.executemany("DELETE FROM answers WHERE key = ?", leaving)


def _checksum(key: bytes, parts: Sequence[str | bytes]) -> bytes:
    digest = blake2b(key, digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
