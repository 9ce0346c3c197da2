"""An architecture as the alignment uses it: its rows as a tree, with their signatures and weights."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, log2, log10

from netscope.schema import InputSpec, LayerRow, LayerTensor, PlainValue, Summary
from netscope.schema.diff_families import find_family

LIGHTEST = 10
"""The weight of a layer without parameters; a layer with n parameters weighs 10 log₁₀ n more."""

COSMETIC = frozenset({"inplace", "layer_idx"})
"""Hyperparameters that change no result, or only number a layer among its siblings."""

BLOCK = "block"
"""The family of all modules with children: one may replace another, and none is replaced by what it contains."""


@dataclass(slots=True)
class LayerTree:
    """The rows of a summary, a module before its children, with the tree between them.

    Attributes:
        rows: rows of the summary.
        inputs: inputs of the summary.
        parents: position of each row's parent, None for the root.
        ends: position after the last row of each subtree.
        children: positions of each row's children.
        signatures: value that is equal for equal rows, whatever their names, shapes and positions.
        subtrees: hash of each row's subtree, including its wiring.
        families: family of each row; a layer may replace another of its family.
        weights: cost of leaving each row unpaired.
        layers: positions of the rows that are aligned one by one: leaves, and containers with own weights.
    """

    rows: tuple[LayerRow, ...]
    inputs: tuple[InputSpec, ...]
    parents: list[int | None] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    children: list[list[int]] = field(default_factory=list)
    signatures: list[Hashable] = field(default_factory=list)
    subtrees: list[bytes] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, summary: Summary) -> "LayerTree":
        """Returns the tree of a summary."""
        return cls(rows=summary.rows, inputs=summary.inputs)

    def __post_init__(self) -> None:
        self._link_rows()
        for position, row in enumerate(self.rows):
            is_leaf = not self.children[position]
            self.signatures.append(_signature(row, is_leaf=is_leaf))
            self.families.append(find_family(row) if is_leaf else BLOCK)
            self.weights.append(compute_weight(row))
            if is_leaf or row.tensors or row.own.params or row.own.flops:
                self.layers.append(position)
        self.subtrees = list(self._hash_subtrees())

    def _link_rows(self) -> None:
        open_rows: list[int] = []
        self.ends = [len(self.rows)] * len(self.rows)
        for position, row in enumerate(self.rows):
            for closed in open_rows[row.depth :]:
                self.ends[closed] = position
            del open_rows[row.depth :]
            parent = open_rows[-1] if open_rows else None
            self.parents.append(parent)
            self.children.append([])
            if parent is not None:
                self.children[parent].append(position)
            open_rows.append(position)

    def _hash_subtrees(self) -> Iterator[bytes]:
        """Yields a hash of each subtree: of its rows, their depths and the rows inside that they read from."""
        position_of = {row.path: position for position, row in enumerate(self.rows)}
        sources = [[position_of.get(path, -1) for path in row.reads_from] for row in self.rows]
        plain = [repr(signature).encode() for signature in self.signatures]
        for start, end in enumerate(self.ends):
            digest = blake2b(digest_size=16)
            for position in range(start, end):
                inside = sorted(source - start if start <= source < end else -1 for source in sources[position])
                digest.update(plain[position])
                digest.update(f"|{self.rows[position].depth - self.rows[start].depth}|{inside}".encode())
            yield digest.digest()

    def ancestors(self, position: int) -> Iterator[int]:
        """Yields the ancestors of a row, its parent first."""
        parent = self.parents[position]
        while parent is not None:
            yield parent
            parent = self.parents[parent]


def _signature(row: LayerRow, *, is_leaf: bool) -> Hashable:
    """Returns a value that is equal for equal rows; a container without tensors has its own ops, not its class."""
    own = (tuple(_tensor_signature(tensor) for tensor in row.tensors), row.own.params, tuple(row.operations.items()))
    if not is_leaf and not row.tensors:
        return own
    return (row.type_name, select_hyperparameters(row), *own)


def _tensor_signature(tensor: LayerTensor) -> Hashable:
    return (tensor.name, tensor.shape, tensor.dtype, tensor.is_buffer, tensor.trainable, tensor.shared_with is not None)


def select_hyperparameters(row: LayerRow) -> tuple[tuple[str, PlainValue], ...]:
    """Returns the hyperparameters that layers are compared by, sorted by name.

    Values that read the same are equal: a missing one, None and ``"none"``; and numbers with the same six digits.
    """
    values = ((name, _simplify(value)) for name, value in row.hyperparameters.items() if name not in COSMETIC)
    return tuple(sorted((name, value) for name, value in values if value is not None))


def _simplify(value: PlainValue) -> PlainValue:
    if isinstance(value, str) and value.lower() == "none":
        return None
    return float(f"{value:g}") if isinstance(value, float) else value


def compute_weight(row: LayerRow) -> int:
    """Returns the cost of leaving a row unpaired: it grows with the row's own parameters or FLOPs."""
    return LIGHTEST + int(10 * max(log10(1 + row.own.params), log10(1 + row.own.flops) - 3, 0))


def measure_dissimilarity(before: LayerRow, after: LayerRow) -> int:
    """Returns the dissimilarity of two layers of one family, from 20 to 80 percent."""
    if before.hyperparameters.keys() == after.hyperparameters.keys() and before.hyperparameters:
        pairs = list(zip(before.hyperparameters.values(), after.hyperparameters.values(), strict=True))
        if list(before.hyperparameters) != list(after.hyperparameters):
            pairs = [(value, after.hyperparameters[name]) for name, value in before.hyperparameters.items()]
        far = sum(_distance(value, other) for value, other in pairs if value != other) / len(pairs)
    else:
        far = 1.0 if before.own.params != after.own.params else 0.5
    return 20 + int(60 * (far if before.type_name == after.type_name else (1 + far) / 2))


def _distance(value: PlainValue, other: PlainValue) -> float:
    """Returns the distance of two different values, from 0 to 1; for numbers it grows with their ratio."""
    if isinstance(value, tuple) and isinstance(other, tuple) and value and other:
        return _distance(value[0], other[0]) if value[0] != other[0] else 0.5
    if isinstance(value, (int, float)) and isinstance(other, (int, float)) and 0 < value < inf and 0 < other < inf:
        return min(1.0, abs(log2(value / other)) / 4)
    return 1.0
