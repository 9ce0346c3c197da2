"""The changes of a diff as a tree, with what is equal, and what is repeated, folded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netscope.render.tree import SHORTEST_RUN
from netscope.schema import Delta, LayerChange, ModelDiff


@dataclass(slots=True)
class Node:
    """A change and those below it.

    Attributes:
        change: what is shown; for a run its first member.
        label: its name; for a run its first and last.
        was: its name before, where it differs.
        delta: its figures' change, with everything below it; for a run the sum of its members'.
        children: below it.
        equal: of how many equal siblings it is a run; 0 for a node that is no such run.
        copies: how many siblings it stands for that changed alike.
        hidden: whether something below it is not shown.
    """

    change: LayerChange
    label: str
    was: str
    delta: Delta
    children: list["Node"] = field(default_factory=list)
    equal: int = 0
    copies: int = 1
    hidden: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing differs in it or below it but names and shapes."""
        own = self.change.kind == "same" and not self.change.own_delta and not self.delta
        return own and all(child.is_quiet for child in self.children)

    @property
    def is_renamed(self) -> bool:
        """Whether it stands under another name, which is no other number."""
        return bool(self.was) and not (self.was.isdigit() and self.label.isdigit())

    @property
    def holds_renamed(self) -> bool:
        """Whether something below it stands under another name."""
        return any(child.is_renamed or child.holds_renamed for child in self.children)


def trees_of(diff: ModelDiff) -> list[Node]:
    """The changes as trees, in their order; a removed module stands where its parent went."""
    after: dict[str, Node] = {}
    before: dict[str, Node] = {}
    roots: list[Node] = []
    with_names = "names" not in diff.ignored
    for change in diff.changes:
        node = _node(change, with_names=with_names)
        if change.after is not None:
            parent = after.get(_above(change.after.path)) if change.after.path else None
            after[change.after.path] = node
        else:
            parent = before.get(_above(change.row.path)) if change.row.path else None
        if change.before is not None:
            before[change.before.path] = node
        (parent.children if parent else roots).append(node)
    return roots


def _node(change: LayerChange, *, with_names: bool) -> Node:
    row = change.row
    was = ""
    if with_names and change.before and change.after and change.before.path != change.after.path:
        is_elsewhere = change.kind == "moved" or change.before.name == change.after.name
        was = change.before.path if change.kind == "moved" else "" if is_elsewhere else change.before.name
    return Node(change=change, label=row.name or row.type_name, was=was or "", delta=change.delta)


def _above(path: str) -> str:
    return path.rpartition(".")[0]


def cut(node: Node, depth: int | None) -> Node:
    """The tree without what is deeper than ``depth``."""
    if depth is None:
        return node
    children = [cut(child, depth) for child in node.children if child.change.row.depth <= depth]
    return Node(
        change=node.change,
        label=node.label,
        was=node.was,
        delta=node.delta,
        children=children,
        hidden=len(children) < len(node.children),
    )


def only_changed(node: Node) -> Node:
    """The tree without what is the same and holds nothing that is not."""
    children = [only_changed(child) for child in node.children if has_changed(child)]
    return Node(
        change=node.change,
        label=node.label,
        was=node.was,
        delta=node.delta,
        children=children,
        hidden=len(children) < len(node.children),
    )


def has_changed(node: Node) -> bool:
    """Whether it, or something below it, is of another kind than the same."""
    return node.change.kind != "same" or any(map(has_changed, node.children))


def folded(node: Node) -> Node:
    """The tree with equal siblings in one node, and with what was added, removed or moved as a whole closed."""
    is_whole = node.change.kind in ("added", "removed", "moved") and all(
        child.change.kind == node.change.kind for child in node.children
    )
    if node.children and (is_whole or (node.is_quiet and not node.holds_renamed)):
        return Node(change=node.change, label=node.label, was=node.was, delta=node.delta, hidden=True)
    children = _joined([folded(child) for child in node.children])
    return Node(
        change=node.change,
        label=node.label,
        was=node.was,
        delta=node.delta,
        children=children,
        hidden=node.hidden,
    )


def _joined(nodes: list[Node]) -> list[Node]:
    """Runs of equal nodes, and of those that changed alike, as one node each."""
    joined: list[Node] = []
    while nodes:
        count = _equal_ahead(nodes)
        if count > 1:
            joined.append(_equal(nodes[:count]))
        else:
            count = _alike_ahead(nodes)
            joined += [_run(nodes[:count])] if count >= SHORTEST_RUN else nodes[:count]
        nodes = nodes[count:]
    return joined


def _equal_ahead(nodes: Sequence[Node]) -> int:
    return next(
        (n for n, node in enumerate(nodes) if not node.is_quiet or node.is_renamed or node.children), len(nodes)
    )


def _equal(nodes: Sequence[Node]) -> Node:
    first, last = nodes[0], nodes[-1]
    shifted = first.was or last.was
    return Node(
        change=first.change,
        label=f"{first.label} … {last.label}",
        was=f"{first.was or first.label} … {last.was or last.label}" if shifted else "",
        delta=first.delta,
        equal=len(nodes),
    )


def _alike_ahead(nodes: Sequence[Node]) -> int:
    first = appearance(nodes[0])
    return next((n for n, node in enumerate(nodes) if n and appearance(node) != first), len(nodes))


def appearance(node: Node) -> tuple[object, ...]:
    """What tells a node from its siblings, but for its number."""
    change = node.change
    sides = [
        (side.type_name, tuple(side.hyperparameters.items()), side.output_shapes, side.params, side.flops)
        if side
        else None
        for side in (change.before, change.after)
    ]
    label = "#" if node.label.strip("0123456789") == "" else node.label.rstrip("0123456789")
    told = tuple((item.name, item.before, item.after) for item in change.attributes if item.name != "reads_from")
    return (change.kind, label, bool(node.was), *sides, told, tuple(map(_as_child, node.children)))


def _as_child(node: Node) -> tuple[object, ...]:
    return (node.label, *appearance(node))


def _run(nodes: Sequence[Node]) -> Node:
    first, last = nodes[0], nodes[-1]
    stem = first.label.rstrip("0123456789")
    return Node(
        change=first.change,
        label=f"{first.label} … {last.label[len(stem) :]}",
        was=f"{first.was} … {last.was}" if first.was else "",
        delta=Delta(
            params=sum(node.delta.params for node in nodes),
            trainable_params=sum(node.delta.trainable_params for node in nodes),
            flops=sum(node.delta.flops for node in nodes),
        ),
        children=first.children,
        copies=len(nodes),
        hidden=first.hidden,
    )


def walked(nodes: Sequence[Node], *, lead: str = "", is_root: bool = True) -> Iterator[tuple[str, Node]]:
    """Each node with the lines that lead to it."""
    for node in nodes:
        last = node is nodes[-1]
        yield "" if is_root else lead + ("└─ " if last else "├─ "), node
        below = "" if is_root else lead + ("   " if last else "│  ")
        yield from walked(node.children, lead=below, is_root=False)
