"""The result of ``netscope list``: the architectures that can be loaded by name."""

from dataclasses import dataclass

from netscope.schema.display import Displayed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArchitecture:
    """An architecture that can be loaded by name.

    Attributes:
        source: name of its source, ``"built-in"``, ``"torchvision"``, …
        name: name to type.
        params: published parameter count, otherwise that of a cached summary; None if there is neither.
        description: one line about it; empty if the source has none.
    """

    source: str
    name: str
    params: int | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listing(Displayed):
    """The architectures that match a pattern.

    Attributes:
        pattern: pattern as typed.
        sources: the sources that were searched; empty for all.
        architectures: matching architectures, sorted by source, then name.
        notes: notes on sources that could not be read.
    """

    pattern: str
    architectures: tuple[ListedArchitecture, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...] = ()
