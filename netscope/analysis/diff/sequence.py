"""The alignment of two runs of layers that costs least, in order of execution, with affine gaps (Gotoh 1982).

At cell (i, j) of the table, the first i rows of ``left`` and the first j rows of ``right`` are aligned. It is reached
in three states, and the least cost of each is stored, since continuing a gap is cheaper than opening one:

    (i − 1, j − 1)       (i − 1, j)
                 ╲            │
                PAIR      SKIP_LEFT: a row of left has no partner
                   ╲          │
                    ▼         ▼
    (i, j − 1) ─ SKIP_RIGHT ▶ (i, j)
                 a row of right has no partner

To find the path back, one byte per cell stores for each of the three states the state of the cell before:

    bits   7 6        5 4          3 2        1 0
          unused │ SKIP_RIGHT │ SKIP_LEFT │   PAIR

A cost has three ranks, each a million times the next, so that one integer holds them all and a rank only breaks ties of
the one before:

    … 000145            000006               000030
      × COST (10¹²)     × RANK (10⁶)         × 1
      layers left out   edges of gaps, and   names, paths and
      or replaced       other surroundings   output shapes
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from netscope.analysis.diff.layers import LIGHTEST, LayerTree, measure_dissimilarity
from netscope.analysis.diff.roles import find_role

Pair = tuple[int, int]

RANK = 10**6
COST = RANK * RANK
GAP_OPENING = 30 * COST
IMPOSSIBLE = 10**24

OTHER_STAGE = 15
"""Cost of a pair in stages of different names, in percent of the two weights."""

OTHER_ROLE = 50
"""Cost of a pair whose names tell different parts of attention, such as key and output, in percent of the weights."""

OTHER_RESOLUTION = 20
"""Additional cost of a replacement at another resolution, in percent of the two weights."""

SAME_PLACE = 10
"""Discount for a replacement under the same path, if no part of it is a number, in percent of the two weights."""

OTHER_NAMES = COST // 4
"""Cost of a pair of which one has a namesake beside the other; more than an edge of a gap, less than any weight."""

OTHER_SURROUNDINGS = 10 * RANK
SAME_PATH = 30
SAME_NAME = 10
SAME_OUTPUT = 5

MAX_DEPTH = 10
MIN_BAND = 64
MAX_CELLS = 4_000_000

NO_OUTPUT = -1
"""The resolution of a row without output."""

PAIR, SKIP_LEFT, SKIP_RIGHT = 0, 1, 2
"""The states of a cell, by the step that reaches it."""

STATE_BITS = 2
STATE_MASK = (1 << STATE_BITS) - 1
SKIP_LEFT_SHIFT, SKIP_RIGHT_SHIFT = STATE_BITS * SKIP_LEFT, STATE_BITS * SKIP_RIGHT


class Costs:
    """The cost of pairing two rows; the cost of each combination of signatures is computed once."""

    def __init__(self, before: LayerTree, after: LayerTree, *, within_stages: bool = False) -> None:
        self.before, self.after = before, after
        self._within_stages = within_stages
        self._replacing: dict[Pair, int] = {}
        self._signatures = _number_values(before.signatures, after.signatures)
        stages = _find_stages(before, after)
        self.has_stages = any(stages[0])
        self._stages = _number_values(*stages)
        self._surroundings = _number_values(_surroundings(before), _surroundings(after))
        sides = (before.rows, after.rows)
        self._paths = _number_values(*([row.path for row in rows] for rows in sides))
        self._names = _number_values(*([row.name for row in rows] for rows in sides))
        self._siblings = [_list_siblings(tree, names) for tree, names in zip((before, after), self._names, strict=True)]
        self._roles = [[frozenset(find_role(row.name)) for row in rows] for rows in sides]
        self._outputs = _number_values(*([row.output_shapes for row in rows] for rows in sides))
        resolutions = ([[size[2:] for size in row.output_shapes[:1]] for row in rows] for rows in sides)
        self._resolutions = _number_values(*resolutions)
        self._is_named = [not any(part.isdigit() for part in row.path.split(".")) for row in before.rows]

    def of_pair(self, i: int, j: int) -> int:
        """Returns the cost of pairing row i of ``before`` with row j of ``after``."""
        key = (self._signatures[0][i], self._signatures[1][j])
        cost = self._replacing.get(key)
        if cost is None:
            cost = self._replacing[key] = self._replacement_cost(i, j) if key[0] != key[1] else 0
        if cost == IMPOSSIBLE:
            return cost
        if self._within_stages and self._stages[0][i] != self._stages[1][j]:
            return IMPOSSIBLE
        percent = self._location_cost(i, j, replaces=cost > 0)
        if percent:
            cost += COST * ((self.before.weights[i] + self.after.weights[j]) * percent // 100)
        if self._surroundings[0][i] != self._surroundings[1][j]:
            cost += OTHER_SURROUNDINGS
        if self._paths[0][i] == self._paths[1][j]:
            cost -= SAME_PATH
        elif self._names[0][i] == self._names[1][j]:
            cost -= SAME_NAME
        elif self._have_namesakes(i, j):
            cost += OTHER_NAMES
        return cost - SAME_OUTPUT if self._outputs[0][i] == self._outputs[1][j] else cost

    def _have_namesakes(self, i: int, j: int) -> bool:
        """Whether one of two rows has a namesake beside the other."""
        return self._names[0][i] in self._siblings[1][j] or self._names[1][j] in self._siblings[0][i]

    def _have_other_roles(self, i: int, j: int) -> bool:
        role, other = self._roles[0][i], self._roles[1][j]
        return bool(role and other) and role.isdisjoint(other)

    def _location_cost(self, i: int, j: int, *, replaces: bool) -> int:
        """Returns the cost of different locations of two rows, in percent of their weights; may be negative."""
        percent = OTHER_STAGE if self._stages[0][i] != self._stages[1][j] else 0
        percent += OTHER_ROLE if self._have_other_roles(i, j) else 0
        if not replaces:
            return percent
        if self._paths[0][i] == self._paths[1][j] and self._is_named[i]:
            percent -= SAME_PLACE
        resolution, other = self._resolutions[0][i], self._resolutions[1][j]
        differs = resolution != other and NO_OUTPUT not in (resolution, other)
        return percent + OTHER_RESOLUTION if differs else percent

    def _replacement_cost(self, i: int, j: int) -> int:
        if self.before.families[i] != self.after.families[j]:
            return IMPOSSIBLE
        weights = self.before.weights[i] + self.after.weights[j]
        return COST * (weights * measure_dissimilarity(self.before.rows[i], self.after.rows[j]) // 100)


def _number_values(before: Iterable[object], after: Iterable[object]) -> tuple[list[int], list[int]]:
    """Returns numbers in place of the values, since they compare faster; ``NO_OUTPUT`` for an empty list."""
    numbers: dict[str, int] = {"[]": NO_OUTPUT}
    first, second = ([numbers.setdefault(repr(value), len(numbers)) for value in side] for side in (before, after))
    return first, second


def _list_siblings(tree: LayerTree, names: list[int]) -> list[set[int]]:
    """Returns for each row the names, unless they are numbers, of the rows of its family in the same module."""
    of_family: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    keys = list(zip(tree.parents, tree.families, strict=True))
    for row, key, name in zip(tree.rows, keys, names, strict=True):
        if not row.name.isdigit():
            of_family[key].add(name)
    return [of_family[key] for key in keys]


def _surroundings(tree: LayerTree) -> list[object]:
    """Returns the depth and the enclosing block of each row."""
    blocks = [tree.subtrees[parent] if parent else None for parent in tree.parents]
    return [(row.depth, block) for row, block in zip(tree.rows, blocks, strict=True)]


def _find_stages(before: LayerTree, after: LayerTree) -> tuple[list[str], list[str]]:
    """Returns for each row of either side the path of its stage, ``""`` for none.

    Stages are the root's children that have children and have the same name, not a number, on both sides. If there is
    only one, its children are examined instead.
    """
    common = _match_names(before, after, (0, 0))
    below = common
    while len(below) == 1:
        below = _match_names(before, after, *below.values())
        common = below or common
    stages = []
    for tree, starts in ((before, [i for i, _ in common.values()]), (after, [j for _, j in common.values()])):
        of_row = [""] * len(tree.rows)
        for start in starts:
            of_row[start : tree.ends[start]] = [tree.rows[start].path] * (tree.ends[start] - start)
        stages.append(of_row)
    return stages[0], stages[1]


def _match_names(before: LayerTree, after: LayerTree, parents: Pair) -> dict[str, Pair]:
    """Returns the children of two modules that have children and have the same name, not a number, on both sides."""
    names, others = (
        {tree.rows[p].name: p for p in tree.children[parent] if tree.children[p] and not tree.rows[p].name.isdigit()}
        for tree, parent in ((before, parents[0]), (after, parents[1]))
    )
    return {name: (position, others[name]) for name, position in names.items() if name in others}


def align(costs: Costs, left: list[int], right: list[int]) -> list[Pair]:
    """Returns the pairs, in order, of the alignment that costs least of rows ``left`` before and rows ``right`` after.

    The path is searched for in a band around the diagonal, which is widened as long as the path touches its border.
    """
    if not left or not right:
        return []
    edges = (_edge_costs(costs.before, left), _edge_costs(costs.after, right))
    band = MIN_BAND
    while True:
        path = _Band(costs, left, right, edges, band).find_path()
        widest = band >= max(len(left), len(right))
        too_wide = 2 * (2 * band + abs(len(left) - len(right))) * len(left) > MAX_CELLS
        if widest or too_wide or not path.touches_border:
            return path.pairs
        band *= 2


def _edge_costs(tree: LayerTree, rows: list[int]) -> list[int]:
    """Returns the cost of a gap's beginning or end before each row and after the last: low between blocks, high inside.

    One cut deep inside a block costs more than two further out. Among the layers of one block, a cut costs less before
    a layer with weights.
    """
    edges = [2 * RANK]
    for last, row in pairwise(rows):
        above = {row, *tree.ancestors(row)}
        shared = next((p for p in (last, *tree.ancestors(last)) if p in above), 0)
        is_light = tree.weights[row] <= LIGHTEST
        edges.append(RANK * (2 * 3 ** min(tree.rows[shared].depth, MAX_DEPTH) + is_light))
    return [*edges, 2 * RANK]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    pairs: list[Pair]
    touches_border: bool


class _Band:
    """The cells of the table that are within ``band`` of the diagonals through its corners."""

    def __init__(
        self, costs: Costs, left: list[int], right: list[int], edges: tuple[list[int], list[int]], band: int
    ) -> None:
        self.costs, self.left, self.right = costs, left, right
        self.edges_left, self.edges_right = edges
        self.lowest = min(0, len(right) - len(left)) - band
        self.highest = max(0, len(right) - len(left)) + band

    def find_path(self) -> _Path:
        """Returns the path of least cost through the band."""
        return self._trace_back(*self._fill())

    def _fill(self) -> tuple[list[bytearray], int]:  # noqa: C901 - three states of a cell, two ways or three to each
        """Returns for each cell how its states were reached, a byte each, and the last cell's state of least cost."""
        left, right, cost_of_pair = self.left, self.right, self.costs.of_pair
        edges_left, edges_right = self.edges_left, self.edges_right
        weights_left = [COST * self.costs.before.weights[row] for row in left]
        weights_right = [COST * self.costs.after.weights[row] for row in right]
        width = len(right) + 1
        # The least cost of each state, of the cells (i - 1, ...) and then of the cells (i, ...).
        pairs, skips_left, skips_right = [IMPOSSIBLE] * width, [IMPOSSIBLE] * width, [IMPOSSIBLE] * width
        reached_from: list[bytearray] = []
        for i in range(len(left) + 1):
            first, last = max(0, i + self.lowest), min(len(right), i + self.highest)
            new_pairs, new_skips_left, new_skips_right = (
                [IMPOSSIBLE] * width,
                [IMPOSSIBLE] * width,
                [IMPOSSIBLE] * width,
            )
            reached = bytearray(last - first + 1)
            if i == 0:
                new_pairs[0] = 0
            edge = edges_left[i]
            for j in range(first, last + 1):
                states = 0
                if i:
                    opening = GAP_OPENING + edges_left[i - 1] + edges_right[j]
                    best, state = pairs[j] + opening, PAIR
                    if skips_left[j] < best:
                        best, state = skips_left[j], SKIP_LEFT
                    if skips_right[j] + opening < best:
                        best, state = skips_right[j] + opening, SKIP_RIGHT
                    new_skips_left[j] = best + weights_left[i - 1]
                    states = state << SKIP_LEFT_SHIFT
                if j > first:
                    opening = GAP_OPENING + edge + edges_right[j - 1]
                    best, state = new_pairs[j - 1] + opening, PAIR
                    if new_skips_right[j - 1] < best:
                        best, state = new_skips_right[j - 1], SKIP_RIGHT
                    if new_skips_left[j - 1] + opening < best:
                        best, state = new_skips_left[j - 1] + opening, SKIP_LEFT
                    new_skips_right[j] = best + weights_right[j - 1]
                    states |= state << SKIP_RIGHT_SHIFT
                if i and j:
                    best, state = pairs[j - 1], PAIR
                    closing = skips_left[j - 1] + edges_left[i - 1]
                    if closing < best:
                        best, state = closing, SKIP_LEFT
                    closing = skips_right[j - 1] + edges_right[j - 1]
                    if closing < best:
                        best, state = closing, SKIP_RIGHT
                    new_pairs[j] = best + cost_of_pair(left[i - 1], right[j - 1]) if best < IMPOSSIBLE else IMPOSSIBLE
                    states |= state
                reached[j - first] = states
            pairs, skips_left, skips_right = new_pairs, new_skips_left, new_skips_right
            reached_from.append(reached)
        final = (pairs[-1], skips_left[-1], skips_right[-1])
        return reached_from, final.index(min(final))

    def _trace_back(self, reached_from: list[bytearray], state: int) -> _Path:
        i, j = len(self.left), len(self.right)
        found: list[Pair] = []
        touches = False
        while i or j:
            first, last = max(0, i + self.lowest), min(len(self.right), i + self.highest)
            touches = touches or (j == first > 0) or (j == last < len(self.right))
            before = (reached_from[i][j - first] >> STATE_BITS * state) & STATE_MASK
            if state == PAIR:
                found.append((self.left[i - 1], self.right[j - 1]))
            i, j, state = i - (state != SKIP_RIGHT), j - (state != SKIP_LEFT), before
        return _Path(pairs=found[::-1], touches_border=touches)
