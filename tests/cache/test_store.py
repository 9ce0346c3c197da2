"""The store of results is intact, bounded, and never makes a command fail."""

import contextlib
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys

import pytest

from netscope.cache import Store, StoreError

MANY = 2**30


def put(store, name, content=b"content"):
    store.put(name.encode(), content, kind="summary", label=name, version="0.1.0")


def names(store):
    return [answer.name for answer in store.list_results()]


def incompressible(number, size):
    return bytes((number * 7 + position * position * 31 + (position >> 3)) % 251 for position in range(size))


def test_a_stored_result_is_returned(tmp_path):
    store = Store(tmp_path / "new" / "folder", MANY)
    assert store.get(b"a") is None
    put(store, "a", b"one")
    put(store, "b", b"two")
    put(store, "a", b"three")
    assert store.get(b"a") == b"three"
    assert store.get(b"b") == b"two"
    assert sorted(names(store)) == ["a", "b"]


def test_a_file_that_is_not_a_database_is_deleted(tmp_path):
    store = Store(tmp_path, MANY)
    store.path.write_bytes(b"this is no database, but long enough to be taken for one\n" * 100)
    assert store.get(b"a") is None
    put(store, "a")
    assert store.get(b"a") is not None or not store.path.exists()
    put(store, "a")
    assert store.get(b"a") is not None


@pytest.mark.parametrize("size", [0, 10, 100, 5000])
def test_a_truncated_file_counts_as_empty(tmp_path, size):
    store = Store(tmp_path, MANY)
    for number in range(20):
        put(store, f"a{number}", incompressible(number, 4000))
    store.path.write_bytes(store.path.read_bytes()[:size])
    for number in range(20):
        found = store.get(f"a{number}".encode())
        assert found is None or found == incompressible(number, 4000)
    for _ in range(2):
        put(store, "new")
    assert store.get(b"new") is not None


@pytest.mark.parametrize("column", ["content", "label", "checksum", "kind", "version"])
def test_a_damaged_result_is_dropped(tmp_path, column):
    store = Store(tmp_path, MANY)
    put(store, "a")
    put(store, "b")
    with contextlib.closing(sqlite3.connect(store.path)) as database, database:
        database.execute(f"UPDATE results SET {column} = 'x' || {column} WHERE label = 'a'")  # noqa: S608
    assert store.get(b"a") is None
    assert names(store) == ["b"]
    assert store.get(b"b") is not None


def test_a_result_under_another_key_is_dropped(tmp_path):
    store = Store(tmp_path, MANY)
    put(store, "a")
    with contextlib.closing(sqlite3.connect(store.path)) as database, database:
        database.execute("UPDATE results SET key = ?", (b"b",))
    assert store.get(b"b") is None


def test_a_flipped_bit_is_never_returned(tmp_path):
    store = Store(tmp_path, MANY)
    answers = {f"a{number}": incompressible(number, 900) for number in range(8)}
    for name, content in answers.items():
        put(store, name, content)
    whole = store.path.read_bytes()
    for position in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        store.path.write_bytes(damaged)
        for name, content in answers.items():
            found = store.get(name.encode())
            assert found is None or found == content
        if not store.path.exists():
            store.path.write_bytes(whole)


def test_the_oldest_leave_first(tmp_path, monkeypatch):
    store = Store(tmp_path, 10_000)
    now = 1_000_000.0
    monkeypatch.setattr("netscope.cache.store.time.time", lambda: now)
    for name in "abc":
        now += 4000
        put(store, name, os.urandom(3000))
    now += 4000
    assert store.get(b"a") is not None
    now += 1
    put(store, "d", os.urandom(3000))
    assert names(store) == ["d", "a", "c"]


def test_a_result_above_the_size_limit_is_not_stored(tmp_path):
    store = Store(tmp_path, 10_000)
    put(store, "small")
    put(store, "large", os.urandom(20_000))
    assert names(store) == ["small"]


def test_the_file_does_not_grow_past_its_bound(tmp_path):
    store = Store(tmp_path, 100_000)
    for number in range(200):
        put(store, f"a{number}", os.urandom(5000))
    assert sum(answer.bytes for answer in store.list_results()) <= 100_000
    assert store.path.stat().st_size < 200_000


def test_pruned_and_cleared(tmp_path):
    store = Store(tmp_path, MANY)
    for name in "abc":
        put(store, name, os.urandom(50_000))
    size = store.path.stat().st_size
    with contextlib.closing(sqlite3.connect(store.path)) as database, database:
        database.execute("UPDATE results SET last_used = 5.0 WHERE label = 'a'")
    store.prune(10.0)
    assert sorted(names(store)) == ["b", "c"]
    assert store.path.stat().st_size < size
    store.prune(10.0, 60_000)
    assert len(names(store)) == 1
    store.path.with_name("results-0.sqlite3").touch()
    store.clear()
    store.clear()
    assert names(store) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_ignored(tmp_path):
    store = Store(tmp_path, MANY)
    put(store, "a")
    store.path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        put(store, "b")
        assert store.get(b"a") is not None
        assert store.get(b"b") is None
        with pytest.raises(StoreError):
            store.prune(0.0)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("folder", ["/dev/null/none", "/proc/none"])
