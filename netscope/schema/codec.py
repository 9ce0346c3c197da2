"""Results to JSON and back: exact integers, tuples for arrays, the schema's version at the top."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from netscope.errors import SavedResultError

SCHEMA_VERSION = 1
"""Raised by one whenever a field changes its meaning or goes away; new fields with a default do not raise it."""

Result = TypeVar("Result")

_HALVES = re.compile("[\ud800-\udfff]")


def to_json(result: Any, derived: Mapping[str, Any] | None = None) -> str:
    """The result as indented JSON, its field names as keys, ``schema_version`` and ``kind`` first.

    Args:
        result: one of our types.
        derived: what programs would have to reckon from the fields; it is not read back.
    """
    header = {"schema_version": SCHEMA_VERSION, "kind": type(result).__name__}
    fields = {**header, **(derived or {}), **msgspec.to_builtins(result)}
    return msgspec.json.format(encode_json(fields), indent=2).decode()


def encode_json(value: Any) -> bytes:
    """Plain data as JSON in UTF-8, which has no lone surrogates: these are written as the escapes that people see."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return escape_surrogates(json.dumps(msgspec.to_builtins(value), ensure_ascii=False)).encode()


def escape_surrogates(text: str) -> str:
    """JSON with lone surrogates spelled out: hardly any reader takes them as escapes of JSON's own."""
    return _HALVES.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


def from_json(kind: type[Result], text: str | bytes) -> Result:
    """The result that ``to_json`` wrote.

    Raises:
        SavedResultError: it is not JSON, of another kind or schema version, or a field is missing or mistyped.
    """
    try:
        header = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SavedResultError(f"this is not a saved netscope result: {error}") from error
    if not isinstance(header, dict) or "schema_version" not in header:
        raise SavedResultError("this JSON is not a saved netscope result: it has no 'schema_version'")
    if header["schema_version"] != SCHEMA_VERSION:
        raise SavedResultError(
            f"this result has schema version {header['schema_version']!r}; this netscope reads {SCHEMA_VERSION}: "
            f"write it again with the netscope that reads it"
        )
    if header.get("kind") != kind.__name__:
        raise SavedResultError(f"this result is a {header.get('kind')!r}, not a {kind.__name__!r}")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise SavedResultError(f"this {kind.__name__} is damaged: {error}") from error
