"""The rows of a summary as a tree, in which runs of identical siblings can be folded into one node."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from netscope.schema import Figures, LayerRow

_NUMBER = re.compile(r"\d+")

MIN_RUN_LENGTH = 3
"""The smallest number of siblings that are folded: two are read faster than a fold."""


@dataclass(slots=True)
class TreeNode:
    """A row of a summary and the nodes below it.

    Attributes:
        row: the module's row; for a folded run, the sum of its members.
        label: the displayed name, ``"1 … 35"`` for a run.
        copies: number of identical siblings that are folded into this node.
        member: for a run, the row of its first member, to which the children belong; None for any other node.
        children: nodes below it; for a run, the children of its first member.
        has_hidden_children: whether ``--depth`` removed its children.
    """

    row: LayerRow
    label: str
    copies: int = 1
    member: LayerRow | None = None
    children: list["TreeNode"] = field(default_factory=list)
    has_hidden_children: bool = False

    @property
    def is_member(self) -> bool:
        """Whether it shows one member of a run."""
        return self.member is not None and self.copies == 1


def show_member(run: TreeNode) -> TreeNode:
    """Returns the node of a run's first member, which its children add up to."""
    return replace(run, row=run.member or run.row, copies=1)


def build_tree(rows: Sequence[LayerRow]) -> TreeNode:
    """Returns the root of the tree of ``rows``, which list each module before its children."""
    nodes = [TreeNode(row=row, label=row.name or row.type_name) for row in rows]
    open_nodes: list[TreeNode] = []
    for node in nodes:
        del open_nodes[node.row.depth :]
        if open_nodes:
            open_nodes[-1].children.append(node)
        open_nodes.append(node)
    return nodes[0]


def limit_depth(root: TreeNode, depth: int | None) -> TreeNode:
    """Removes all nodes more than ``depth`` levels below the root, in place, and returns the root."""
    nodes = [root]
    for node in nodes:
        if depth is not None and node.row.depth >= depth:
            node.has_hidden_children, node.children = bool(node.children), []
        nodes += node.children
    return root


def fold_runs(root: TreeNode, folding_key: Callable[[LayerRow], object]) -> TreeNode:
    """Returns the tree in which each run of three or more identical siblings is one node.

    The names of the siblings may differ in a number only: ``q_proj``, ``k_proj`` and ``v_proj`` are never folded,
    because their names carry meaning.

    Args:
        root: root of the tree.
        folding_key: returns the visible content of a row. Siblings are identical if their keys and their subtrees are
            equal.
    """
    numbers: dict[object, int] = {}
    folded: dict[int, tuple[TreeNode, int]] = {}
    nodes = [root]
    for node in nodes:
        nodes += node.children
    # Children come before their parents. There is no recursion, because a tree may be deeper than Python's stack.
    for node in reversed(nodes):
        pairs = [folded.pop(id(child)) for child in node.children]
        signature = (folding_key(node.row), tuple((child.label, number) for child, number in pairs))
        number = numbers.setdefault(signature, len(numbers))
        folded[id(node)] = replace(node, children=_merge_runs(pairs)), number
    return folded[id(root)][0]


def _merge_runs(pairs: Sequence[tuple[TreeNode, int]]) -> list[TreeNode]:
    """Returns the siblings with each run merged, given each node with the number of its signature."""
    merged: list[TreeNode] = []
    start = 0
    while start < len(pairs):
        end = start + 1
        while end < len(pairs) and pairs[end][1] == pairs[start][1] and _have_same_stem(pairs[end][0], pairs[start][0]):
            end += 1
        run = [node for node, _ in pairs[start:end]]
        merged += [_merge(run)] if len(run) >= MIN_RUN_LENGTH else run
        start = end
    return merged


def _have_same_stem(node: TreeNode, other: TreeNode) -> bool:
    """Returns whether both names contain a number and differ in numbers only."""
    stem = _NUMBER.sub("#", node.label)
    return "#" in stem and stem == _NUMBER.sub("#", other.label)


def _merge(nodes: Sequence[TreeNode]) -> TreeNode:
    """Returns one node for a run: the first one's children, and the sums of all rows."""
    first, last = nodes[0], nodes[-1]
    rows = [node.row for node in nodes]
    summed = replace(first.row, own=Figures.sum(row.own for row in rows), total=Figures.sum(row.total for row in rows))
    label = f"{first.label} … {last.label[_measure_stem(first.label, last.label) :]}"
    return replace(first, row=summed, label=label, copies=len(nodes), member=first.row)


def _measure_stem(first: str, last: str) -> int:
    """Returns the length of the common start before the number: 6 for ``block_9`` and ``block_11``."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    return len(first[:same].rstrip("0123456789"))
