"""Findings about the aligned layers: what changed in which of them, and which blocks were added and removed."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from netscope.render.diff_attributes import (
    describe_amount,
    describe_attribute,
    format_value,
    select_told,
    shorten_name,
)
from netscope.render.diff_census import Finding, Topic, are_activations, count_nouns, find_kind, is_identity
from netscope.schema import AttributeChange, ChangeKind, Figures, LayerChange, LayerRow, ModelDiff, PlainValue
from netscope.schema.families import find_family

MAX_NAMED = 3
"""The most changes of one attribute, and the most places of added blocks, that are named one by one."""

_FOLLOWING = frozenset(
    {"in_channels", "in_features", "num_features", "normalized_shape", "nx", "reads_from", "computation", "calls"}
)
"""Attributes that mostly follow from a change in another layer, so they are named only if there is nothing else."""

_EXPLAINED = {"padding": {"kernel_size", "dilation", "stride"}}
"""Attributes that are not named of a layer in which one of these changed, too."""

_WIRING = frozenset({"reads_from", "calls"})

_TOPICS = (
    (Topic.GROUPS, re.compile(r"(num_)?groups|n_?heads?|(num_)?(\w+_)?heads")),
    (Topic.KERNEL, re.compile(r"kernel_size|(sliding_)?window(_size)?|patch_size")),
    (Topic.STRIDE, re.compile(r"stride|dilation|output_stride|shift_size|scale_factor|padding")),
    (Topic.CAUSAL, re.compile(r"(is_)?causal")),
    (Topic.DTYPE, re.compile(r".*\.(dtype|requires_grad)")),
    (Topic.VOCABULARY, re.compile(r"num_embeddings|(.*_)?vocab_size|max_position_embeddings")),
    (Topic.BIAS, re.compile(r"(.*_)?bias")),
    (
        Topic.WIDTH,
        re.compile(
            r"out_(channels|features)|embed(ding)?_dim|(\w+_)?(hidden|inner|intermediate)_(size|dim)|d_model|nf"
        ),
    ),
    (Topic.DEPTH, re.compile(r"n_layers?|num_(hidden_)?layers|depths?")),
    (Topic.DROPOUT, re.compile(r"(.*_)?eps(ilon)?|p|momentum|.*drop.*|padding_idx|approximate")),
    (Topic.REST, re.compile(r"own_params|ceil_mode|output_size|.*token_id|initializer_range|model_type")),
)
"""Topics of attributes by their whole names; any other is an option of its module."""


def find_changes(diff: ModelDiff, told: Collection[str]) -> Iterator[Finding]:
    """Yields what changed in aligned layers, each with the layers that it changed in.

    Args:
        diff: the diff.
        told: kinds of modules, and names of topics, that other findings cover.
    """
    groups: dict[tuple[Topic, str], list[tuple[LayerChange, AttributeChange]]] = {}
    for change in diff.of_kind("changed", "moved"):
        for item in _select_causes(change, told):
            topic = find_topic(change, item)
            if topic.name not in told:
                name = "width" if topic == Topic.WIDTH else item.name
                groups.setdefault((topic, name), []).append((change, item))
    for (topic, name), members in groups.items():
        for text in _describe_group(name, members):
            yield Finding(topic, text)


def _select_causes(change: LayerChange, told: Collection[str]) -> Iterator[AttributeChange]:
    """Yields the attributes of a change that do not follow from another change."""
    names = {item.name for item in change.attributes}
    is_quantized = any(item.name.endswith(".dtype") and "q" in str(item.after) for item in change.attributes)
    for item in select_told(change.attributes):
        if item.name in _FOLLOWING or "." in item.name.removesuffix(".dtype").removesuffix(".requires_grad"):
            continue
        if _EXPLAINED.get(item.name, set()) & names or (item.name == "type" and not _is_notable_class(change, told)):
            continue
        # Quantized weights cannot be trained, and their biases are no parameters.
        if not is_quantized or (not item.name.endswith(".requires_grad") and item.after is not None):
            yield item


def _is_notable_class(change: LayerChange, told: Collection[str]) -> bool:
    """Whether another class is more than another name: it is of another kind, or has other weights."""
    before, after = change.before, change.after
    if before is None or after is None or is_identity(after) or is_identity(before):
        return False
    kinds = {find_kind(before), find_kind(after)}
    if len(kinds) > 1 or "activation" in (find_family(before), find_family(after)):
        return not kinds & set(told)
    return bool(before.tensors) and [item.shape for item in before.tensors] != [item.shape for item in after.tensors]


def find_topic(change: LayerChange, item: AttributeChange) -> Topic:
    """Returns what a changed attribute is about."""
    if item.name == "type":
        return Topic.ACTIVATION if "activation" in map(find_family, _rows(change)) else Topic.REST
    if item.name == "ops":
        return Topic.ACTIVATION if are_activations((*as_tuple(item.before), *as_tuple(item.after))) else Topic.OPTION
    if item.name in {tensor.name for row in _rows(change) for tensor in row.tensors}:
        return Topic.BIAS if item.name.endswith("bias") else Topic.REST
    return find_topic_of_name(item.name)


def find_topic_of_name(name: str) -> Topic:
    """Returns what a hyperparameter is about."""
    return next((topic for topic, pattern in _TOPICS if pattern.fullmatch(name)), Topic.OPTION)


def _rows(change: LayerChange) -> list[LayerRow]:
    return [row for row in (change.before, change.after) if row]


def as_tuple(value: PlainValue) -> tuple[str, ...]:
    """Returns the texts of a tuple; none of another value."""
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def find_settings(diff: ModelDiff, found: Collection[Topic]) -> Iterator[Finding]:
    """Yields the settings of configuration objects that changed, such as ``num_key_value_heads 32 → 8``.

    Args:
        diff: the diff.
        found: topics of the findings about the layers themselves, which show what these settings have changed.
    """
    named: dict[str, None] = {}
    for change in diff.changes:
        if change.before is None or change.after is None:
            continue
        values, others = change.before.hyperparameters, change.after.hyperparameters
        for name in dict.fromkeys((*values, *others)):
            item = AttributeChange(name=name.rpartition(".")[2], before=values.get(name), after=others.get(name))
            topic = find_topic_of_name(item.name)
            is_comparable = (name in values and name in others) or topic in _SETTINGS_FIRST
            if "." not in name or item.name in named or not is_comparable or not select_told([item]):
                continue
            named[item.name] = None
            if topic not in found or topic in _SETTINGS_FIRST:
                yield Finding(topic, describe_attribute(item))


_SETTINGS_FIRST = (Topic.GROUPS, Topic.KERNEL, Topic.CAUSAL)
"""Topics that a configuration tells and layers do not: how a projection is split into heads."""


def _describe_group(name: str, members: Sequence[tuple[LayerChange, AttributeChange]]) -> Iterator[str]:
    """Yields ``features.0 and 2 more: 96 → 64 filters`` for each change of an attribute; one text for many changes."""
    alike: dict[tuple[PlainValue, PlainValue], list[tuple[LayerChange, AttributeChange]]] = {}
    for change, item in members:
        alike.setdefault((item.before, item.after), []).append((change, item))
    factors = {_ratio(before, after) for before, after in alike}
    is_uniform = name == "width" and len(alike) > 1 and len(factors) == 1 and None not in factors
    if len(alike) <= MAX_NAMED and not is_uniform:
        for (change, item), *others in alike.values():
            more = f" and {len(others)} more" if others else ""
            yield f"{change.row.path or change.row.type_name}{more}: {describe_amount(item)}"
        return
    values = [f"{format_value(before)} → {format_value(after)}" for before, after in list(alike)[:2]]
    factor = f" ×{factors.pop():.3g}" if is_uniform else ""
    left_out = ", …" if len(alike) > len(values) else ""
    yield f"{shorten_name(name)}{factor} in {count_nouns(len(members), 'layer')}: {', '.join(values)}{left_out}"


def _ratio(before: PlainValue, after: PlainValue) -> float | None:
    if isinstance(before, int) and isinstance(after, int) and before and after:
        return after / before
    return None


def find_blocks(diff: ModelDiff, kinds: Collection[str]) -> Iterator[Finding]:
    """Yields ``17 Bottlenecks added to layer3`` for blocks that were added or removed.

    Args:
        diff: the diff.
        kinds: kinds of modules that other findings name.
    """
    for kind, verb, preposition in (("added", "added", "to"), ("removed", "removed", "from")):
        for heavy, text in _describe_blocks(diff, kind, verb, preposition, kinds):  # type: ignore[arg-type]
            yield Finding(Topic.DEPTH if heavy else Topic.REST, text)


def _describe_blocks(
    diff: ModelDiff, kind: ChangeKind, verb: str, preposition: str, kinds: Collection[str]
) -> Iterator[tuple[bool, str]]:
    changes = diff.of_kind(kind)
    inside = {change.row.path for change in changes}
    roots = [change for change in changes if not change.row.path or _parent(change) not in inside]
    places: dict[str, dict[str, int]] = {}
    heavy: dict[str, bool] = {}
    heavy_parents = {_parent(root) for root in roots if _has_effect(root.delta)}
    for root in roots:
        if find_kind(root.row) in kinds or is_identity(root.row):
            continue
        is_heavy = _has_effect(root.delta)
        if not is_heavy and _parent(root) in heavy_parents:
            continue
        name = root.row.type_name
        parents = places.setdefault(name, {})
        parents[_parent(root)] = parents.get(_parent(root), 0) + 1
        heavy[name] = heavy.get(name, False) or is_heavy
    for name, parents in places.items():
        yield heavy[name], f"{count_nouns(sum(parents.values()), name)} {verb}{_describe_places(parents, preposition)}"


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
        for item in select_told(change.attributes)[:1]:
            alike.setdefault(describe_amount(item), []).append(change)
    for text, (change, *others) in alike.items():
        more = f" and {len(others)} more" if others else ""
        yield Finding(Topic.REST, f"{change.row.path or change.row.type_name}{more}: {text}")


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings, the most important first, without empty ones."""
    return sorted((finding for finding in findings if finding.text), key=lambda finding: finding.topic)
