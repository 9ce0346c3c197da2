"""Which layer of one architecture stands for which of another.

Equal subtrees that are unique on both sides come first, then equal layers that are. The heaviest chain of them that is
in order on both sides holds the rest in place; those outside of it were moved. Between them a sequence alignment pairs
what is left, equal or replaced within one family. What is equal and still unpaired was moved as well. Modules that only
hold others are paired last, by what they hold.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from netscope.analysis.diff.layers import LayerTree
from netscope.analysis.diff.sequence import COST, IMPOSSIBLE, OPENING, Costs, Pair, align

MOST_FOR_STAGES = 1.5
MOVING = 10 * COST


@dataclass(slots=True)
class Alignment:
    """Pairs of rows.

    Attributes:
        partners: position before → position after.
        moved: those before whose partner is elsewhere.
    """

    partners: dict[int, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """Equal rows, each unique: a subtree or a single layer, by its first row on either side."""

    before: int
    after: int
    rows: int
    weight: int


def align_trees(before: LayerTree, after: LayerTree) -> Alignment:
    """The alignment of two architectures. Whichever is called before, it is the same."""
    if _order(after) < _order(before):
        turned = align_trees(after, before)
        return Alignment(
            partners={j: i for i, j in turned.partners.items()}, moved={turned.partners[i] for i in turned.moved}
        )
    if before.subtrees[0] == after.subtrees[0]:
        return Alignment(partners={position: position for position in range(len(before.rows))})
    subtrees = _unique_subtrees(before, after)
    layers = _unique_layers(before, after, subtrees)
    free, staged = Costs(before, after), Costs(before, after, within_stages=True)
    alignment, cost = _cheapest(free, free, subtrees, layers)
    if staged.has_stages:
        # Stages of the same names are what a reader goes by, unless it takes much more to tell the difference that way.
        by_stages, cost_by_stages = _cheapest(staged, free, subtrees, layers)
        alignment = by_stages if cost_by_stages <= MOST_FOR_STAGES * cost else alignment
    _pair_containers(before, after, alignment)
    return alignment


def _cheapest(
    costs: Costs, measured_by: Costs, subtrees: Sequence[_Anchor], layers: Sequence[_Anchor]
) -> tuple[Alignment, int]:
    """The alignment that takes least to tell, with all anchors, with subtrees alone, or without any.

    That something is there once on both sides may be chance: 384→256 may be the fourth here and the fifth there.
    """
    found: list[tuple[Alignment, int]] = []
    for anchors in dict.fromkeys(((*subtrees, *layers), tuple(subtrees), ())):
        possible = [anchor for anchor in anchors if costs.pairing(anchor.before, anchor.after) < IMPOSSIBLE]
        alignment = _around(costs, possible)
        found.append((alignment, _cost(measured_by, alignment)))
    return min(found, key=lambda pair: pair[1])


def _around(costs: Costs, anchors: Sequence[_Anchor]) -> Alignment:
    """The layers in pairs: those of the anchors, those between them, and what has moved."""
    alignment = Alignment()
    chain = _heaviest_chain(anchors)
    for anchor in anchors:
        _pair(alignment, anchor, moved=anchor not in chain)
    ordered = sorted(chain, key=lambda anchor: anchor.before)
    for left, right in _between(costs.before, costs.after, ordered, alignment):
        alignment.partners.update(align(costs, left, right))
    _find_moved(costs.before, costs.after, alignment)
    return alignment


def _cost(costs: Costs, alignment: Alignment) -> int:
    """What it takes to tell the alignment: replacing and leaving out as in ``align``, and little for a move."""
    before, after = costs.before, costs.after
    taken = set(alignment.partners.values())
    lost = [p not in alignment.partners for p in before.layers]
    found = [p not in taken for p in after.layers]
    moved = [p in alignment.moved for p in before.layers]
    beginnings = OPENING * (_runs(lost) + _runs(found)) + MOVING * _runs(moved)
    left_out = sum(before.weights[p] for p, gone in zip(before.layers, lost, strict=True) if gone)
    left_out += sum(after.weights[p] for p, new in zip(after.layers, found, strict=True) if new)
    paired = sum(costs.pairing(p, alignment.partners[p]) for p in before.layers if p in alignment.partners)
    return beginnings + left_out * COST + paired


def _runs(flags: Sequence[bool]) -> int:
    """How many runs of True there are."""
    return sum(1 for last, flag in pairwise([False, *flags]) if flag and not last)


def _order(tree: LayerTree) -> tuple[bytes, list[str]]:
    """Any order will do that depends on the architectures alone."""
    return tree.subtrees[0], [row.path for row in tree.rows]


def _pair(alignment: Alignment, anchor: _Anchor, *, moved: bool) -> None:
    for step in range(anchor.rows):
        alignment.partners[anchor.before + step] = anchor.after + step
        if moved:
            alignment.moved.add(anchor.before + step)


def _unique_subtrees(before: LayerTree, after: LayerTree) -> list[_Anchor]:
    """Modules with others below them that are there once on both sides, the outermost ones."""
    holders = [p for p, children in enumerate(before.children) if children]
    others = [p for p, children in enumerate(after.children) if children]
    anchors: list[_Anchor] = []
    inside = 0
    for i, j in _unique_pairs(before.subtrees, holders, after.subtrees, others):
        if i >= inside:
            inside = before.ends[i]
            weight = sum(before.weights[i:inside])
            anchors.append(_Anchor(before=i, after=j, rows=inside - i, weight=weight))
    return anchors


def _unique_layers(before: LayerTree, after: LayerTree, anchors: Sequence[_Anchor]) -> list[_Anchor]:
    """Layers outside of the anchors that are there once on both sides."""
    taken_before = {p for anchor in anchors for p in range(anchor.before, anchor.before + anchor.rows)}
    taken_after = {p for anchor in anchors for p in range(anchor.after, anchor.after + anchor.rows)}
    pairs = _unique_pairs(
        before.signatures,
        [p for p in before.layers if p not in taken_before],
        after.signatures,
        [p for p in after.layers if p not in taken_after],
    )
    return [_Anchor(before=i, after=j, rows=1, weight=before.weights[i]) for i, j in pairs]


def _unique_pairs(
    before: Sequence[Hashable], of_before: Iterable[int], after: Sequence[Hashable], of_after: Iterable[int]
) -> list[Pair]:
    """Positions whose keys are equal and there once on either side, in order of ``before``."""
    first, second = list(of_before), list(of_after)
    counts = Counter(before[p] for p in first)
    others = Counter(after[p] for p in second)
    place = {after[p]: p for p in second}
    return [(p, place[before[p]]) for p in first if counts[before[p]] == 1 == others[before[p]]]


def _heaviest_chain(anchors: Sequence[_Anchor]) -> set[_Anchor]:
    """Those of them that are in the same order on both sides and weigh most together."""
    ordered = sorted(anchors, key=lambda anchor: anchor.before)
    # For each weight that can be reached the first end: both rise, so that the best one is found by bisection.
    ends: list[int] = []
    weights: list[int] = []
    tips: list[int] = []
    previous: list[int | None] = []
    for number, anchor in enumerate(ordered):
        at = bisect_left(ends, anchor.after)
        previous.append(tips[at - 1] if at else None)
        weight = anchor.weight + (weights[at - 1] if at else 0)
        stop = at
        while stop < len(ends) and weights[stop] <= weight:
            stop += 1
        ends[at:stop], weights[at:stop], tips[at:stop] = [anchor.after], [weight], [number]
    chain: set[_Anchor] = set()
    link = tips[-1] if tips else None
    while link is not None:
        chain.add(ordered[link])
        link = previous[link]
    return chain


def _between(
    before: LayerTree, after: LayerTree, chain: Sequence[_Anchor], alignment: Alignment
) -> list[tuple[list[int], list[int]]]:
    """The layers between the links of the chain that have no partner yet."""
    paired = set(alignment.partners.values())
    lefts = _cut([p for p in before.layers if p not in alignment.partners], [anchor.before for anchor in chain])
    rights = _cut([p for p in after.layers if p not in paired], [anchor.after for anchor in chain])
    return list(zip(lefts, rights, strict=True))


def _cut(positions: list[int], at: Sequence[int]) -> list[list[int]]:
    """``positions`` in pieces, cut before each of ``at``; both are in order."""
    places = [0, *(bisect_left(positions, place) for place in at), len(positions)]
    return [positions[start:end] for start, end in pairwise(places)]


def _find_moved(before: LayerTree, after: LayerTree, alignment: Alignment) -> None:
    """Pairs what is equal and was left out on both sides: subtrees, and layers of which one is left on either."""
    taken = set(alignment.partners.values())
    lost = {p for p in before.layers if p not in alignment.partners}
    found = {p for p in after.layers if p not in taken}

    def pair(i: int, j: int, rows: int) -> None:
        _pair(alignment, _Anchor(before=i, after=j, rows=rows, weight=0), moved=True)
        lost.difference_update(range(i, i + rows))
        found.difference_update(range(j, j + rows))

    for i, j in _equal_in_turn(before, _whole(before, lost), after, _whole(after, found)):
        rows = before.ends[i] - i
        if _is_whole(before, i, lost) and _is_whole(after, j, found):
            pair(i, j, rows)
    for i, j in _unique_pairs(before.signatures, sorted(lost), after.signatures, sorted(found)):
        pair(i, j, 1)


def _whole(tree: LayerTree, layers: set[int]) -> list[int]:
    """The modules all of whose layers are among ``layers``, those that hold most first."""
    holders = [p for p, children in enumerate(tree.children) if children and _is_whole(tree, p, layers)]
    return sorted(holders, key=lambda p: (p - tree.ends[p], p))


def _is_whole(tree: LayerTree, position: int, layers: set[int]) -> bool:
    at, end = bisect_left(tree.layers, position), bisect_left(tree.layers, tree.ends[position])
    return at < end and all(tree.layers[k] in layers for k in range(at, end))


def _equal_in_turn(before: LayerTree, lost: list[int], after: LayerTree, found: list[int]) -> list[Pair]:
    """Equal subtrees, the first with the first."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for j in reversed(found):
        places[after.subtrees[j]].append(j)
    return [(i, places[before.subtrees[i]].pop()) for i in lost if places[before.subtrees[i]]]


