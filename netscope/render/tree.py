"""The rows of a summary as a tree, with runs of identical siblings folded into one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from netscope.schema import Figures, LayerRow

_NUMBER = re.compile(r"\d+")

SHORTEST_RUN = 3
"""Siblings that are folded: two are read faster than a fold."""


@dataclass(slots=True)
class TreeNode:
    """A row and the nodes below it.

    Attributes:
        row: what is shown; for a folded run the sum of its members.
        label: its name, ``"1 … 35"`` for a run.
        copies: how many identical siblings it stands for.
        children: below it; for a run those of one of its members.
        hidden: whether ``--depth`` cut its children off.
    """

    row: LayerRow
    label: str
    copies: int = 1
    children: list["TreeNode"] = field(default_factory=list)
    hidden: bool = False


def tree_of(rows: Sequence[LayerRow]) -> TreeNode:
    """The tree that ``rows``, a module before its children, stand for."""
    nodes = [TreeNode(row=row, label=row.name or row.type_name) for row in rows]
    open_nodes: list[TreeNode] = []
    for node in nodes:
        del open_nodes[node.row.depth :]
        if open_nodes:
            open_nodes[-1].children.append(node)
        open_nodes.append(node)
    return nodes[0]


def cut(root: TreeNode, depth: int | None) -> TreeNode:
    """The tree, from which what is deeper than ``depth`` is taken."""
    nodes = [root]
    for node in nodes:
        if depth is not None and node.row.depth >= depth:
            node.hidden, node.children = bool(node.children), []
        nodes += node.children
    return root


def fold(root: TreeNode, appearance: Callable[[LayerRow], object]) -> TreeNode:
    """The tree with every run of three or more identical siblings in one node, if they differ in their number alone.

    ``q_proj``, ``k_proj`` and ``v_proj`` are names that say something, and stay.

    Args:
        root: of the tree.
        appearance: what a row looks like in the table. Siblings are identical if they look the same and everything
            below them does.
    """
    numbers: dict[object, int] = {}
    folded: dict[int, tuple[TreeNode, int]] = {}
    nodes = [root]
    for node in nodes:
        nodes += node.children
    for node in reversed(nodes):  # those below come first; trees may be deeper than Python's stack
        pairs = [folded.pop(id(child)) for child in node.children]
        signature = (appearance(node.row), tuple((child.label, number) for child, number in pairs))
        number = numbers.setdefault(signature, len(numbers))
        folded[id(node)] = TreeNode(row=node.row, label=node.label, children=_joined(pairs), hidden=node.hidden), number
    return folded[id(root)][0]


def _joined(pairs: Sequence[tuple[TreeNode, int]]) -> list[TreeNode]:
    joined: list[TreeNode] = []
    start = 0
    while start < len(pairs):
        end = start + 1
        while end < len(pairs) and pairs[end][1] == pairs[start][1] and _numbered_alike(pairs[end][0], pairs[start][0]):
            end += 1
        run = [node for node, _ in pairs[start:end]]
        joined += [_run(run)] if len(run) >= SHORTEST_RUN else run
        start = end
    return joined


def _numbered_alike(node: TreeNode, other: TreeNode) -> bool:
    stem = _NUMBER.sub("#", node.label)
    return "#" in stem and stem == _NUMBER.sub("#", other.label)


def _run(nodes: Sequence[TreeNode]) -> TreeNode:
    first, last = nodes[0], nodes[-1]
    rows = [node.row for node in nodes]
    summed = replace(first.row, own=Figures.sum(row.own for row in rows), total=Figures.sum(row.total for row in rows))
    return TreeNode(
        row=summed,
        label=f"{first.label} … {last.label[_common_stem(first.label, last.label) :]}",
        copies=len(nodes),
        children=first.children,
        hidden=first.hidden,
    )


def _common_stem(first: str, last: str) -> int:
    """How much of two names is the same before their numbers: ``block_9`` and ``block_11`` have ``block_``."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    return len(first[:same].rstrip("0123456789"))
