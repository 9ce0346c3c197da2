"""Reading of results that were saved as JSON."""

from pathlib import Path
from typing import Protocol, TypeVar

from netscope.errors import SavedResultError, UnknownNameError

Result_co = TypeVar("Result_co", covariant=True)


class SavedResult(Protocol[Result_co]):
    """A result type that can be read from JSON."""

    def from_json(self, text: str | bytes, /) -> Result_co:
        """Returns the saved result."""


def read_saved(kind: SavedResult[Result_co], path: Path) -> Result_co:
    """Returns the result in a file.

    Raises:
        UnknownNameError: the file does not exist.
        SavedResultError: the file cannot be read, or does not contain a result of this type.
    """
    try:
        return kind.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UnknownNameError(f"file {str(path)!r} not found") from error
    except (OSError, SavedResultError) as error:
        what = f"a saved {getattr(kind, '__name__', 'result')}"
        reason = getattr(error, "strerror", None) or error
        raise SavedResultError(f"{path} cannot be read as {what}: {reason}") from error
