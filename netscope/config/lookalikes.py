"""Finds a section that was meant to be ``[tool.netscope.check]`` but is not, so its checks would never run."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from netscope.schema import METRIC_UNITS

_SECTION = ("tool", "netscope", "check")
_MIN_SIMILARITY = 0.8


def find_lookalike(document: Mapping[str, Any], *, is_own_file: bool) -> tuple[str, ...]:
    """Returns the keys of the first section that resembles ``tool.netscope.check``; empty if there is none.

    A section resembles it by its name, ``[tools.netscop.check]``, or by half of its name and its content, ``[check.a]``
    with a model and a rule. Other tools use the word netscope too, e.g. for a task or a dependency that is called so:
    only the first keys of a section count.

    Args:
        document: content of a TOML file.
        is_own_file: whether all of the file is netscope's, so that a section ``check`` is right.
    """
    for keys, value in _iterate_tables(document, len(_SECTION)):
        is_right = keys[:2] == _SECTION[:2] or keys == _SECTION[: len(keys)] or (is_own_file and keys[0] == "check")
        if not is_right and _resembles(keys, value):
            return keys
    return ()


def _iterate_tables(
    document: Mapping[str, Any], depth: int, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the keys and the value of every entry down to a depth, the outer before the inner."""
    for key, value in document.items():
        yield (*above, key), value
        if isinstance(value, Mapping) and depth > 1:
            yield from _iterate_tables(value, depth - 1, (*above, key))


def _resembles(keys: tuple[str, ...], value: Any) -> bool:
    parts = ".".join(keys).lower().replace("-", "").replace("_", "").split(".")
    if _is_similar(parts[0], "tool"):
        parts = parts[1:]
    name, inner = parts[0] if parts else "", parts[1] if len(parts) > 1 else ""
    if _is_similar(name, "netscope"):
        return name == "netscope" or _is_similar(inner, "check") or _has_checks(value)
    return _is_similar(name, "netscopecheck") or (_is_similar(name, "check") and not inner and _has_checks(value))


def _is_similar(word: str, name: str) -> bool:
    return SequenceMatcher(None, word, name).ratio() >= _MIN_SIMILARITY


def _has_checks(section: Any) -> bool:
    """Whether a table in the section has a model and a rule."""
    tables = section.values() if isinstance(section, Mapping) else ()
    rules = {"lock", "layers", *METRIC_UNITS}
    return any(
        isinstance(table, Mapping) and isinstance(table.get("model"), str) and bool(table.keys() & rules)
        for table in tables
    )
