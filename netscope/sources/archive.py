"""Zip archives as torch writes them, opened as what a stranger may have sent."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from netscope.errors import BuildError

MOST_DIRECTORY_BYTES = 32 * 2**20
"""Of an archive's directory, which is read whole: some hundred thousand members."""

MOST_MEMBER_BYTES = 64 * 2**20
"""Of a member that is read: a graph of some fifty thousand ops."""

_END, _END_64, _LONGEST_END = b"PK\x05\x06", b"PK\x06\x06", 2**16 + 2**8
_IN_64_BITS = 2**32 - 1


@contextmanager
def opened_archive(path: Path, *, may_compress: bool = False) -> Iterator[zipfile.ZipFile]:
    """Opens an archive whose members are stored as they are, as torch's are, under names of their own.

    So nothing in it can be larger than it looks, and no two readers can take it for different things.

    Args:
        path: of the archive.
        may_compress: whether members may be compressed as TorchScript's code is, to ``MOST_MEMBER_BYTES`` in all.

    Raises:
        BuildError: a member is compressed or encrypted, has an unsafe name or the name of another, or there are too
            many.
        zipfile.BadZipFile: it is no archive, or damaged.
    """
    if _directory_bytes(path) > MOST_DIRECTORY_BYTES:
        raise BuildError("it has more members than any program")
    with zipfile.ZipFile(path) as archive:
        names: set[str] = set()
        left = MOST_MEMBER_BYTES if may_compress else 0
        for member in archive.infolist():
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or member.filename in names:
                raise BuildError(f"its member {member.filename[:80]!r} has an unsafe name, or one that is there twice")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                left -= member.file_size
                if left < 0:
                    raise BuildError(f"its member {member.filename[:80]!r} is compressed, which torch's are not")
            names.add(member.filename)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Returns the content of a member.

    Raises:
        BuildError: it is too large.
        zipfile.BadZipFile: it is damaged.
    """
    if archive.getinfo(name).file_size > MOST_MEMBER_BYTES:
        raise BuildError(f"its member {name[:80]!r} has more than {MOST_MEMBER_BYTES // 2**20} MiB")
    return archive.read(name)


def _directory_bytes(path: Path) -> int:
    """The size of the archive's directory, by the record at its end; 0 where there is none."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(-min(file.tell(), _LONGEST_END), 2)
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        return 0
    (size,) = struct.unpack_from("<L", tail, end + 12)
    end_64 = tail.rfind(_END_64, 0, end)
    if size == _IN_64_BITS and end_64 >= 0 and len(tail) >= end_64 + 48:
        (size,) = struct.unpack_from("<Q", tail, end_64 + 40)
    return int(size)
