"""A directed graph without cycles, laid out in layers.

Longest paths give the layers, barycentres the order in them (Sugiyama, Tagawa and Toda 1981).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 8
ROUNDS = 24
_PULLS = (8.0, 1.0, 4.0)
"""How much a piece of an edge pulls between two others, at one of its ends, and where it is all of the edge: what is
long should be straight (Gansner et al. 1993)."""


@dataclass(slots=True)
class DrawnPosition:
    """Of a node, or of a piece of an edge that passes through a layer.

    Attributes:
        layer: from 0 on.
        size: across the layer.
        node: its position; None for a piece of an edge.
        y: its middle across the layer.
        before: the places that lead to it, in the layer before.
        after: the places that it leads to, in the layer after.
    """

    layer: int
    size: float
    node: int | None
    y: float = 0.0
    before: list["DrawnPosition"] = field(default_factory=list)
    after: list["DrawnPosition"] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLayout:
    """Where everything stands.

    Attributes:
        layers: the places in each, in order.
        edges: for each edge the places on its way, both ends included.
    """

    layers: tuple[tuple[DrawnPosition, ...], ...]
    edges: tuple[tuple[DrawnPosition, ...], ...]


def lay_out(reads: Sequence[Sequence[int]], size: float, lane: float) -> GraphLayout:
    """Where each node stands.

    Args:
        reads: of each node, the nodes before it that lead to it.
        size: of a node across its layer.
        lane: of an edge that passes through a layer.
    """
    layer_of = _layers(reads)
    places = [DrawnPosition(layer=layer, size=size, node=node) for node, layer in enumerate(layer_of)]
    layers: list[list[DrawnPosition]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for place in places:
        layers[place.layer].append(place)
    edges: list[tuple[DrawnPosition, ...]] = []
    passing: dict[tuple[int, int], DrawnPosition] = {}
    for node, sources in enumerate(reads):
        for source in sources:
            way = [places[source]]
            for layer in range(layer_of[source] + 1, layer_of[node]):
                # What goes on to several readers passes by once.
                if (source, layer) not in passing:
                    passing[source, layer] = DrawnPosition(layer=layer, size=lane, node=None)
                    layers[layer].append(passing[source, layer])
                way.append(passing[source, layer])
            way.append(places[node])
            edges.append(tuple(way))
            for one, other in pairwise(way):
                if not any(item is other for item in one.after):
                    one.after.append(other)
                    other.before.append(one)
    _order(layers)
    _straighten(layers)
    return GraphLayout(layers=tuple(map(tuple, layers)), edges=tuple(edges))


def _layers(reads: Sequence[Sequence[int]]) -> list[int]:
    """The longest way to each; what has no way to it stands right before what it first leads to."""
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


def _order(layers: list[list[DrawnPosition]]) -> None:
    """Each layer by the mean of its neighbours' positions, forth and back, which lets few edges cross."""
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for above, layer in pairwise(layers if forth else layers[::-1]):
            position_of = {id(place): position for position, place in enumerate(above)}
            own = {id(place): position for position, place in enumerate(layer)}

            def barycentre(
                place: DrawnPosition,
                position_of: dict[int, int] = position_of,
                own: dict[int, int] = own,
                forth: bool = forth,
            ) -> float:
                neighbours = place.before if forth else place.after
                if not neighbours:
                    return float(own[id(place)])
                return sum(position_of[id(item)] for item in neighbours) / len(neighbours)

            layer.sort(key=barycentre)


def _straighten(layers: list[list[DrawnPosition]]) -> None:
    """Moves each towards its neighbours, as far as those beside it let it."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer))
    for step in range(ROUNDS):
        # Towards one side at a time: moved towards both, a long row of nodes takes long to become straight.
        forth = step % 2 == 0
        for layer in layers if forth else layers[::-1]:
            _settle(layer, [_wanted(place, place.before if forth else place.after) for place in layer])


def _wanted(place: DrawnPosition, neighbours: Sequence[DrawnPosition]) -> float:
    pulls = [(item.y, _PULLS[(item.node is not None) + (place.node is not None)]) for item in neighbours]
    if not pulls:
        return place.y
    return sum(y * pull for y, pull in pulls) / sum(pull for _, pull in pulls)


def _settle(layer: Sequence[DrawnPosition], wanted: Sequence[float]) -> None:
    """The places as near to where they should be as their order and sizes allow: isotonic regression.

    Neighbours in conflict are pooled at their mean (Barlow et al. 1972).
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
    for place, base, offset in zip(layer, settled, offsets, strict=False):
        place.y = base + offset
