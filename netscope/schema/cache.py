"""What ``netscope cache`` answers: what was kept of earlier answers."""

from dataclasses import dataclass

from netscope.schema.codec import to_json
from netscope.schema.display import Displayed


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResult:
    """One answer.

    Attributes:
        kind: ``"summary"``, ``"report"``, or ``"names"`` of a source.
        name: the architecture as typed, or the source.
        version: of the netscope that gave it.
        made: when, in UTC, ``"2030-01-31 12:00"``.
        used: when it was last given, to the hour.
        bytes: what it takes.
    """

    kind: str
    name: str
    version: str
    made: str
    used: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CacheContents(Displayed):
    """What is kept.

    Attributes:
        path: of the file.
        answers: the last used first.
        limit_bytes: of all answers together.
        removed: how many answers were removed; None where that was not asked for.
    """

    path: str
    answers: tuple[CachedResult, ...]
    limit_bytes: int
    removed: int | None = None

    @property
    def bytes(self) -> int:
        """What the answers take."""
        return sum(answer.bytes for answer in self.answers)

    def to_json(self) -> str:
        """These contents as JSON."""
        return to_json(self, {"bytes": self.bytes})
