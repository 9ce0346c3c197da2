"""The cheapest alignment of two runs of layers in order of execution, with affine gaps (Gotoh 1982).

Costs are compared in three ranks, each a million times the next, so that one integer holds them all: what is left out
or replaced; where gaps begin and end, which is preferably where blocks do; and names, which settle what is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from netscope.analysis.diff.layers import LIGHTEST, LayerTree, measure_dissimilarity

Pair = tuple[int, int]

RANK = 10**6
COST = RANK * RANK
OPENING = 30 * COST
IMPOSSIBLE = 10**24

OTHER_STAGE = 15
OTHER_RESOLUTION = 20
SAME_PLACE = 10
"""Per cent of their weights: what a pair in stages of other names costs, what a replacement at another resolution costs
more, and what one under the same path costs less, if that is no mere number anywhere.
"""

OTHER_SURROUNDINGS = 10 * RANK
SAME_PATH = 30
SAME_NAME = 10
SAME_OUTPUT = 5

DEEPEST = 10
NARROWEST_BAND = 64
MOST_CELLS = 4_000_000

NEVER_RAN = -1
"""The number of the resolution of what has no output."""

_PAIR, _GAP_AFTER, _GAP_BEFORE = 0, 1, 2
"""How a cell was reached last: by a pair, by leaving out one of ``before``, or one of ``after``."""


class Costs:
    """What it costs to pair two rows, each combination of signatures reckoned once."""

    def __init__(self, before: LayerTree, after: LayerTree, *, within_stages: bool = False) -> None:
        self.before, self.after = before, after
        self._within_stages = within_stages
        self._replacing: dict[Pair, int] = {}
        self._signatures = _numbered(before.signatures, after.signatures)
        stages = _stages(before, after)
        self.has_stages = any(stages[0])
        self._stages = _numbered(*stages)
        self._surroundings = _numbered(_surroundings(before), _surroundings(after))
        sides = (before.rows, after.rows)
        self._paths = _numbered(*([row.path for row in rows] for rows in sides))
        self._names = _numbered(*([row.name for row in rows] for rows in sides))
        self._outputs = _numbered(*([row.output_shapes for row in rows] for rows in sides))
        resolutions = ([[size[2:] for size in row.output_shapes[:1]] for row in rows] for rows in sides)
        self._resolutions = _numbered(*resolutions)
        self._is_named = [not any(part.isdigit() for part in row.path.split(".")) for row in before.rows]

    def pairing(self, i: int, j: int) -> int:
        """Of row i before with row j after."""
        key = (self._signatures[0][i], self._signatures[1][j])
        cost = self._replacing.get(key)
        if cost is None:
            cost = self._replacing[key] = self._replacement(i, j) if key[0] != key[1] else 0
        if cost == IMPOSSIBLE:
            return cost
        if self._within_stages and self._stages[0][i] != self._stages[1][j]:
            return IMPOSSIBLE
        far = self._distance(i, j, replaces=cost > 0)
        if far:
            cost += COST * ((self.before.weights[i] + self.after.weights[j]) * far // 100)
        if self._surroundings[0][i] != self._surroundings[1][j]:
            cost += OTHER_SURROUNDINGS
        if self._paths[0][i] == self._paths[1][j]:
            cost -= SAME_PATH
        elif self._names[0][i] == self._names[1][j]:
            cost -= SAME_NAME
        return cost - SAME_OUTPUT if self._outputs[0][i] == self._outputs[1][j] else cost

    def _distance(self, i: int, j: int, *, replaces: bool) -> int:
        """How little the places of two rows are alike, in per cent of their weights."""
        far = OTHER_STAGE if self._stages[0][i] != self._stages[1][j] else 0
        if not replaces:
            return far
        if self._paths[0][i] == self._paths[1][j] and self._is_named[i]:
            far -= SAME_PLACE
        resolution, other = self._resolutions[0][i], self._resolutions[1][j]
        is_far = resolution != other and NEVER_RAN not in (resolution, other)
        return far + OTHER_RESOLUTION if is_far else far

    def _replacement(self, i: int, j: int) -> int:
        if self.before.families[i] != self.after.families[j]:
            return IMPOSSIBLE
        weights = self.before.weights[i] + self.after.weights[j]
        return COST * (weights * measure_dissimilarity(self.before.rows[i], self.after.rows[j]) // 100)


def _numbered(before: Iterable[object], after: Iterable[object]) -> tuple[list[int], list[int]]:
    """Equal values as equal numbers, which are compared faster; an empty list as ``NEVER_RAN``."""
    numbers: dict[str, int] = {"[]": NEVER_RAN}
    first, second = ([numbers.setdefault(repr(value), len(numbers)) for value in side] for side in (before, after))
    return first, second


def _surroundings(tree: LayerTree) -> list[object]:
    """For each row how deep it is, and in what block."""
    blocks = [tree.subtrees[parent] if parent else None for parent in tree.parents]
    return [(row.depth, block) for row, block in zip(tree.rows, blocks, strict=True)]


def _stages(before: LayerTree, after: LayerTree) -> tuple[list[str], list[str]]:
    """For each row of either side the path of the stage that it is in, ``""`` for none.

    Stages are the modules right below the root that hold others and have the same name on both sides, no mere number;
    where there is only one of them, those right below it.
    """
    common = _named_alike(before, after, (0, 0))
    inside = common
    while len(inside) == 1:
        inside = _named_alike(before, after, *inside.values())
        common = inside or common
    stages = []
    for tree, starts in ((before, [i for i, _ in common.values()]), (after, [j for _, j in common.values()])):
        of_row = [""] * len(tree.rows)
        for start in starts:
            of_row[start : tree.ends[start]] = [tree.rows[start].path] * (tree.ends[start] - start)
        stages.append(of_row)
    return stages[0], stages[1]


def _named_alike(before: LayerTree, after: LayerTree, places: Pair) -> dict[str, Pair]:
    """The modules right below two others that hold others themselves and have the same name, no mere number."""
    names, others = (
        {tree.rows[p].name: p for p in tree.children[place] if tree.children[p] and not tree.rows[p].name.isdigit()}
        for tree, place in ((before, places[0]), (after, places[1]))
    )
    return {name: (place, others[name]) for name, place in names.items() if name in others}


def align(costs: Costs, left: list[int], right: list[int]) -> list[Pair]:
    """The pairs of the cheapest alignment of the rows ``left`` before with the rows ``right`` after, in order.

    The path is looked for in a band around the diagonal, which is widened while the path touches its edge.
    """
    if not left or not right:
        return []
    edges = (_edges(costs.before, left), _edges(costs.after, right))
    band = NARROWEST_BAND
    while True:
        path = _Band(costs, left, right, edges, band).path()
        widest = band >= max(len(left), len(right))
        too_wide = 2 * (2 * band + abs(len(left) - len(right))) * len(left) > MOST_CELLS
        if widest or too_wide or not path.touches_the_edge:
            return path.pairs
        band *= 2


def _edges(tree: LayerTree, rows: list[int]) -> list[int]:
    """What it costs a gap to begin or end before each row, and behind the last: little between blocks, more inside.

    One cut deep inside costs more than two further out. Among layers of one block, it costs less before one with
    weights.
    """
    edges = [2 * RANK]
    for last, row in pairwise(rows):
        above = {row, *tree.ancestors(row)}
        shared = next((p for p in (last, *tree.ancestors(last)) if p in above), 0)
        is_light = tree.weights[row] <= LIGHTEST
        edges.append(RANK * (2 * 3 ** min(tree.rows[shared].depth, DEEPEST) + is_light))
    return [*edges, 2 * RANK]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    pairs: list[Pair]
    touches_the_edge: bool


class _Band:
    """The cells within ``band`` of the diagonals through both corners."""

    def __init__(
        self, costs: Costs, left: list[int], right: list[int], edges: tuple[list[int], list[int]], band: int
    ) -> None:
        self.costs, self.left, self.right = costs, left, right
        self.edges_left, self.edges_right = edges
        self.lowest = min(0, len(right) - len(left)) - band
        self.highest = max(0, len(right) - len(left)) + band

    def path(self) -> _Path:
        """The cheapest path through the band."""
        return self._walked_back(*self._filled())

    def _filled(self) -> tuple[list[bytearray], int]:  # noqa: C901 - three states of a cell, two ways or three to each
        """For each row of cells how each of its three states was reached, two bits each; and the last state."""
        left, right, pairing = self.left, self.right, self.costs.pairing
        edges_left, edges_right = self.edges_left, self.edges_right
        weights_left = [COST * self.costs.before.weights[row] for row in left]
        weights_right = [COST * self.costs.after.weights[row] for row in right]
        width = len(right) + 1
        pairs, afters, befores = [IMPOSSIBLE] * width, [IMPOSSIBLE] * width, [IMPOSSIBLE] * width
        came_from: list[bytearray] = []
        for i in range(len(left) + 1):
            first, last = max(0, i + self.lowest), min(len(right), i + self.highest)
            new_pairs, new_afters, new_befores = [IMPOSSIBLE] * width, [IMPOSSIBLE] * width, [IMPOSSIBLE] * width
            reached = bytearray(last - first + 1)
            if i == 0:
                new_pairs[0] = 0
            edge = edges_left[i]
            for j in range(first, last + 1):
                how = 0
                if i:
                    opened = OPENING + edges_left[i - 1] + edges_right[j]
                    best, state = pairs[j] + opened, _PAIR
                    if afters[j] < best:
                        best, state = afters[j], _GAP_AFTER
                    if befores[j] + opened < best:
                        best, state = befores[j] + opened, _GAP_BEFORE
                    new_afters[j] = best + weights_left[i - 1]
                    how = state << 2
                if j > first:
                    opened = OPENING + edge + edges_right[j - 1]
                    best, state = new_pairs[j - 1] + opened, _PAIR
                    if new_befores[j - 1] < best:
                        best, state = new_befores[j - 1], _GAP_BEFORE
                    if new_afters[j - 1] + opened < best:
                        best, state = new_afters[j - 1] + opened, _GAP_AFTER
                    new_befores[j] = best + weights_right[j - 1]
                    how |= state << 4
                if i and j:
                    best, state = pairs[j - 1], _PAIR
                    closed = afters[j - 1] + edges_left[i - 1]
                    if closed < best:
                        best, state = closed, _GAP_AFTER
                    closed = befores[j - 1] + edges_right[j - 1]
                    if closed < best:
                        best, state = closed, _GAP_BEFORE
                    new_pairs[j] = best + pairing(left[i - 1], right[j - 1]) if best < IMPOSSIBLE else IMPOSSIBLE
                    how |= state
                reached[j - first] = how
            pairs, afters, befores = new_pairs, new_afters, new_befores
            came_from.append(reached)
        final = (pairs[-1], afters[-1], befores[-1])
        return came_from, final.index(min(final))

    def _walked_back(self, came_from: list[bytearray], state: int) -> _Path:
        i, j = len(self.left), len(self.right)
        found: list[Pair] = []
        touches = False
        while i or j:
            first, last = max(0, i + self.lowest), min(len(self.right), i + self.highest)
            touches = touches or (j == first > 0) or (j == last < len(self.right))
            how = came_from[i][j - first]
            if state == _PAIR:
                i, j, state = i - 1, j - 1, how & 3
                found.append((self.left[i], self.right[j]))
            elif state == _GAP_AFTER:
                i, state = i - 1, how >> 2 & 3
            else:
                j, state = j - 1, how >> 4 & 3
        return _Path(pairs=found[::-1], touches_the_edge=touches)