def _pair_containers(before: LayerTree, after: LayerTree, alignment: Alignment) -> None:
    """Pairs the modules that only hold others, those that share most of what they hold first."""
    taken = set(alignment.partners.values())
    shared: Counter[Pair] = Counter()
    for i in before.layers:
        j = alignment.partners.get(i)
        if j is not None:
            shared.update((up, across) for up in before.ancestors(i) for across in after.ancestors(j))
    sizes_before, sizes_after = _sizes(before), _sizes(after)

    def closeness(pair: Pair) -> tuple[float, bool, bool, int, int]:
        (i, j), common = pair, shared[pair]
        row, other = before.rows[i], after.rows[j]
        return (
            -common / (sizes_before[i] + sizes_after[j]) * (2 if row.path == other.path else 1),
            row.name != other.name,
            row.type_name != other.type_name,
            abs(row.depth - other.depth),
            row.depth,
        )

    if 0 not in alignment.partners and 0 not in taken:
        alignment.partners[0] = 0
        taken.add(0)
    for i, j in sorted(shared, key=lambda pair: (closeness(pair), pair)):
        if i not in alignment.partners and j not in taken and _fits(before, after, i, j, alignment):
            alignment.partners[i] = j
            taken.add(j)


def _sizes(tree: LayerTree) -> list[int]:
    """How many layers each row holds."""
    return [bisect_left(tree.layers, end) - bisect_left(tree.layers, start) for start, end in enumerate(tree.ends)]


def _fits(before: LayerTree, after: LayerTree, i: int, j: int, alignment: Alignment) -> bool:
    """Whether the nearest paired module above either side is paired with one above the other."""
    above = next((up for up in before.ancestors(i) if up in alignment.partners), None)
    return above is None or alignment.partners[above] in set(after.ancestors(j))
