"""The layout of a directed acyclic graph in layers.

Longest paths give the layers, barycenters the order in each (Sugiyama, Tagawa and Toda 1981).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 8
ROUNDS = 24
_PULLS = (8.0, 1.0, 4.0)
"""The weights of pieces of an edge: inner pieces, end pieces, and edges of a single piece.

Inner pieces weigh most, so that long edges become straight (Gansner et al. 1993).
"""


@dataclass(slots=True)
class PlacedItem:
    """A node, or the point where an edge passes through a layer.

    Attributes:
        layer: number of the layer, from 0.
        size: size across the layer.
        node: number of the node; None for a point of an edge.
        y: position of the middle across the layer.
        before: items in the previous layer that lead to it.
        after: items in the next layer that it leads to.
    """

    layer: int
    size: float
    node: int | None
    y: float = 0.0
    before: list["PlacedItem"] = field(default_factory=list)
    after: list["PlacedItem"] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLayout:
    """The positions of nodes and edges.

    Attributes:
        layers: the items of each layer, in order.
        edges: for each edge the items on its path, with both ends.
    """

    layers: tuple[tuple[PlacedItem, ...], ...]
    edges: tuple[tuple[PlacedItem, ...], ...]


def lay_out(reads: Sequence[Sequence[int]], size: float, lane: float) -> GraphLayout:
    """Returns the layout of a graph.

    Args:
        reads: for each node, the earlier nodes that lead to it.
        size: size of a node across its layer.
        lane: size of an edge that passes through a layer.
    """
    layer_of = _layers(reads)
    nodes = [PlacedItem(layer=layer, size=size, node=node) for node, layer in enumerate(layer_of)]
    layers: list[list[PlacedItem]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for item in nodes:
        layers[item.layer].append(item)
    edges: list[tuple[PlacedItem, ...]] = []
    passing: dict[tuple[int, int], PlacedItem] = {}
    for node, sources in enumerate(reads):
        for source in sources:
            path = [nodes[source]]
            for layer in range(layer_of[source] + 1, layer_of[node]):
                # An edge to several readers passes through each layer once.
                if (source, layer) not in passing:
                    passing[source, layer] = PlacedItem(layer=layer, size=lane, node=None)
                    layers[layer].append(passing[source, layer])
                path.append(passing[source, layer])
            path.append(nodes[node])
            edges.append(tuple(path))
            for one, other in pairwise(path):
                if not any(known is other for known in one.after):
                    one.after.append(other)
                    other.before.append(one)
    _order(layers)
    _straighten(layers)
    return GraphLayout(layers=tuple(map(tuple, layers)), edges=tuple(edges))


def _layers(reads: Sequence[Sequence[int]]) -> list[int]:
    """Returns each node's layer: its longest path; nodes without sources go right before their first reader."""
    layers: list[int] = []
    for sources in reads:
        layers.append(1 + max((layers[source] for source in sources), default=-1))
    first_reader: dict[int, int] = {}
    for node, sources in enumerate(reads):
        for source in sources:
            first_reader[source] = min(first_reader.get(source, layers[node]), layers[node])
    return [
        max(first_reader[node] - 1, 0) if not reads[node] and node in first_reader else layer
        for node, layer in enumerate(layers)
    ]


def _order(layers: list[list[PlacedItem]]) -> None:
    """Orders each layer by the mean position of the neighbors, forth and back, so that few edges cross."""
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for above, layer in pairwise(layers if forth else layers[::-1]):
            position_of = {id(item): position for position, item in enumerate(above)}
            own = {id(item): position for position, item in enumerate(layer)}

            def barycenter(
                item: PlacedItem,
                position_of: dict[int, int] = position_of,
                own: dict[int, int] = own,
                forth: bool = forth,
            ) -> float:
                neighbors = item.before if forth else item.after
                if not neighbors:
                    return float(own[id(item)])
                return sum(position_of[id(other)] for other in neighbors) / len(neighbors)

            layer.sort(key=barycenter)


def _straighten(layers: list[list[PlacedItem]]) -> None:
    """Moves each item towards its neighbors, as far as the items next to it allow."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer))
    for step in range(ROUNDS):
        # One side at a time: if moved towards both, a long row of nodes needs many rounds to become straight.
        forth = step % 2 == 0
        for layer in layers if forth else layers[::-1]:
            _settle(layer, [_wanted(item, item.before if forth else item.after) for item in layer])


def _wanted(item: PlacedItem, neighbors: Sequence[PlacedItem]) -> float:
    pulls = [(other.y, _PULLS[(other.node is not None) + (item.node is not None)]) for other in neighbors]
    if not pulls:
        return item.y
    return sum(y * pull for y, pull in pulls) / sum(pull for _, pull in pulls)


def _settle(layer: Sequence[PlacedItem], wanted: Sequence[float]) -> None:
    """Moves items as near to the wanted positions as their order and sizes allow: isotonic regression.

    Items in conflict are pooled at their mean (Barlow et al. 1972).
    """
    offsets = [0.0]
    for one, other in pairwise(layer):
        offsets.append(offsets[-1] + (one.size + other.size) / 2)
    pools: list[tuple[float, int]] = []
    for target, offset in zip(wanted, offsets, strict=False):
        pools.append((target - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, count), (more, others) = pools[-2:]
            pools[-2:] = [((mean * count + more * others) / (count + others), count + others)]
    settled = [mean for mean, count in pools for _ in range(count)]
    for item, base, offset in zip(layer, settled, offsets, strict=False):
        item.y = base + offset
