"""The store of cached results by key: an SQLite file, which many processes can read and write at once."""

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

from netscope.cache.location import LIMIT_BYTES, find_folder
from netscope.errors import UsageError
from netscope.schema import CachedResult

FILE_NAME = "results-1.sqlite3"
"""Includes the version of the table."""

_TIMEOUT_S = 2.0
_UPDATE_LAST_USED_AFTER_S = 3600.0
_TABLE = """
CREATE TABLE IF NOT EXISTS results (
    key BLOB PRIMARY KEY, kind TEXT, label TEXT, version TEXT, created REAL, last_used REAL, bytes INTEGER,
    content BLOB, checksum BLOB
)
"""


_HAS_SIZE = f"typeof(bytes) = 'integer' AND bytes BETWEEN 0 AND {2**40}"
_HAS_TIMES = " AND ".join(
    f"typeof({column}) = 'real' AND {column} BETWEEN 0 AND 253402300799"  # the end of the year 9999, Python's last
    for column in ("created", "last_used")
)
_HAS_TEXTS = " AND ".join(f"typeof({column}) = 'text'" for column in ("label", "kind", "version"))
_IS_VALID = f"({_HAS_SIZE} AND {_HAS_TIMES} AND {_HAS_TEXTS})"
"""SQL condition for a row that ``put`` may have written."""


def open_store() -> "Store":
    """Returns the store in the user's cache folder."""
    return Store(find_folder(), LIMIT_BYTES)


