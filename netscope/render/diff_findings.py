"""Findings about the aligned layers: what changed in which of them, and which blocks were added and removed."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from netscope.render.diff_attributes import (
    as_texts,
    describe_amount,
    describe_attribute,
    format_value,
    select_visible,
    shorten_name,
)
from netscope.render.diff_census import are_activations, find_kind, is_identity
from netscope.render.diff_topics import Finding, Topic, find_topic_of_name
from netscope.render.numbers import count_nouns
from netscope.schema import AttributeChange, ChangeKind, Figures, LayerChange, LayerRow, ModelDiff, PlainValue
from netscope.schema.diff_families import find_family

MAX_NAMED = 3
"""The most changes of one attribute, and the most places of added blocks, that are named one by one."""

_FOLLOWING = frozenset(
    {"in_channels", "in_features", "num_features", "normalized_shape", "nx", "reads_from", "computation", "calls"}
)
"""Attributes that mostly follow from a change in another layer, so they are named only if there is nothing else."""

_EXPLAINED = {"padding": {"kernel_size", "dilation", "stride"}}
"""Attributes that are not named of a layer in which one of these changed, too."""

_WIRING = frozenset({"reads_from", "calls"})

_EXTENSIVE = frozenset({Topic.GROUPS, Topic.KERNEL, Topic.STRIDE, Topic.ACTIVATION, Topic.BIAS, Topic.WIDTH})
_RARE = 10
"""A change of these topics counts less if it is in fewer than one of so many changed layers."""


def find_changes(diff: ModelDiff, covered: Collection[str]) -> Iterator[Finding]:
    """Yields what changed in aligned layers, each with the layers that it changed in.

    Args:
        diff: the diff.
        covered: kinds of modules, and names of topics, that other findings cover.
    """
    groups: dict[tuple[Topic, str], _Members] = {}
    for change in diff.of_kind("changed", "moved"):
        for item in _select_causes(change, covered):
            topic = find_topic(change, item)
            if topic.name not in covered:
                name = "width" if topic == Topic.WIDTH else item.name
                groups.setdefault((topic, name), []).append((change, item))
    changed = sum(1 for change in diff.of_kind("changed", "moved") if not is_rewired_only(change))
    for (topic, name), found in groups.items():
        members = _drop_explained(diff, groups, found) if topic == Topic.WIDTH else found
        if topic in _EXTENSIVE and _have_equal_values(diff, {item.name for _, item in members}):
            topic = Topic.REST  # noqa: PLW2901 - less important than its topic
        elif topic in _EXTENSIVE and len(members) * _RARE < changed:
            topic = Topic.OPTION  # noqa: PLW2901
        for text in _describe_group(name, members):
            yield Finding(topic, text)


def _have_equal_values(diff: ModelDiff, names: Collection[str]) -> bool:
    """Whether both sides have the same values of these hyperparameters, in layers that were aligned otherwise."""
    before, after = (
        Counter(
            (name, value)
            for change in diff.changes
            if (row := getattr(change, side)) is not None
            for name, value in row.hyperparameters.items()
            if name in names
        )
        for side in ("before", "after")
    )
    return bool(before) and before == after


_Members = list[tuple[LayerChange, AttributeChange]]


def _drop_explained(diff: ModelDiff, groups: Mapping[tuple[Topic, str], _Members], members: _Members) -> _Members:
    """Returns the changes of widths that do not follow from another vocabulary or another number of heads."""
    vocabularies = {(item.before, item.after) for _, item in groups.get((Topic.VOCABULARY, "num_embeddings"), ())}
    factors = {
        _ratio(item.before, item.after)
        for item in _list_settings(diff)
        if find_topic_of_name(item.name) == Topic.GROUPS
    }
    return [
        (change, item)
        for change, item in members
        if (item.before, item.after) not in vocabularies
        and (factors <= {None} or _ratio(item.before, item.after) not in factors)
    ]


def _select_causes(change: LayerChange, covered: Collection[str]) -> Iterator[AttributeChange]:
    """Yields the attributes of a change that do not follow from another change."""
    names = {item.name for item in change.attributes}
    is_quantized = any(item.name.endswith(".dtype") and "q" in str(item.after) for item in change.attributes)
    for item in select_visible(change.attributes):
        if item.name in _FOLLOWING or "." in item.name.removesuffix(".dtype").removesuffix(".requires_grad"):
            continue
        if item.name == "groups" and all(map(_is_depthwise, _rows(change))):
            continue
        if _EXPLAINED.get(item.name, set()) & names or (item.name == "type" and not _is_notable_class(change, covered)):
            continue
        # Quantized weights cannot be trained, and their biases are no parameters.
        if not is_quantized or (not item.name.endswith(".requires_grad") and item.after is not None):
            yield item


def _is_depthwise(row: LayerRow) -> bool:
    return row.hyperparameters.get("groups") == row.hyperparameters.get("in_channels")


def _is_activation(row: LayerRow) -> bool:
    return find_family(row) == "activation" and row.own == row.total and not row.hyperparameters.keys() & {"p"}


def _is_notable_class(change: LayerChange, covered: Collection[str]) -> bool:
    """Whether another class is more than another name: it is of another kind, or has other weights."""
    before, after = change.before, change.after
    if before is None or after is None or is_identity(after) or is_identity(before):
        return False
    kinds = {find_kind(before), find_kind(after)}
    if len(kinds) > 1 or _is_activation(before) or _is_activation(after):
        return not kinds & set(covered)
    return bool(before.tensors) and [item.shape for item in before.tensors] != [item.shape for item in after.tensors]


def find_topic(change: LayerChange, item: AttributeChange) -> Topic:
    """Returns what a changed attribute is about."""
    if item.name == "type":
        return Topic.ACTIVATION if any(map(_is_activation, _rows(change))) else Topic.REST
    if item.name == "ops":
        return Topic.ACTIVATION if are_activations((*as_texts(item.before), *as_texts(item.after))) else Topic.OPTION
    if item.name in {tensor.name for row in _rows(change) for tensor in row.tensors}:
        return Topic.BIAS if item.name.endswith("bias") else Topic.REST
    return find_topic_of_name(item.name)


def _rows(change: LayerChange) -> list[LayerRow]:
    return [row for row in (change.before, change.after) if row]


def find_settings(diff: ModelDiff, found: Collection[Topic]) -> Iterator[Finding]:
    """Yields the settings of configuration objects that changed, such as ``num_key_value_heads 32 → 8``.

    Args:
        diff: the diff.
        found: topics of the findings about the layers themselves, which show what these settings have changed.
    """
    for item in _list_settings(diff):
        topic = find_topic_of_name(item.name)
        if topic not in found or topic in _SETTINGS_FIRST:
            yield Finding(topic, describe_attribute(item))


def _list_settings(diff: ModelDiff) -> list[AttributeChange]:
    """Returns the settings of configuration objects that changed, each once.

    Two configurations may have different names for one setting, so most settings of only one side say nothing.
    """
    changed: dict[str, AttributeChange] = {}
    for change in diff.changes:
        values, others = (row.hyperparameters if row else {} for row in (change.before, change.after))
        for name in [name for name in (*values, *others) if "." in name] if values and others else ():
            item = AttributeChange(name=name.rpartition(".")[2], before=values.get(name), after=others.get(name))
            is_comparable = (name in values and name in others) or find_topic_of_name(item.name) in _SETTINGS_FIRST[1:]
            if is_comparable and select_visible([item]):
                changed.setdefault(item.name, item)
    return list(changed.values())


_SETTINGS_FIRST = (Topic.GROUPS, Topic.KERNEL, Topic.CAUSAL)
"""Topics that a configuration tells and layers do not: how a projection is split into heads."""


def _describe_group(name: str, members: _Members) -> Iterator[str]:
    """Yields ``features.0 and 2 more: 96 → 64 filters`` for each change of an attribute; one text for many changes."""
    alike: dict[tuple[PlainValue, PlainValue], _Members] = {}
    for change, item in members:
        alike.setdefault((item.before, item.after), []).append((change, item))
    factors = {_ratio(before, after) for before, after in alike}
    is_uniform = name == "width" and len(alike) > 1 and len(factors) == 1 and None not in factors
    if len(alike) <= MAX_NAMED and not is_uniform:
        for (change, item), *others in alike.values():
            yield f"{_name_layers(change, len(others))}: {describe_amount(item)}"
        return
    most = list(alike) if name == "width" else sorted(alike, key=lambda pair: -len(alike[pair]))
    values = [f"{format_value(before)} → {format_value(after)}" for before, after in most[:2]]
    factor = f" ×{factors.pop():.3g}" if is_uniform else ""
    left_out = ", …" if len(alike) > len(values) else ""
    yield f"{shorten_name(name)}{factor} in {count_nouns(len(members), 'layer')} ({', '.join(values)}{left_out})"


def _name_layers(first: LayerChange, others: int) -> str:
    """Returns ``body.0.fc and 3 more``; of many layers deep inside, only the end of the first one's path."""
    path = first.row.path or first.row.type_name
    if not others:
        return path
    if path.count(".") >= _DEEP:
        path = re.sub(r"^.*\.\d+\.(?=\D)", "", path)
        path = ".".join(path.split(".")[-_DEEP:])
    return f"{path} and {others} more"


