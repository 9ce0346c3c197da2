"""Results that were saved in files."""

from pathlib import Path
from typing import Protocol, TypeVar

from netscope.errors import SavedResultError, UnknownNameError

Result_co = TypeVar("Result_co", covariant=True)


class Kind(Protocol[Result_co]):
    """A type of results that reads itself from JSON."""

    def from_json(self, text: str | bytes, /) -> Result_co:
        """The result that was written."""


def read_saved(kind: Kind[Result_co], path: Path) -> Result_co:
    """The result of that kind in the file.

    Raises:
        UnknownNameError: there is no such file.
        SavedResultError: it cannot be read, or holds no such result.
    """
    try:
        return kind.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UnknownNameError(f"there is no file {str(path)!r}") from error
    except OSError as error:
        raise SavedResultError(f"{path}: {error.strerror or error}") from error
    except SavedResultError as error:
        raise SavedResultError(f"{path}: {error}") from error
