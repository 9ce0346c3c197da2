"""The alignment of two architectures: pairs of layers that correspond to each other.

1. Equal subtrees that are unique on both sides are paired, then equal layers that are unique. They are the anchors.
2. The heaviest chain of anchors that is in the same order on both sides is fixed; anchors outside of it were moved.
3. Between the anchors of the chain, a sequence alignment pairs the other layers: equal, or replaced within one family.
4. Equal layers and subtrees that are still unpaired were moved.
5. Containers are paired last, by the layers that they share.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from netscope.analysis.diff.layers import LayerTree
from netscope.analysis.diff.sequence import COST, GAP_OPENING, IMPOSSIBLE, Costs, Pair, align

STAGE_TOLERANCE = 1.5
"""How many times the least cost an alignment within stages of the same names may cost to be preferred."""

MOVE_COST = 10 * COST


@dataclass(slots=True)
class Alignment:
    """Pairs of rows.

    Attributes:
        partners: position in ``after`` by position in ``before``.
        moved: positions in ``before`` whose partner is out of order.
    """

    partners: dict[int, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchor:
    """A subtree or layer that is equal and unique on both sides, by its first row on each."""

    before: int
    after: int
    rows: int
    weight: int


def align_trees(before: LayerTree, after: LayerTree) -> Alignment:
    """Returns the alignment of two architectures; swapping them gives the same pairs."""
    if _sort_key(after) < _sort_key(before):
        swapped = align_trees(after, before)
        return Alignment(
            partners={j: i for i, j in swapped.partners.items()}, moved={swapped.partners[i] for i in swapped.moved}
        )
    if before.subtrees[0] == after.subtrees[0]:
        return Alignment(partners={position: position for position in range(len(before.rows))})
    subtrees = _match_unique_subtrees(before, after)
    layers = _match_unique_layers(before, after, subtrees)
    free, staged = Costs(before, after), Costs(before, after, within_stages=True)
    alignment, cost = _align_with_best_anchors(free, free, subtrees, layers)
    if staged.has_stages:
        # Readers go by stages of the same names, unless the difference becomes much larger that way.
        by_stages, cost_by_stages = _align_with_best_anchors(staged, free, subtrees, layers)
        alignment = by_stages if cost_by_stages <= STAGE_TOLERANCE * cost else alignment
    _pair_containers(before, after, alignment)
    return alignment


def _align_with_best_anchors(
    costs: Costs, measured_by: Costs, subtrees: Sequence[_Anchor], layers: Sequence[_Anchor]
) -> tuple[Alignment, int]:
    """Returns the alignment of least cost among those with all anchors, with subtrees alone, and without anchors.

    Anchors can be wrong, since a layer may be unique by chance: 384→256 may be the fourth layer here, the fifth there.
    """
    found: list[tuple[Alignment, int]] = []
    for anchors in dict.fromkeys(((*subtrees, *layers), tuple(subtrees), ())):
        possible = [anchor for anchor in anchors if costs.of_pair(anchor.before, anchor.after) < IMPOSSIBLE]
        alignment = _align_around(costs, possible)
        found.append((alignment, _total_cost(measured_by, alignment)))
    return min(found, key=lambda pair: pair[1])


def _align_around(costs: Costs, anchors: Sequence[_Anchor]) -> Alignment:
    """Returns the alignment around anchors: their layers, the layers between them, and moved layers."""
    alignment = Alignment()
    chain = _find_heaviest_chain(anchors)
    for anchor in anchors:
        _add_pair(alignment, anchor, moved=anchor not in chain)
    ordered = sorted(chain, key=lambda anchor: anchor.before)
    for left, right in _split_between(costs.before, costs.after, ordered, alignment):
        alignment.partners.update(align(costs, left, right))
    _find_moved(costs.before, costs.after, alignment)
    return alignment


def _total_cost(costs: Costs, alignment: Alignment) -> int:
    """Returns the cost of an alignment: pairs and gaps cost as in ``align``, and a move costs little."""
    before, after = costs.before, costs.after
    taken = set(alignment.partners.values())
    removed = [p not in alignment.partners for p in before.layers]
    added = [p not in taken for p in after.layers]
    moved = [p in alignment.moved for p in before.layers]
    openings = GAP_OPENING * (_count_runs(removed) + _count_runs(added)) + MOVE_COST * _count_runs(moved)
    unpaired = sum(before.weights[p] for p, is_removed in zip(before.layers, removed, strict=True) if is_removed)
    unpaired += sum(after.weights[p] for p, is_added in zip(after.layers, added, strict=True) if is_added)
    paired = sum(costs.of_pair(p, alignment.partners[p]) for p in before.layers if p in alignment.partners)
    return openings + unpaired * COST + paired


def _count_runs(flags: Sequence[bool]) -> int:
    """Returns the number of runs of True."""
    return sum(1 for last, flag in pairwise([False, *flags]) if flag and not last)


def _sort_key(tree: LayerTree) -> tuple[bytes, list[str]]:
    """Returns a key that orders architectures; any order would do that depends on them alone."""
    return tree.subtrees[0], [row.path for row in tree.rows]


def _add_pair(alignment: Alignment, anchor: _Anchor, *, moved: bool) -> None:
    for step in range(anchor.rows):
        alignment.partners[anchor.before + step] = anchor.after + step
        if moved:
            alignment.moved.add(anchor.before + step)


def _match_unique_subtrees(before: LayerTree, after: LayerTree) -> list[_Anchor]:
    """Returns the outermost containers that are equal and unique on both sides."""
    containers = [p for p, children in enumerate(before.children) if children]
    others = [p for p, children in enumerate(after.children) if children]
    anchors: list[_Anchor] = []
    inside = 0
    for i, j in _match_unique(before.subtrees, containers, after.subtrees, others):
        if i >= inside:
            inside = before.ends[i]
            weight = sum(before.weights[i:inside])
            anchors.append(_Anchor(before=i, after=j, rows=inside - i, weight=weight))
    return anchors


def _match_unique_layers(before: LayerTree, after: LayerTree, anchors: Sequence[_Anchor]) -> list[_Anchor]:
    """Returns the layers outside of the anchors that are equal and unique on both sides."""
    taken_before = {p for anchor in anchors for p in range(anchor.before, anchor.before + anchor.rows)}
    taken_after = {p for anchor in anchors for p in range(anchor.after, anchor.after + anchor.rows)}
    pairs = _match_unique(
        before.signatures,
        [p for p in before.layers if p not in taken_before],
        after.signatures,
        [p for p in after.layers if p not in taken_after],
    )
    return [_Anchor(before=i, after=j, rows=1, weight=before.weights[i]) for i, j in pairs]


def _match_unique(
    before: Sequence[Hashable], of_before: Iterable[int], after: Sequence[Hashable], of_after: Iterable[int]
) -> list[Pair]:
    """Returns the pairs of positions whose keys are equal and unique on both sides, in order of ``before``."""
    first, second = list(of_before), list(of_after)
    counts = Counter(before[p] for p in first)
    others = Counter(after[p] for p in second)
    position_of = {after[p]: p for p in second}
    return [(p, position_of[before[p]]) for p in first if counts[before[p]] == 1 == others[before[p]]]


def _find_heaviest_chain(anchors: Sequence[_Anchor]) -> set[_Anchor]:
    """Returns the anchors of the largest total weight that are in the same order on both sides."""
    ordered = sorted(anchors, key=lambda anchor: anchor.before)
    # For each total weight, the first end at which it is reached. Both lists rise, so the best is found by bisection.
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


def _split_between(
    before: LayerTree, after: LayerTree, chain: Sequence[_Anchor], alignment: Alignment
) -> list[tuple[list[int], list[int]]]:
    """Returns the unpaired layers of both sides between each two anchors of the chain."""
    paired = set(alignment.partners.values())
    lefts = _cut([p for p in before.layers if p not in alignment.partners], [anchor.before for anchor in chain])
    rights = _cut([p for p in after.layers if p not in paired], [anchor.after for anchor in chain])
    return list(zip(lefts, rights, strict=True))


def _cut(positions: list[int], at: Sequence[int]) -> list[list[int]]:
    """Returns ``positions`` cut before each position of ``at``; both are in order."""
    cuts = [0, *(bisect_left(positions, position) for position in at), len(positions)]
    return [positions[start:end] for start, end in pairwise(cuts)]


def _find_moved(before: LayerTree, after: LayerTree, alignment: Alignment) -> None:
    """Pairs equal unpaired subtrees, and equal unpaired layers that are unique among the unpaired of both sides."""
    taken = set(alignment.partners.values())
    removed = {p for p in before.layers if p not in alignment.partners}
    added = {p for p in after.layers if p not in taken}

    def pair(i: int, j: int, rows: int) -> None:
        _add_pair(alignment, _Anchor(before=i, after=j, rows=rows, weight=0), moved=True)
        removed.difference_update(range(i, i + rows))
        added.difference_update(range(j, j + rows))

    subtrees, others = _find_complete_modules(before, removed), _find_complete_modules(after, added)
    for i, j in _match_equal_subtrees(before, subtrees, after, others):
        # A pair before may have taken some of their layers.
        if _has_all_layers(before, i, removed) and _has_all_layers(after, j, added):
            pair(i, j, before.ends[i] - i)
    for i, j in _match_unique(before.signatures, sorted(removed), after.signatures, sorted(added)):
        pair(i, j, 1)


def _find_complete_modules(tree: LayerTree, layers: set[int]) -> list[int]:
    """Returns the containers all of whose layers are among ``layers``, the largest first."""
    containers = [p for p, children in enumerate(tree.children) if children and _has_all_layers(tree, p, layers)]
    return sorted(containers, key=lambda p: (p - tree.ends[p], p))


def _has_all_layers(tree: LayerTree, position: int, layers: set[int]) -> bool:
    at, end = bisect_left(tree.layers, position), bisect_left(tree.layers, tree.ends[position])
    return at < end and all(tree.layers[k] in layers for k in range(at, end))


def _match_equal_subtrees(before: LayerTree, roots: list[int], after: LayerTree, others: list[int]) -> list[Pair]:
    """Returns pairs of equal subtrees, the first with the first."""
    equal: dict[bytes, list[int]] = defaultdict(list)
    for j in reversed(others):
        equal[after.subtrees[j]].append(j)
    return [(i, equal[before.subtrees[i]].pop()) for i in roots if equal[before.subtrees[i]]]


def _pair_containers(before: LayerTree, after: LayerTree, alignment: Alignment) -> None:
    """Pairs the containers, the ones that share the largest part of their layers first."""
    taken = set(alignment.partners.values())
    shared: Counter[Pair] = Counter()
    for i in before.layers:
        j = alignment.partners.get(i)
        if j is not None:
            shared.update((up, across) for up in before.ancestors(i) for across in after.ancestors(j))
    sizes_before, sizes_after = _count_layers(before), _count_layers(after)

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
        if i not in alignment.partners and j not in taken and _is_consistent(before, after, i, j, alignment):
            alignment.partners[i] = j
            taken.add(j)


def _count_layers(tree: LayerTree) -> list[int]:
    """Returns the number of layers in each row's subtree."""
    return [bisect_left(tree.layers, end) - bisect_left(tree.layers, start) for start, end in enumerate(tree.ends)]


def _is_consistent(before: LayerTree, after: LayerTree, i: int, j: int, alignment: Alignment) -> bool:
    """Whether the nearest paired ancestor of row i is paired with an ancestor of row j."""
    above = next((up for up in before.ancestors(i) if up in alignment.partners), None)
    return above is None or alignment.partners[above] in set(after.ancestors(j))
