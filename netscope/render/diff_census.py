"""Findings about two architectures as a whole: the kinds of modules and ops that came or went, wherever they are.

They rest on counts of either side and not on the alignment, so they hold for architectures with little in common.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from netscope.render.diff_topics import Finding, Topic
from netscope.render.numbers import count_nouns
from netscope.schema import LayerRow, ModelDiff

ATTENTION = "attention layer"
SQUEEZE_EXCITATION = "squeeze-and-excitation block"

_CLASSES = (
    (SQUEEZE_EXCITATION, re.compile(r"[Ss]queeze_?[Ee]xc|(^|Effective)S[Ee](Module|Layer|Block|Unit|Net|$)")),
    ("batch normalization layer", re.compile("batch_?norm", re.IGNORECASE)),
    ("layer normalization layer", re.compile("layer_?norm", re.IGNORECASE)),
    ("group normalization layer", re.compile("group_?norm", re.IGNORECASE)),
    ("RMS normalization layer", re.compile("rms_?norm", re.IGNORECASE)),
    ("instance normalization layer", re.compile("instance_?norm", re.IGNORECASE)),
    ("local response normalization layer", re.compile("local_?response_?norm", re.IGNORECASE)),
    (ATTENTION, re.compile("attention|attn", re.IGNORECASE)),
    ("recurrent layer", re.compile(r"^(LSTM|GRU|RNN)")),
    ("average pooling layer", re.compile("^AvgPool")),
    ("embedding", re.compile("^Embedding$")),
)
"""Kinds of modules that people know by a name, by their classes; the first match counts."""

_ACTIVATIONS = {
    "relu": "ReLU",
    "hardtanh": "ReLU6",
    "gelu": "GELU",
    "silu": "SiLU",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hardswish": "hard-swish",
    "elu": "ELU",
    "leaky_relu": "leaky ReLU",
    "mish": "Mish",
    "softplus": "softplus",
    "_prelu_kernel": "PReLU",
}
"""Names of activations by their ops. Gates in squeeze-and-excitation blocks and in attention do not count."""

_SHIFT = 0.1
"""An activation that both sides have is named if its share of all activations differs by more."""

_NAMED_PARTS = 3


class Side:
    """The rows of one side of a diff, by kind."""

    def __init__(self, rows: Iterable[LayerRow]) -> None:
        self.rows = tuple(rows)
        found = {row.path: find_kind(row) for row in self.rows}
        self.kinds: dict[str, list[LayerRow]] = {}
        gated: list[str] = []
        for row in self.rows:
            kind = found.get(row.path)
            # A module inside another of its kind is a part of it.
            if kind and row.calls and not any(found.get(path) == kind for path in _ancestors(row.path)):
                self.kinds.setdefault(kind, []).append(row)
                gated += [row.path] if kind in (SQUEEZE_EXCITATION, ATTENTION) else []
        self._gates = frozenset(gated)

    def is_in_gate(self, row: LayerRow) -> bool:
        """Whether a row belongs to a squeeze-and-excitation block or to attention."""
        return not self._gates.isdisjoint((row.path, *_ancestors(row.path)))

    def count_weighted(self) -> int:
        """Returns the number of layers that multiply by their weights, outside of gates and attention."""
        return sum(1 for row in self.rows if row.own.params and row.own.flops and not self.is_in_gate(row))

    def count_activations(self) -> Counter[str]:
        """Returns how often each activation runs outside of gates and attention."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            if not self.is_in_gate(row):
                counts.update({_ACTIVATIONS[op]: count for op, count in row.operations.items() if op in _ACTIVATIONS})
        return counts

    def find_dtype(self) -> str:
        """Returns the dtype of most weights; empty if there are none."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            for tensor in row.tensors:
                if not tensor.is_buffer and tensor.shared_with is None:
                    counts[tensor.dtype] += tensor.elements
        return counts.most_common(1)[0][0] if counts else ""


def find_kind(row: LayerRow) -> str:
    """Returns the noun for a module's kind, such as ``"batch normalization layer"``; empty if it has none."""
    return next((kind for kind, pattern in _CLASSES if pattern.search(row.type_name)), "")


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        if path:
            yield path


def split_sides(diff: ModelDiff) -> tuple[Side, Side]:
    """Returns both sides of a diff."""
    return (
        Side(change.before for change in diff.changes if change.before),
        Side(change.after for change in diff.changes if change.after),
    )


