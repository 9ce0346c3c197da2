"""Opens zip archives that torch wrote, treating them as untrusted."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

MAX_DIRECTORY_BYTES = 32 * 2**20
"""Maximum size of an archive's directory, which is read at once: some hundred thousand members."""

MAX_MEMBER_BYTES = 64 * 2**20
"""Maximum size of a member to read: a graph of some fifty thousand ops."""

_END, _LOCATOR, _END_64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


@contextmanager
def open_archive(path: Path, *, may_compress: bool = False) -> Iterator[zipfile.ZipFile]:
    """Opens an archive whose members must be uncompressed, as torch's are, and have unique names.

    So no member is larger than the file suggests, and all readers see the same content.

    Args:
        path: path of the archive.
        may_compress: whether members may be compressed, as TorchScript's code is, to ``MAX_MEMBER_BYTES`` in total.

    Raises:
        ValueError: a member is compressed or encrypted, has an unsafe or duplicate name, or there are too many.
        zipfile.BadZipFile: the file is not a zip archive, or damaged.
    """
    if _read_directory_size(path) > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory of members has more than {MAX_DIRECTORY_BYTES // 2**20} MiB")
    with zipfile.ZipFile(path) as archive:
        names: set[str] = set()
        remaining = MAX_MEMBER_BYTES if may_compress else 0
        for member in archive.infolist():
            name = PurePosixPath(member.filename.replace("\\", "/"))
            # torch ignores the case of names.
            folded = member.filename.casefold()
            if name.is_absolute() or ".." in name.parts or folded in names:
                raise ValueError(f"its member {member.filename[:80]!r} has an unsafe or duplicate name")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                remaining -= member.file_size
                if remaining < 0:
                    raise ValueError(f"its member {member.filename[:80]!r} is compressed, unlike in torch's archives")
            names.add(folded)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Returns the content of a member.

    Raises:
        ValueError: the member is too large.
        zipfile.BadZipFile: the member is damaged.
    """
    if archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
        raise ValueError(f"its member {name[:80]!r} has more than {MAX_MEMBER_BYTES // 2**20} MiB")
    return archive.read(name)


def _read_directory_size(path: Path) -> int:
    """Returns the size of the archive's directory in bytes, if all readers find the same directory.

    Readers disagree if the directory is not directly before the records at the end of the file, or if two such records
    contradict each other.

    Raises:
        ValueError: the directory is at another position.
        zipfile.BadZipFile: the file has no directory.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 98))
        tail = file.read()
        file.seek(0)
        begins = file.read(4)
    if tail[-22:-18] != _END or begins != b"PK\x03\x04":
        raise zipfile.BadZipFile("it is not an archive that torch wrote, or damaged")
    size, offset = struct.unpack_from("<LL", tail, len(tail) - 10)
    records = 22
    if tail[-42:-38] == _LOCATOR:
        records = 98
        (found,) = struct.unpack_from("<Q", tail, len(tail) - 34)
        if len(tail) < records or tail[:4] != _END_64 or found != end - records:
            raise ValueError("its directory is not at the position where torch writes it")
        size, offset = struct.unpack_from("<QQ", tail, 40)
    if size + offset != end - records:
        raise ValueError("its directory is not at the position where torch writes it")
    return int(size)
