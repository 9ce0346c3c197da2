"""The result of ``netscope cache``: the content of the cache."""

from dataclasses import dataclass

from netscope.schema.codec import to_json
from netscope.schema.display import Displayed


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResult:
    """The metadata of one cached result.

    Attributes:
        kind: ``"summary"``, ``"report"``, or ``"names"`` for the names of a source.
        name: architecture as typed, or name of the source.
        version: version of netscope that computed it.
        created: time of creation in UTC, ``"2030-01-31 12:00"``.
        last_used: time of last use in UTC, to the hour.
        bytes: size in the cache.
    """

    kind: str
    name: str
    version: str
    created: str
    last_used: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CacheContents(Displayed):
    """The content of the cache.

    Attributes:
        path: path of the cache file.
        results: cached results, the most recently used first.
        limit_bytes: maximum size of all results together.
        removed: number of results that the command removed; None if it does not remove any.
    """

    path: str
    results: tuple[CachedResult, ...]
    limit_bytes: int
    removed: int | None = None

    @property
    def bytes(self) -> int:
        """Size of all results."""
        return sum(result.bytes for result in self.results)

    def to_json(self) -> str:
        """Returns the contents as JSON."""
        return to_json(self, {"bytes": self.bytes})
