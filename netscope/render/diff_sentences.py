"""Differences in words: the changed attributes of a layer, and a sentence about the entire diff."""

from collections.abc import Iterable, Iterator

from netscope.render import numbers
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.schema import AttributeChange, ChangeKind, Figures, LayerChange, ModelDiff, PlainValue

MAX_NAMED = 3
"""The most changed layers, groups and sources that are named."""

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
_FOLLOWING = ("in_channels", "in_features", "num_features", "normalized_shape", "reads_from", "computation")
"""Attributes that mostly follow from a change in an earlier layer, so others are named first."""

_UNITS = {"out_channels": "filters", "out_features": "units", "num_heads": "heads"}


def describe_attributes(attributes: Iterable[AttributeChange]) -> str:
    """Returns changed attributes as ``out 96 → 64, kernel 11×11 → 3×3``."""
    attributes = tuple(attributes)
    if any(item.name == "type" for item in attributes):
        # A hyperparameter that only one of two classes has adds nothing to their names.
        attributes = tuple(item for item in attributes if item.before is not None and item.after is not None)
    return ", ".join(map(_attribute_text, attributes))


def _attribute_text(attribute: AttributeChange) -> str:
    name, before, after = attribute.name, attribute.before, attribute.after
    if name == "type":
        return f"{before} → {after}"
    if name == "computation":
        return "arguments of its ops differ"
    if name == "ops":
        return " ".join((*(f"−{op}" for op in _items(before)), *(f"+{op}" for op in _items(after))))
    if name == "reads_from":
        return f"reads from {_sources(before, after)} → {_sources(after, before)}"
    return f"{_SHORT.get(name, name)} {_value(before)} → {_value(after)}"


def _items(value: PlainValue) -> tuple[str, ...]:
    return tuple(str(item).removeprefix("aten.") for item in value) if isinstance(value, tuple) else ()


def _sources(paths: PlainValue, others: PlainValue) -> str:
    """Returns the sources on this side only; all of them if both sides have the same names."""
    mine, theirs = _items(paths), set(_items(others))
    names = [path or "the root" for path in mine if path not in theirs] or [path or "the root" for path in mine]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more or "nothing"


def _value(value: PlainValue) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "×".join(map(str, value)) or "scalar"
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_layer(change: LayerChange) -> str:
    """Returns a module's type with its notable hyperparameters."""
    row = change.row
    return " ".join((row.type_name, ", ".join(notable_hyperparameters(row.type_name, row.hyperparameters)))).strip()


def describe_diff(diff: ModelDiff) -> str:
    """Returns a sentence about the entire diff."""
    if diff.is_same:
        return "the same, layer by layer" + (f", ignoring {' and '.join(diff.ignored)}" if diff.ignored else "")
    changed = [change for change in diff.changes if change.kind != "same"]
    if not changed and not any(change.has_value_changes for change in diff.changes):
        return f"the same layers; {_pluralize(len(diff.renamed), 'module')} renamed"
    return "; ".join((*_describe_layers(diff), *_describe_totals(diff), *_name_changes(diff)))


def _describe_layers(diff: ModelDiff) -> Iterator[str]:
    """Yields the number of layers with weights, and the numbers of changed, added, removed and moved layers."""
    counts = _count_by_kind(diff)
    weighted, others = diff.before.weighted_layers, diff.after.weighted_layers
    came_or_went = any(change.row.own.params and change.row.own.flops for change in diff.of_kind("added", "removed"))
    if weighted == others:
        text = f"{'' if came_or_went else 'the same '}{_pluralize(weighted, 'weighted layer')}"
    else:
        text = f"{weighted} → {_pluralize(others, 'weighted layer')}"
    if not counts and diff.before.inputs != diff.after.inputs:
        text += " with different inputs"
    yield text
    if counts:
        yield ", ".join(counts)
    elif diff.renamed:
        yield f"{_pluralize(len(diff.renamed), 'module')} renamed"


