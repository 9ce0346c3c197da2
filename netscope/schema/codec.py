"""Converts results to JSON and back: exact integers, arrays as tuples, the schema version at the top."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from typing_extensions import Self

from netscope.errors import SavedResultError

SCHEMA_VERSION = 2
"""Increased by one when a field changes its meaning or is removed, but not for new fields with a default."""

Result = TypeVar("Result")

_SURROGATES = re.compile("[\ud800-\udfff]")


def to_json(result: Any, derived: Mapping[str, Any] | None = None) -> str:
    """Returns the result as indented JSON with field names as keys, ``schema_version`` and ``kind`` first.

    Args:
        result: instance of a result type.
        derived: values computed from the fields, for other programs; ``from_json`` ignores them.
    """
    header = {"schema_version": SCHEMA_VERSION, "kind": type(result).__name__}
    fields = {**header, **(derived or {}), **msgspec.to_builtins(result)}
    return msgspec.json.format(encode_json(fields), indent=2).decode()


def encode_json(value: Any) -> bytes:
    """Returns plain data as JSON in UTF-8, with lone surrogates, which UTF-8 cannot encode, as visible escapes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return escape_surrogates(json.dumps(msgspec.to_builtins(value), ensure_ascii=False)).encode()


def escape_surrogates(text: str) -> str:
    """Returns JSON with lone surrogates written out as text, because few readers accept them as escapes."""
    return _SURROGATES.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


def from_json(kind: type[Result], text: str | bytes) -> Result:
    """Returns the result in the output of ``to_json``.

    Raises:
        SavedResultError: not JSON, another kind or schema version, or a field is missing or has the wrong type.
    """
    try:
        header = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SavedResultError(f"not a saved netscope result ({error})") from error
    if not isinstance(header, dict) or "schema_version" not in header:
        raise SavedResultError("not a saved netscope result (no 'schema_version')")
    if header["schema_version"] != SCHEMA_VERSION:
        raise SavedResultError(
            f"this result has schema version {header['schema_version']!r}, but this netscope reads version "
            f"{SCHEMA_VERSION}; run the command again to save a new result"
        )
    if header.get("kind") != kind.__name__:
        raise SavedResultError(f"expected a saved {kind.__name__}, got {header.get('kind')!r}")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise SavedResultError(f"this {kind.__name__} is damaged: {error}") from error


class JsonResult:
    """A result that is saved as JSON and read back."""

    __slots__ = ()

    def to_json(self) -> str:
        """Returns the result as JSON, which ``from_json`` reads."""
        return to_json(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as JSON has it: dicts, lists, texts and numbers."""
        found: dict[str, Any] = json.loads(self.to_json())
        return found

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Returns the result that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not such a result.
        """
        return from_json(cls, text)