def test_a_folder_that_cannot_be_created_is_ignored(folder):
    from pathlib import Path

    store = Store(Path(folder), MANY)
    put(store, "a")
    assert store.get(b"a") is None


def _put_on_full_disk(path):
    import signal
    from pathlib import Path

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    put(Store(Path(path), MANY), "large", os.urandom(300_000))


def test_a_full_disk_loses_nothing_that_was_there(tmp_path):
    store = Store(tmp_path, MANY)
    put(store, "a")
    process = multiprocessing.get_context("spawn").Process(target=_put_on_full_disk, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert names(store) == ["a"]
    put(store, "b")
    assert store.get(b"b") is not None


def test_a_file_that_another_holds_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr("netscope.cache.store._TIMEOUT_S", 0.05)
    store = Store(tmp_path, MANY)
    put(store, "a")
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert store.get(b"a") is None
        put(store, "b")
        database.execute("ROLLBACK")
    assert names(store) == ["a"]


WRITER = """
import sys
from pathlib import Path
from netscope.cache import Store
store, number = Store(Path(sys.argv[1]), 2**30), int(sys.argv[2])
for turn in range(25):
    for name in (f"own{number}-{turn}", f"shared{turn}"):
        store.put(name.encode(), name.encode() * 50, kind="", label=name, version="")
    for name in (f"own{number}-{turn}", f"shared{turn}"):
        assert store.get(name.encode()) == name.encode() * 50, name
"""


def test_a_database_with_another_table_is_deleted(tmp_path):
    store = Store(tmp_path, MANY)
    with contextlib.closing(sqlite3.connect(store.path)) as database, database:
        database.execute("CREATE TABLE results (other TEXT)")
    assert store.get(b"a") is None
    put(store, "a")
    put(store, "a")
    assert store.get(b"a") is not None


@pytest.mark.parametrize(
    "change",
    ["last_used = 'abc'", "created = NULL", "bytes = 'q'", "bytes = 4611686018427387904", "label = x'ff'"]
    + [f"{column} = {time}" for column in ("created", "last_used") for time in ("1e300", "-1e300", "9e999", "-1.0")],
)
def test_rows_that_make_no_sense_are_left_out_and_pruned(tmp_path, change):
    store = Store(tmp_path, 10_000)
    for name in "abc":
        put(store, name)
    with contextlib.closing(sqlite3.connect(store.path)) as database, database:
        database.execute(f"UPDATE results SET {change} WHERE key < CAST('c' AS BLOB)")  # noqa: S608
    assert names(store) == ["c"]
    put(store, "d")
    store.prune(0.0)
    assert sorted(names(store)) == ["c", "d"]
    with contextlib.closing(sqlite3.connect(store.path)) as database:
        assert database.execute("SELECT COUNT(*) FROM results").fetchone() == (2,)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="nobody owns files there")
@pytest.mark.parametrize("what", ["folder", "file"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_cache_that_others_can_write_to_is_not_used(tmp_path, what, mode):
    store = Store(tmp_path / "cache", MANY)
    put(store, "a")
    path = store.path if what == "file" else store.path.parent
    before = path.stat().st_mode
    path.chmod(before | mode)
    put(store, "b")
    assert store.get(b"a") is None
    for action in (store.list_results, lambda: store.prune(0.0)):
        with pytest.raises(StoreError, match=f"{path}: other users can write to it; run chmod go-w"):
            action()
    path.chmod(before)
    assert names(store) == ["a"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="nobody owns files there")
def test_a_cache_of_another_user_is_not_used(tmp_path, monkeypatch):
    store = Store(tmp_path, MANY)
    put(store, "a")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert store.get(b"a") is None
    with pytest.raises(StoreError, match=f"{tmp_path}: it does not belong to you"):
        store.list_results()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="nobody owns files there")
def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path):
    store, other = Store(tmp_path / "cache", MANY), Store(tmp_path / "other", MANY)
    put(other, "a")
    store.path.parent.mkdir(mode=0o700)
    store.path.symlink_to(other.path)
    put(store, "b")
    assert store.get(b"a") is None
    assert names(other) == ["a"]
    with pytest.raises(StoreError, match="it does not belong to you"):
        store.list_results()
    store.path.unlink()
    store.path.symlink_to(tmp_path / "nowhere")
    put(store, "b")
    assert not (tmp_path / "nowhere").exists()


def test_many_processes_write_and_read_at_once(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], stderr=subprocess.PIPE)
        for number in range(6)
    ]
    for writer in writers:
        assert writer.wait() == 0, writer.stderr.read().decode()
        writer.stderr.close()
    assert len(names(Store(tmp_path, MANY))) == 6 * 25 + 25


def test_a_writer_that_is_killed_leaves_a_file_that_can_be_read(tmp_path):
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "0"], stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            writer.wait(0.25)
        writer.kill()
        writer.wait()
        store = Store(tmp_path, MANY)
        for name in names(store):
            assert store.get(name.encode()) == name.encode() * 50
