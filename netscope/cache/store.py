"""A file of answers, each under its key: SQLite, which many processes may read and write at once."""

import os
import sqlite3
import stat
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path

from netscope.errors import UsageError
from netscope.schema import CachedResult

FILE_NAME = "answers-2.sqlite3"
"""With the number of the table's form."""

_WAIT_S = 2.0
_USED_AGAIN_AFTER_S = 3600.0
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, kind TEXT, label TEXT, version TEXT, made REAL, used REAL, bytes INTEGER, content BLOB,
    checksum BLOB
)
"""


_HAS_SIZE = f"typeof(bytes) = 'integer' AND bytes BETWEEN 0 AND {2**40}"
_HAS_TIMES = " AND ".join(
    f"typeof({column}) = 'real' AND {column} BETWEEN 0 AND 253402300799"  # the end of the year 9999, Python's last
    for column in ("made", "used")
)
_HAS_TEXTS = " AND ".join(f"typeof({column}) = 'text'" for column in ("label", "kind", "version"))
_IS_SENSIBLE = f"({_HAS_SIZE} AND {_HAS_TIMES} AND {_HAS_TEXTS})"
"""Of a row as ``put`` writes it."""


class StoreError(UsageError):
    """The file cannot be read or written; the message says why."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"the cache cannot be used: {path}: {reason}")


class Store:
    """The file in one folder.

    What a command does on the way, ``get`` and ``put``, never fails: a file that cannot be used is as one that is
    empty. What people ask for raises ``StoreError``. A damaged file is thrown away, a damaged answer is dropped: each
    carries the checksum of all of it. What others may have written is as what cannot be used.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.path = folder / FILE_NAME
        self.limit_bytes = limit_bytes
        self._is_busy = False

    def get(self, key: bytes) -> bytes | None:
        """The answer under ``key``; None if there is none that is whole."""
        found: bytes | None = None
        damaged = is_used_again = False
        if self._is_busy:
            return None
        with suppress(StoreError), self._opened(writable=False) as database:
            database.text_factory = bytes  # what is damaged need not be text
            row = database.execute(
                "SELECT kind, label, version, content, checksum, used FROM answers WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            *parts, checksum, used = row
            try:
                damaged = _checksum(key, parts) != checksum
                is_used_again = time.time() - used > _USED_AGAIN_AFTER_S
                if not damaged:
                    found = zlib.decompress(parts[3])
            except (TypeError, ValueError, zlib.error):
                damaged = True
        if damaged:
            self.drop(key)
        elif is_used_again:
            with suppress(StoreError), self._opened() as database:
                database.execute("UPDATE answers SET used = ? WHERE key = ?", (time.time(), key))
        return found

    def put(self, key: bytes, answer: bytes, *, kind: str, label: str, version: str) -> None:
        """Keeps ``answer`` under ``key``; those that were used longest ago leave if it would be too much."""
        content = zlib.compress(answer, 1)
        checksum = _checksum(key, (kind, label, version, content))
        size, now = len(content) + len(label), time.time()
        if size > self.limit_bytes or self._is_busy:
            return
        row = (key, kind, label, version, now, now, size, content, checksum)
        with suppress(StoreError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_own()
            self.path.touch(mode=0o600)
            with self._opened() as database:
                database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                _shrink(database, self.limit_bytes)

    def drop(self, key: bytes) -> None:
        """Forgets the answer under ``key``."""
        with suppress(StoreError), self._opened() as database:
            database.execute("DELETE FROM answers WHERE key = ?", (key,))

    def answers(self) -> tuple[CachedResult, ...]:
        """All answers without their contents, the last used first.

        Raises:
            StoreError: the file cannot be read.
        """
        self._check_own()
        if not os.path.exists(self.path):  # noqa: PTH110 - pathlib's raises where the folder is closed to us
            return ()
        with self._opened(writable=False) as database:
            rows = database.execute(
                "SELECT kind, label, version, made, used, bytes FROM answers "  # noqa: S608 - our own words
                f"WHERE {_IS_SENSIBLE} ORDER BY used DESC, label, kind"
            ).fetchall()
        return tuple(
            CachedResult(kind=kind, name=label, version=version, made=_text(made), used=_text(used), bytes=size)
            for kind, label, version, made, used, size in rows
        )

    def prune(self, oldest_s: float, limit_bytes: int | None = None) -> None:
        """Forgets what was last used before ``oldest_s``, or longest ago and is too much; the file gets smaller.

        Raises:
            StoreError: the file cannot be written.
        """
        if not os.path.exists(self.path):  # noqa: PTH110 - as above
            return
        with self._opened() as database:
            database.execute(f"DELETE FROM answers WHERE used < ? OR NOT {_IS_SENSIBLE}", (oldest_s,))  # noqa: S608 - ours
            _shrink(database, self.limit_bytes if limit_bytes is None else limit_bytes)
        with self._opened() as database:
            database.execute("COMMIT")
            database.execute("VACUUM")

    def clear(self) -> None:
        """Removes the file, and those of other versions.

        Raises:
            StoreError: one cannot be removed.
        """
        try:
            for path in self.path.parent.glob("answers-*.sqlite3*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(self.path, error.strerror or error) from error

    def _check_own(self) -> None:
        """Checks that nobody else may have written what lies here.

        Raises:
            StoreError: somebody may.
        """
        if not hasattr(os, "geteuid"):
            return
        for path in (self.path.parent, self.path):
            try:
                status = path.lstat() if path == self.path else path.stat()
            except OSError:
                return  # it is not there, or cannot be opened either
            if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
                raise StoreError(path, "it is not yours")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StoreError(path, "others may write to it; chmod go-w makes it yours alone")

    @contextmanager
    def _opened(self, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction in the file, which is made if it is to be written."""
        # One that was killed while it wrote leaves a journal, by which the next sets the file right, also to read it.
        mode = "rwc" if writable else "rw"
        self._check_own()
        try:
            # What is lost when the machine stops is seen by the checksum, so nothing waits for the disk.
            with closing(
                sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode={mode}", timeout=_WAIT_S, uri=True, isolation_level=None
                )
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
            raise StoreError(self.path, error) from error

    def _discard(self) -> None:
        """Throws away a file that is none of ours any more."""
        with suppress(OSError):
            for path in (self.path, self.path.with_name(f"{FILE_NAME}-journal")):
                path.unlink(missing_ok=True)


def _shrink(database: sqlite3.Connection, limit_bytes: int) -> None:
    database.execute(f"DELETE FROM answers WHERE NOT ({_HAS_SIZE})")  # noqa: S608 - our own words
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


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _checksum(key: bytes, parts: Sequence[str | bytes]) -> bytes:
    digest = blake2b(key, digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
