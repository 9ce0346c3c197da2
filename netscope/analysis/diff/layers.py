"""An architecture as the alignment uses it: its rows as a tree, with their signatures and weights."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, log2, log10

from netscope.schema import InputSpec, LayerRow, LayerTensor, PlainValue, Summary

LIGHTEST = 10
"""The weight of a layer without parameters; a layer with n parameters weighs 10 log₁₀ n more."""

COSMETIC = frozenset({"inplace", "layer_idx"})
"""Hyperparameters that change no result, or only number a layer among its siblings."""

_FAMILIES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"in_channels", "out_channels", "kernel_size"}), "convolution"),
    (frozenset({"in_features", "out_features"}), "linear"),
    (frozenset({"input_size", "hidden_size"}), "recurrent"),
    (frozenset({"embed_dim", "num_heads"}), "attention"),
    (frozenset({"num_embeddings", "embedding_dim"}), "embedding"),
    (frozenset({"num_features"}), "normalization"),
    (frozenset({"normalized_shape"}), "normalization"),
    (frozenset({"num_channels", "num_groups"}), "normalization"),
    (frozenset({"num_parameters"}), "activation"),
    (frozenset({"kernel_size"}), "pooling"),
    (frozenset({"output_size"}), "pooling"),
)
"""The hyperparameters that identify a family of layers, whatever their class."""


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
            self.families.append(find_family(row))
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
    """Returns the hyperparameters that layers are compared by, sorted by name."""
    return tuple(sorted((name, value) for name, value in row.hyperparameters.items() if name not in COSMETIC))


def find_family(row: LayerRow) -> str:
    """Returns the family of a layer, such as ``"pooling"``; the name of its class if no family is known."""
    name = row.type_name.lower()
    for keys, found in _FAMILIES:
        if keys <= row.hyperparameters.keys():
            return f"transposed {found}" if "transpose" in name else found
    if "drop" in name or name == "identity":
        return "dropout"
    if "norm" in name:
        return "normalization"
    if "pool" in name:
        return "pooling"
    is_elementwise = not row.tensors and row.calls and row.input_shapes[:1] == row.output_shapes != ()
    if is_elementwise and row.operations:
        return "activation"
    return row.type_name


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
