"""Zip archives as torch writes them, opened as what a stranger may have sent."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

MOST_DIRECTORY_BYTES = 32 * 2**20
"""Of an archive's directory, which is read whole: some hundred thousand members."""

MOST_MEMBER_BYTES = 64 * 2**20
"""Of a member that is read: a graph of some fifty thousand ops."""

_END, _LOCATOR, _END_64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


@contextmanager
def open_archive(path: Path, *, may_compress: bool = False) -> Iterator[zipfile.ZipFile]:
    """Opens an archive whose members are stored as they are, as torch's are, under names of their own.

    So nothing in it can be larger than it looks, and no two readers can take it for different things.

    Args:
        path: of the archive.
        may_compress: whether members may be compressed as TorchScript's code is, to ``MOST_MEMBER_BYTES`` in all.

    Raises:
        ValueError: a member is compressed or encrypted, has an unsafe name or the name of another, or there are too
            many.
        zipfile.BadZipFile: it is no archive, or damaged.
    """
    if _directory_bytes(path) > MOST_DIRECTORY_BYTES:
        raise ValueError("it has more members than any program")
    with zipfile.ZipFile(path) as archive:
        names: set[str] = set()
        left = MOST_MEMBER_BYTES if may_compress else 0
        for member in archive.infolist():
            name = PurePosixPath(member.filename.replace("\\", "/"))
            # torch looks names up without regard to case.
            folded = member.filename.casefold()
            if name.is_absolute() or ".." in name.parts or folded in names:
                raise ValueError(f"its member {member.filename[:80]!r} has an unsafe name, or one that is there twice")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                left -= member.file_size
                if left < 0:
                    raise ValueError(f"its member {member.filename[:80]!r} is compressed, which torch's are not")
            names.add(folded)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Returns the content of a member.

    Raises:
        ValueError: it is too large.
        zipfile.BadZipFile: it is damaged.
    """
    if archive.getinfo(name).file_size > MOST_MEMBER_BYTES:
        raise ValueError(f"its member {name[:80]!r} has more than {MOST_MEMBER_BYTES // 2**20} MiB")
    return archive.read(name)


def _directory_bytes(path: Path) -> int:
    """Returns the size of the archive's directory, where any reader finds the same one.

    Readers differ in where they look for a directory that does not lie right before the records at the very end, and in
    which of two such records they believe.

    Raises:
        ValueError: it lies elsewhere.
        zipfile.BadZipFile: there is none.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 98))
        tail = file.read()
        file.seek(0)
        begins = file.read(4)
    if tail[-22:-18] != _END or begins != b"PK\x03\x04":
        raise zipfile.BadZipFile("it is no archive of torch's, or damaged")
    size, offset = struct.unpack_from("<LL", tail, len(tail) - 10)
    records = 22
    if tail[-42:-38] == _LOCATOR:
        records = 98
        (found,) = struct.unpack_from("<Q", tail, len(tail) - 34)
        if len(tail) < records or tail[:4] != _END_64 or found != end - records:
            raise ValueError("its directory is not where torch writes it")
        size, offset = struct.unpack_from("<QQ", tail, 40)
    if size + offset != end - records:
        raise ValueError("its directory is not where torch writes it")
    return int(size)