_DEEP = 3
"""The number of modules around a layer from which its path is shortened."""


def _ratio(before: PlainValue, after: PlainValue) -> float | None:
    if isinstance(before, int) and isinstance(after, int) and before and after:
        return after / before
    return None


def find_blocks(diff: ModelDiff, covered: Collection[str]) -> Iterator[Finding]:
    """Yields ``17 Bottlenecks added to layer3`` for blocks that were added, removed or moved.

    Args:
        diff: the diff.
        covered: kinds of modules, and names of topics, that other findings cover.
    """
    for kind, preposition in _PREPOSITIONS.items():
        for heavy, text in _describe_blocks(diff, kind, preposition, covered):
            yield Finding(Topic.DEPTH if heavy and kind != "moved" else Topic.REST, text)


_PREPOSITIONS: dict[ChangeKind, str] = {"added": "to", "removed": "from", "moved": "in"}


def _describe_blocks(
    diff: ModelDiff, kind: ChangeKind, preposition: str, covered: Collection[str]
) -> Iterator[tuple[bool, str]]:
    changes = diff.of_kind(kind)
    inside = {change.row.path for change in changes}
    roots = [change for change in changes if not change.row.path or _parent(change) not in inside]
    places: dict[str, dict[str, int]] = {}
    heavy: dict[str, bool] = {}
    heavy_parents = {_parent(root) for root in roots if _has_effect(root.delta)}
    for root in roots:
        is_activation = Topic.ACTIVATION.name in covered and _is_activation(root.row)
        if find_kind(root.row) in covered or is_identity(root.row) or is_activation:
            continue
        is_heavy = _has_effect(root.delta)
        if not is_heavy and _parent(root) in heavy_parents:
            continue
        name = root.row.type_name
        parents = places.setdefault(name, {})
        parents[_parent(root)] = parents.get(_parent(root), 0) + 1
        heavy[name] = heavy.get(name, False) or is_heavy
    for name, parents in places.items():
        yield heavy[name], f"{count_nouns(sum(parents.values()), name)} {kind}{_describe_places(parents, preposition)}"