def _count_by_kind(diff: ModelDiff) -> list[str]:
    """Returns ``40 layers changed``, ``2 added``, …; containers of added, removed or moved modules do not count."""
    counts: list[str] = []
    for kind in ("changed", "added", "removed", "moved"):
        paths = {change.row.path for change in diff.of_kind(kind)}
        containers = {path.rpartition(".")[0] for path in paths if path} if kind != "changed" else set()
        count = len(paths - containers)
        if count:
            counts.append(f"{_pluralize(count, 'layer')} {kind}" if not counts else f"{count} {kind}")
    return counts


def _describe_totals(diff: ModelDiff) -> Iterator[str]:
    """Yields the changes of the totals."""
    before, after, delta = diff.before.totals, diff.after.totals, diff.delta
    yield _format_change(delta.params, before.params, "params")
    bound = " counted" if diff.is_lower_bound else ""
    if before.flops or after.flops:
        yield _format_change(delta.flops, before.flops, f"FLOPs{bound}")


def _format_change(delta: int, before: int, unit: str) -> str:
    if not delta:
        return f"same {unit}"
    percent = numbers.change(delta, before)
    return f"{numbers.signed(delta)} {unit}" + (f" ({percent})" if percent else "")


def _name_changes(diff: ModelDiff) -> Iterator[str]:
    """Yields the first layers with a change that does not follow from another, and the first added and removed groups.

    Changes without an effect on the totals, such as a dropout rate, are named last.
    """
    found = [*_changed_layers(diff), *_groups(diff, "added"), *_groups(diff, "removed")]
    names = [text for text, _ in sorted(found, key=lambda pair: not pair[1])]
    if names:
        yield ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")


def _changed_layers(diff: ModelDiff) -> Iterator[tuple[str, bool]]:
    """Yields ``features.0 and 2 more: 96 → 64 filters``, each with whether it has an effect on the totals."""
    alike: dict[str, list[LayerChange]] = {}
    for change in diff.of_kind("changed"):
        causes = [item for item in change.attributes if item.name not in _FOLLOWING]
        if causes:
            first = causes[0]
            unit = _UNITS.get(first.name)
            text = f"{_value(first.before)} → {_value(first.after)} {unit}" if unit else _attribute_text(first)
            alike.setdefault(text, []).append(change)
    for text, (change, *others) in alike.items():
        more = f" and {len(others)} more" if others else ""
        yield f"{change.row.path or change.row.type_name}{more}: {text}", _has_effect(change.own_delta)


def _has_effect(delta: Figures) -> bool:
    return bool(delta.params or delta.trainable_params or delta.flops)


def _groups(diff: ModelDiff, kind: ChangeKind) -> Iterator[tuple[str, bool]]:
    """Yields ``17 Bottlenecks added to layer3``, each with whether it has an effect on the totals."""
    changes = diff.of_kind(kind)
    inside = {change.row.path for change in changes}
    groups: dict[tuple[str, str], list[LayerChange]] = {}
    for change in changes:
        if not change.row.path or _parent(change) not in inside:
            groups.setdefault((_parent(change), change.row.type_name), []).append(change)
    verb = "added to" if kind == "added" else "removed from"
    for (parent, type_name), members in groups.items():
        text = f"{_pluralize(len(members), type_name)} {verb} {parent or 'the root'}"
        yield text, any(_has_effect(member.delta) for member in members)


def _parent(change: LayerChange) -> str:
    return change.row.path.rpartition(".")[0]


def _pluralize(count: int, noun: str) -> str:
    has_plural = not noun.endswith("s") and not any(character.isdigit() for character in noun[-2:])
    return f"{count} {noun}" + ("s" if count != 1 and has_plural else "")


def format_total_change(before: int, after: int) -> str:
    """Returns a total's change as ``62,378,344 → 61,100,840   −1,277,504   −2.05%``."""
    if before == after:
        return f"{numbers.count(after)}, unchanged"
    change = " ".join(filter(None, (numbers.signed(after - before), numbers.change(after - before, before))))
    return f"{numbers.count(before)} → {numbers.count(after)}   {change}"
