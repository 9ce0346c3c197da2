"""The changed attributes of a layer in words."""

from collections.abc import Iterable

from netscope.render import numbers
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.schema import AttributeChange, LayerChange, PlainValue

MAX_SOURCES = 3
"""The most sources that are named of a layer's wiring."""

MAX_VALUE_LENGTH = 60
"""The length of a value, such as the text of an object, beyond which it is only said that it differs."""

_SHORT = {
    "in_channels": "in",
    "out_channels": "out",
    "in_features": "in",
    "out_features": "out",
    "kernel_size": "kernel",
    "output_size": "output",
    "num_heads": "heads",
    "num_features": "features",
    "num_embeddings": "embeddings",
    "normalized_shape": "shape",
}

_UNITS = {"out_channels": "filters", "out_features": "units", "num_heads": "heads"}


def describe_attributes(attributes: Iterable[AttributeChange]) -> str:
    """Returns changed attributes as ``out 96 → 64, kernel 11×11 → 3×3``."""
    return ", ".join(map(describe_attribute, select_visible(attributes)))


def select_visible(attributes: Iterable[AttributeChange]) -> tuple[AttributeChange, ...]:
    """Returns the attributes whose two sides read differently.

    If the classes differ, a hyperparameter that only one of them has adds nothing to their names.
    """
    attributes = tuple(attributes)
    has_other_class = any(item.name == "type" for item in attributes)
    return tuple(
        item
        for item in attributes
        if (item.name in _WITHOUT_VALUES or format_value(item.before) != format_value(item.after))
        and not (has_other_class and (item.before is None or item.after is None))
    )


_WITHOUT_VALUES = ("ops", "reads_from", "computation")
"""Attributes that are not described by their two values."""


def describe_attribute(attribute: AttributeChange) -> str:
    """Returns a changed attribute as ``kernel 11×11 → 3×3``."""
    name, before, after = attribute.name, attribute.before, attribute.after
    if name == "type":
        return f"{before} → {after}"
    if name == "computation":
        return "arguments of its ops differ"
    if name == "ops":
        return " ".join((*(f"−{op}" for op in as_texts(before)), *(f"+{op}" for op in as_texts(after))))
    if name == "reads_from":
        return f"reads from {_sources(before, after)} → {_sources(after, before)}"
    is_size = name.endswith("_bytes")
    texts = [
        numbers.size(side) if is_size and isinstance(side, int) else format_value(side) for side in (before, after)
    ]
    if any(len(text) > MAX_VALUE_LENGTH or not text.isprintable() for text in texts):
        return f"{shorten_name(name)} differs"
    return f"{shorten_name(name)} {texts[0]} → {texts[1]}"


def describe_amount(attribute: AttributeChange) -> str:
    """Returns a changed attribute as ``96 → 64 filters`` if it has a unit, otherwise like ``describe_attribute``."""
    unit = _UNITS.get(attribute.name)
    if unit is None or attribute.before is None or attribute.after is None:
        return describe_attribute(attribute)
    return f"{format_value(attribute.before)} → {format_value(attribute.after)} {unit}"


def shorten_name(name: str) -> str:
    """Returns the name of an attribute as it is shown: ``kernel`` for ``kernel_size``."""
    return _SHORT.get(name, name)


def as_texts(value: PlainValue) -> tuple[str, ...]:
    """Returns the texts of a tuple's items; none of another value."""
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _sources(paths: PlainValue, others: PlainValue) -> str:
    """Returns the sources on this side only; all of them if both sides have the same names."""
    mine, theirs = as_texts(paths), set(as_texts(others))
    names = [path or "the root" for path in mine if path not in theirs] or [path or "the root" for path in mine]
    more = f" and {len(names) - MAX_SOURCES} more" if len(names) > MAX_SOURCES else ""
    return ", ".join(names[:MAX_SOURCES]) + more or "nothing"


def format_value(value: PlainValue) -> str:
    """Returns a value as ``11×11``, ``0.5`` or ``none``."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "×".join(map(str, value)) or "scalar"
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_layer(change: LayerChange) -> str:
    """Returns a module's type with its notable hyperparameters."""
    row = change.row
    return " ".join((row.type_name, ", ".join(notable_hyperparameters(row.type_name, row.hyperparameters)))).strip()