def _describe_places(parents: dict[str, int], preposition: str) -> str:
    """Returns `` to layer3``, ``: 1 to layer1, 2 to layer2``, or `` to features.1 … features.7``."""
    names = [name or "the root" for name in parents]
    if len(names) == 1:
        return f" {preposition} {names[0]}"
    if len(names) <= MAX_NAMED + 1:
        counts = zip(parents.values(), names, strict=True)
        return ": " + ", ".join(f"{count} {preposition} {name}" for count, name in counts)
    return f" {preposition} {names[0]} … {names[-1]}"


def _has_effect(delta: Figures) -> bool:
    return bool(delta.params or delta.trainable_params or delta.flops)


def _parent(change: LayerChange) -> str:
    return change.row.path.rpartition(".")[0]


def is_rewired_only(change: LayerChange) -> bool:
    """Whether a module is as before, but reads from other modules or runs another number of times."""
    is_rewired = change.kind == "changed" and {item.name for item in change.attributes} <= _WIRING
    return is_rewired and not _has_effect(change.own_delta)


def find_rest(diff: ModelDiff) -> Iterator[Finding]:
    """Yields changes that mostly follow from others, for a diff without any other finding."""
    alike: dict[str, list[LayerChange]] = {}
    for change in diff.of_kind("changed", "moved"):
        for item in select_visible(change.attributes)[:1]:
            alike.setdefault(describe_amount(item), []).append(change)
    for text, (change, *others) in alike.items():
        yield Finding(Topic.REST, f"{_name_layers(change, len(others))}: {text}")


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings, the most important first, without empty ones."""
    return sorted((finding for finding in findings if finding.text), key=lambda finding: finding.topic)