class StoreError(UsageError):
    """The file cannot be read or written; the message contains the reason."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"the cache cannot be used: {path}: {reason}")


class Store:
    """The cache file in a folder.

    ``get`` and ``put``, which every command calls, never fail: an unusable file behaves like an empty one. The methods
    behind ``netscope cache`` raise ``StoreError``. A damaged file is deleted, and a damaged result, detected by its
    checksum, is dropped. A file that other users may have written counts as unusable.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.path = folder / FILE_NAME
        self.limit_bytes = limit_bytes
        self._is_busy = False

    def get(self, key: bytes) -> bytes | None:
        """Returns the result of ``key``; None if there is none, or it is damaged."""
        found: bytes | None = None
        damaged = is_update_due = False
        if self._is_busy:
            return None
        with suppress(StoreError), self._transaction(writable=False) as database:
            database.text_factory = bytes  # damaged text may not be valid UTF-8
            row = database.execute(
                "SELECT kind, label, version, content, checksum, last_used FROM results WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            *parts, checksum, last_used = row
            try:
                damaged = _checksum(key, parts) != checksum
                is_update_due = time.time() - last_used > _UPDATE_LAST_USED_AFTER_S
                if not damaged:
                    found = zlib.decompress(parts[3])
            except (TypeError, ValueError, zlib.error):
                damaged = True
        if damaged:
            self.drop(key)
        elif is_update_due:
            with suppress(StoreError), self._transaction() as database:
                database.execute("UPDATE results SET last_used = ? WHERE key = ?", (time.time(), key))
        return found

    def put(self, key: bytes, result: bytes, *, kind: str, label: str, version: str) -> None:
        """Stores ``result`` under ``key``, and removes the least recently used results beyond the size limit."""
        content = zlib.compress(result, 1)
        checksum = _checksum(key, (kind, label, version, content))
        size, now = len(content) + len(label), time.time()
        if size > self.limit_bytes or self._is_busy:
            return
        row = (key, kind, label, version, now, now, size, content, checksum)
        with suppress(StoreError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_owner()
            self.path.touch(mode=0o600)
            with self._transaction() as database:
                database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                _shrink(database, self.limit_bytes)

    def drop(self, key: bytes) -> None:
        """Removes the result of ``key``."""
        with suppress(StoreError), self._transaction() as database:
            database.execute("DELETE FROM results WHERE key = ?", (key,))

    def list_results(self) -> tuple[CachedResult, ...]:
        """Returns the metadata of all results, the most recently used first.

        Raises:
            StoreError: the file cannot be read.
        """
        self._check_owner()
        if not os.path.exists(self.path):  # noqa: PTH110 - pathlib's raises if the folder is not accessible
            return ()
        with self._transaction(writable=False) as database:
            rows = database.execute(
                "SELECT kind, label, version, created, last_used, bytes FROM results "  # noqa: S608 - constants only
                f"WHERE {_IS_VALID} ORDER BY last_used DESC, label, kind"
            ).fetchall()
        return tuple(
            CachedResult(
                kind=kind,
                name=label,
                version=version,
                created=_format_time(created),
                last_used=_format_time(last_used),
                bytes=size,
            )
            for kind, label, version, created, last_used, size in rows
        )

    def prune(self, oldest_s: float, limit_bytes: int | None = None) -> None:
        """Removes results last used before ``oldest_s``, and the least recently used above the limit.

        Raises:
            StoreError: the file cannot be written.
        """
        if not os.path.exists(self.path):  # noqa: PTH110 - as above
            return
        with self._transaction() as database:
            database.execute(f"DELETE FROM results WHERE last_used < ? OR NOT {_IS_VALID}", (oldest_s,))  # noqa: S608 - constants only
            _shrink(database, self.limit_bytes if limit_bytes is None else limit_bytes)
        with self._transaction() as database:
            database.execute("COMMIT")
            database.execute("VACUUM")

    def clear(self) -> None:
        """Removes the cache file, including files of other table versions.

        Raises:
            StoreError: a file cannot be removed.
        """
        try:
            for path in self.path.parent.glob("results-*.sqlite3*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(self.path, error.strerror or error) from error

    def _check_owner(self) -> None:
        """Checks that only the current user can write to the folder and the file.

        Raises:
            StoreError: other users may have written to them.
        """
        if not hasattr(os, "geteuid"):
            return
        for path in (self.path.parent, self.path):
            try:
                status = path.lstat() if path == self.path else path.stat()
            except OSError:
                return  # it does not exist, or opening it will fail too
            if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
                raise StoreError(path, "it does not belong to you")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StoreError(path, "other users can write to it; run chmod go-w on it")

    @contextmanager
    def _transaction(self, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
        """Opens a transaction in the file, which is created if ``writable``."""
        # Reading needs "rw" too: a process killed while writing leaves a journal, which the next one rolls back.
        mode = "rwc" if writable else "rw"
        self._check_owner()
        try:
            # No waiting for the disk, because the checksum detects results lost in a crash of the machine.
            with closing(
                sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode={mode}", timeout=_TIMEOUT_S, uri=True, isolation_level=None
                )
            ) as database:
                database.execute("PRAGMA synchronous = OFF")
                if writable:
                    database.execute("BEGIN IMMEDIATE")
                    database.execute(_TABLE)
                    database.execute("CREATE INDEX IF NOT EXISTS by_last_use ON results (last_used, bytes)")
                yield database
                if database.in_transaction:
                    database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            # Busy, full and forbidden files raise subclasses. The base class means that the file is not a database, and
            # a missing column that it is not a cache.
            if type(error) is sqlite3.DatabaseError or str(error).startswith("no such column"):
                self._delete_files()
            self._is_busy = self._is_busy or str(error).startswith("database is locked")
            raise StoreError(self.path, error) from error

    def _delete_files(self) -> None:
        """Deletes a file that is not a valid cache."""
        with suppress(OSError):
            for path in (self.path, self.path.with_name(f"{FILE_NAME}-journal")):
                path.unlink(missing_ok=True)


def _shrink(database: sqlite3.Connection, limit_bytes: int) -> None:
    database.execute(f"DELETE FROM results WHERE NOT ({_HAS_SIZE})")  # noqa: S608 - constants only
    (size,) = database.execute("SELECT COALESCE(SUM(bytes), 0) FROM results").fetchone()
    if size <= limit_bytes:
        return
    removed = []
    for key, bytes_ in database.execute("SELECT key, bytes FROM results ORDER BY last_used"):
        removed.append((key,))
        size -= bytes_
        if size <= limit_bytes:
            break
    database.executemany("DELETE FROM results WHERE key = ?", removed)


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _checksum(key: bytes, parts: Sequence[str | bytes]) -> bytes:
    digest = blake2b(key, digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
