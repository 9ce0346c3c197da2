"""What ``netscope list`` answers: the architectures that can be loaded by name."""

from dataclasses import dataclass

from netscope.schema.codec import to_json
from netscope.schema.display import Displayed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArchitecture:
    """One name.

    Attributes:
        source: ``"built-in"``, ``"torchvision"``, …
        name: what to type.
        params: the published parameter count, None where the source gives none.
        description: one line about it, empty where the source gives none.
    """

    source: str
    name: str
    params: int | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listing(Displayed):
    """The names that fit a pattern, by source.

    Attributes:
        pattern: as typed.
        architectures: sorted by source, then name.
        notes: about sources that could not be read.
    """

    pattern: str
    architectures: tuple[ListedArchitecture, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """This listing as JSON."""
        return to_json(self)
