"""What differs, in words: one layer's attributes, and the one sentence about the whole."""

from collections.abc import Iterable, Iterator

from netscope.render import numbers
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.schema import AttributeChange, ChangeKind, LayerChange, ModelDiff, PlainValue

MOST_TOLD = 3
"""Of changed layers and added groups, how many the sentence names."""

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
"""What mostly follows from a change further up, and so is not what a reader is told first."""

_UNITS = {"out_channels": "filters", "out_features": "units", "num_heads": "heads"}


def attributes_text(attributes: Iterable[AttributeChange]) -> str:
    """``out 96 → 64, kernel 11×11 → 3×3``."""
    attributes = tuple(attributes)
    if any(item.name == "type" for item in attributes):
        # What only one of two classes has says no more than their names.
        attributes = tuple(item for item in attributes if item.before is not None and item.after is not None)
    return ", ".join(map(_attribute_text, attributes))


def _attribute_text(attribute: AttributeChange) -> str:
    name, before, after = attribute.name, attribute.before, attribute.after
    if name == "type":
        return f"{before} → {after}"
    if name == "computation":
        return "its own ops differ in their arguments"
    if name == "ops":
        return " ".join((*(f"−{op}" for op in _items(before)), *(f"+{op}" for op in _items(after))))
    if name == "reads_from":
        return f"reads from {_sources(before, after)} → {_sources(after, before)}"
    return f"{_SHORT.get(name, name)} {_value(before)} → {_value(after)}"


def _items(value: PlainValue) -> tuple[str, ...]:
    return tuple(str(item).removeprefix("aten.") for item in value) if isinstance(value, tuple) else ()


def _sources(paths: PlainValue, others: PlainValue) -> str:
    """What is read on this side only; all of it, where the names do not tell the sides apart."""
    mine = _items(paths)
    there = set(_items(others))
    told = [path or "the root" for path in mine if path not in there] or [path or "the root" for path in mine]
    return (
        ", ".join(told[:MOST_TOLD]) + (f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")
        or "nothing"
    )


def _value(value: PlainValue) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "×".join(map(str, value)) or "scalar"
    return f"{value:g}" if isinstance(value, float) else str(value)


def layer_text(change: LayerChange) -> str:
    """What a module is: its type with its telling hyperparameters."""
    row = change.row
    return " ".join((row.type_name, ", ".join(notable_hyperparameters(row.type_name, row.hyperparameters)))).strip()


def sentence(diff: ModelDiff) -> str:
    """The answer in one sentence."""
    if diff.is_same:
        return "the same, layer by layer" + (f", but for {' and '.join(diff.ignored)}" if diff.ignored else "")
    changed = [change for change in diff.changes if change.kind != "same"]
    if not changed and not any(change.has_value_changes for change in diff.changes):
        return f"the same layers; {_counted(len(diff.renamed), 'module')} under other names"
    return "; ".join((*_layers(diff), *_figures(diff), *_foremost(diff)))


def _layers(diff: ModelDiff) -> Iterator[str]:
    """How many layers with weights there are, and what became of the modules."""
    done = _kinds(diff)
    weighted, others = diff.before.weighted_layers, diff.after.weighted_layers
    came_or_went = any(change.row.own.params and change.row.own.flops for change in diff.of_kind("added", "removed"))
    if weighted == others:
        text = f"{'' if came_or_went else 'the same '}{_counted(weighted, 'weighted layer')}"
    else:
        text = f"{weighted} → {_counted(others, 'weighted layer')}"
    if not done and diff.before.inputs != diff.after.inputs:
        text += " on other inputs"
    yield text
    if done:
        yield ", ".join(done)
    elif diff.renamed:
        yield f"{_counted(len(diff.renamed), 'module')} under other names"


def _kinds(diff: ModelDiff) -> list[str]:
    """``40 layers changed``, ``2 added``: only what holds nothing else that came or went counts."""
    done: list[str] = []
    for kind in ("changed", "added", "removed", "moved"):
        paths = {change.row.path for change in diff.of_kind(kind)}
        holders = {path.rpartition(".")[0] for path in paths if path} if kind != "changed" else set()
        count = len(paths - holders)
        if count:
            done.append(f"{_counted(count, 'layer')} {kind}" if not done else f"{count} {kind}")
    return done


def _figures(diff: ModelDiff) -> Iterator[str]:
    """The change of the totals."""
    before, after, delta = diff.before.totals, diff.after.totals, diff.delta
    yield _change(delta.params, before.params, "params")
    bound = " counted" if diff.is_lower_bound else ""
    if before.flops or after.flops:
        yield _change(delta.flops, before.flops, f"FLOPs{bound}")


def _change(delta: int, whole: int, what: str) -> str:
    if not delta:
        return f"as many {what}"
    percent = numbers.change(delta, whole)
    return f"{numbers.signed(delta)} {what}" + (f" ({percent})" if percent else "")


def _foremost(diff: ModelDiff) -> Iterator[str]:
    """The first layers that changed in what does not merely follow, and what came or went in one piece.

    What makes no difference to the figures, such as a rate of dropout, comes after what does.
    """
    found = [*_changed_layers(diff), *_groups(diff, "added"), *_groups(diff, "removed")]
    told = [text for text, _ in sorted(found, key=lambda pair: not pair[1])]
    if told:
        yield ", ".join(told[:MOST_TOLD]) + (", …" if len(told) > MOST_TOLD else "")


def _changed_layers(diff: ModelDiff) -> Iterator[tuple[str, bool]]:
    """``features.0 and 2 more: 96 → 64 filters``, each with whether it makes a difference to the figures."""
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
        yield f"{change.row.path or change.row.type_name}{more}: {text}", bool(change.own_delta)


def _groups(diff: ModelDiff, kind: ChangeKind) -> Iterator[tuple[str, bool]]:
    """``17 Bottlenecks added to layer3``, each with whether it makes a difference to the figures."""
    changes = diff.of_kind(kind)
    inside = {change.row.path for change in changes}
    groups: dict[tuple[str, str], list[LayerChange]] = {}
    for change in changes:
        if not change.row.path or _above(change) not in inside:
            groups.setdefault((_above(change), change.row.type_name), []).append(change)
    word = "added to" if kind == "added" else "removed from"
    for (where, what), members in groups.items():
        yield f"{_counted(len(members), what)} {word} {where or 'the root'}", any(member.delta for member in members)


def _above(change: LayerChange) -> str:
    return change.row.path.rpartition(".")[0]


def _counted(count: int, what: str) -> str:
    has_plural = not what.endswith("s") and not any(character.isdigit() for character in what[-2:])
    return f"{count} {what}" + ("s" if count != 1 and has_plural else "")


def total_text(before: int, after: int) -> str:
    """``62,378,344 → 61,100,840   −1,277,504   −2.05%``."""
    if before == after:
        return f"{numbers.count(after)}, as before"
    change = " ".join(filter(None, (numbers.signed(after - before), numbers.change(after - before, before))))
    return f"{numbers.count(before)} → {numbers.count(after)}   {change}"