def find_kinds(sides: tuple[Side, Side]) -> Iterator[tuple[str, Finding]]:
    """Yields the kinds of modules that came or went, each with the finding about it."""
    before, after = (side.kinds for side in sides)
    counts = {kind: (len(before.get(kind, ())), len(after.get(kind, ()))) for kind, _ in _CLASSES}
    came = [kind for kind, (was, now) in counts.items() if now and not was]
    went = [kind for kind, (was, now) in counts.items() if was and not now]
    new_norms, old_norms = ([kind for kind in kinds if "normalization" in kind] for kinds in (came, went))
    if len(new_norms) == len(old_norms) == 1:
        (old,), (new,) = old_norms, new_norms
        count = counts[new][1]
        text = f"{count_nouns(count, new)} instead of {old.removesuffix(' layer')}"
        yield new, Finding(Topic.KIND, text)
        yield old, Finding(Topic.KIND, "")
        came.remove(new)
        went.remove(old)
    for kind in came:
        yield kind, Finding(Topic.KIND, f"{count_nouns(counts[kind][1], kind)} added{_find_place(after[kind], 'to')}")
    for kind in went:
        yield (
            kind,
            Finding(Topic.KIND, f"{count_nouns(counts[kind][0], kind)} removed{_find_place(before[kind], 'from')}"),
        )
    weighted, others = (side.count_weighted() for side in sides)
    for kind, (was, now) in counts.items():
        # Fewer of them in more layers, or more in as many, is no consequence of another depth.
        if was and now and was != now and (now - was) * (others - weighted) <= 0:
            verb, preposition, (there, here) = (
                ("added", "to", (after, before)) if now > was else ("removed", "from", (before, after))
            )
            paths = {row.path for row in here[kind]}
            only_there = [row for row in there[kind] if row.path not in paths]
            if len(only_there) == abs(now - was):
                place = _find_place(only_there, preposition)
                yield kind, Finding(Topic.KIND, f"{count_nouns(len(only_there), kind)} {verb}{place}")
            else:
                yield kind, Finding(Topic.KIND, f"{was} → {count_nouns(now, kind)}")


def _find_place(rows: Sequence[LayerRow], preposition: str) -> str:
    """Returns where all of these modules are, such as `` to features``; empty if they are in several places."""
    parents = {re.sub(r"\d+", "*", row.path.rpartition(".")[0]) for row in rows}
    place = parents.pop()
    # Blocks that are everywhere need no place; layers that are in one part of each block do.
    is_notable = "*" not in place or (place.count("*") == 1 and find_kind(rows[0]) != SQUEEZE_EXCITATION)
    return f" {preposition} {place}" if place and not parents and is_notable else ""


def find_attention(sides: tuple[Side, Side]) -> Iterator[Finding]:
    """Yields how the attention differs, if it is of another class with other parts."""
    rows, others = (side.kinds.get(ATTENTION, []) for side in sides)
    if not rows or not others or rows[0].type_name == others[0].type_name:
        return
    parts, other_parts = map(_list_parts, sides)
    came, went = (
        [name for name in mine if name not in theirs] for mine, theirs in ((other_parts, parts), (parts, other_parts))
    )
    if came or went:
        text = "attention"
        text += f" with {', '.join(came[:_NAMED_PARTS])}" if came else ""
        text += f"{' instead of' if came else ' without'} {', '.join(went[:_NAMED_PARTS])}" if went else ""
        yield Finding(Topic.KIND, text)


def _list_parts(side: Side) -> list[str]:
    """Returns the names of the parameters and modules that attention modules have, whatever their own names."""
    attentions = [row for row in side.rows if find_kind(row) == ATTENTION and row.calls]
    paths = {row.path for row in attentions}
    names = dict.fromkeys("cosine similarity" for row in attentions if "linalg_vector_norm" in row.operations)
    for row in side.rows:
        parent, _, name = row.path.rpartition(".")
        if row.path in paths:
            names |= dict.fromkeys(tensor.name for tensor in row.tensors if not tensor.is_buffer)
        elif parent in paths and row.total.params:
            names[name] = None
    return list(names)


def find_activations(sides: tuple[Side, Side]) -> Iterator[Finding]:
    """Yields which activations replaced which."""
    before, after = (side.count_activations() for side in sides)
    came, went = ([name for name in mine if name not in theirs] for mine, theirs in ((after, before), (before, after)))
    if came and went:
        yield Finding(Topic.ACTIVATION, f"{_join(came)} instead of {_join(went)}")
    elif came or went:
        text = f"{_join(came)} in some activations" if came else f"no {_join(went)} any more"
        yield Finding(Topic.ACTIVATION, text)
    elif any(abs(before[name] / before.total() - after[name] / after.total()) > _SHIFT for name in before):
        changes = (f"{name} {before[name]} → {after[name]}" for name in before if before[name] != after[name])
        yield Finding(Topic.ACTIVATION, f"other shares of activations ({', '.join(changes)})")


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def are_activations(ops: Iterable[str]) -> bool:
    """Whether all of these ops, such as ``"relu ×2"``, are activations."""
    return all(op.partition(" ")[0] in _ACTIVATIONS for op in ops)


def find_dtype(sides: tuple[Side, Side]) -> str:
    """Returns the dtype of most weights after, such as ``"int8"``, if it is another one than before."""
    before, after = (side.find_dtype() for side in sides)
    return after.removeprefix("q") if after != before and before and after else ""


def count_identities(sides: tuple[Side, Side]) -> int:
    """Returns how many more modules there are whose class is Identity, which compute nothing."""
    before, after = (sum(1 for row in side.rows if is_identity(row)) for side in sides)
    return after - before


def is_identity(row: LayerRow) -> bool:
    """Whether a module is only a placeholder."""
    return row.type_name == "Identity" and not row.tensors and not row.ops
