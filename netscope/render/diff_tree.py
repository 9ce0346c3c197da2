"""The changes of a diff as a tree, with what is equal, and what is repeated, folded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from netscope.render.diff_sentences import describe_layer
from netscope.render.tree import SHORTEST_RUN
from netscope.schema import LayerChange, ModelDiff


@dataclass(slots=True)
class DiffNode:
    """A change and those below it.

    Attributes:
        change: what is shown; for a run its first member.
        label: its name; for a run its first and last.
        was: its name before, where it differs.
        params: before and after, with everything below it; for a run of all its members.
        flops: likewise.
        children: below it.
        equal: of how many equal siblings it is a run; 0 for a node that is no such run.
        copies: how many siblings it stands for that changed alike.
        hidden: whether something below it is not shown.
        is_same: whether neither it nor anything below it, shown or not, is of another kind than the same.
        is_quiet: whether nothing differs in it or below it but names and shapes.
        is_dissolved: whether it was removed, and something that was below it was not.
        is_whole: whether it was added, removed or moved with everything below it.
        holds_renamed: whether something below it stands under another name.
    """

    change: LayerChange
    label: str
    was: str
    params: tuple[int, int] = (0, 0)
    flops: tuple[int, int] = (0, 0)
    children: list["DiffNode"] = field(default_factory=list)
    equal: int = 0
    copies: int = 1
    hidden: bool = False
    is_same: bool = False
    is_quiet: bool = False
    is_dissolved: bool = False
    is_whole: bool = False
    holds_renamed: bool = False

    @property
    def is_renamed(self) -> bool:
        """Whether it stands under another name, which is no other number."""
        return bool(self.was) and not (self.was.isdigit() and self.label.isdigit())


def trees_of(diff: ModelDiff) -> list[DiffNode]:
    """The changes as trees, in their order; a removed module stands where its parent went."""
    with_names = "names" not in diff.ignored
    nodes = [_node(change, with_names=with_names) for change in diff.changes]
    before = {node.change.before.path: node for node in nodes if node.change.before is not None}
    after = {node.change.after.path: node for node in nodes if node.change.after is not None}
    roots: list[DiffNode] = []
    still_needed = _above_what_stayed(diff)
    for node in nodes:
        path = node.change.row.path
        node.is_dissolved = node.change.kind == "removed" and path in still_needed
        parent = (before if node.change.after is None else after).get(_above(path)) if path else None
        (roots if parent is None else parent.children).append(node)
    for root in roots:
        _settle(root)
    return roots


def _node(change: LayerChange, *, with_names: bool) -> DiffNode:
    row = change.row
    was = ""
    if with_names and change.before and change.after and change.before.path != change.after.path:
        is_elsewhere = change.kind == "moved" or change.before.name == change.after.name
        was = change.before.path if change.kind == "moved" else "" if is_elsewhere else change.before.name
    return DiffNode(change=change, label=row.name or row.type_name, was=was or "")


def _above_what_stayed(diff: ModelDiff) -> set[str]:
    """Paths before of all modules that held one which is still there."""
    found: set[str] = set()
    for change in diff.changes:
        path = change.before.path if change.before and change.after else ""
        while path and (path := _above(path)) not in found:
            found.add(path)
    return found


def _above(path: str) -> str:
    return path.rpartition(".")[0]


def _settle(node: DiffNode) -> None:
    """Fills in what depends on everything below it."""
    for child in node.children:
        _settle(child)
    kind = node.change.kind
    node.is_same = kind == "same" and all(child.is_same for child in node.children)
    is_whole = all(child.is_whole and child.change.kind == kind for child in node.children)
    node.is_whole = kind in ("added", "removed", "moved") and is_whole and not node.is_dissolved
    node.holds_renamed = any(child.is_renamed or child.holds_renamed for child in node.children)
    node.params, node.flops = _figures(node, "params"), _figures(node, "flops")
    node.is_quiet = (
        node.is_same
        and not node.change.own_delta
        and not node.change.delta
        and all(child.is_quiet for child in node.children)
    )


def _figures(node: DiffNode, name: str) -> tuple[int, int]:
    """Before and after. Those of a module that only came or went are of what is below it, so that subtotals add up."""
    before, after = node.change.before, node.change.after
    if node.is_whole or (before and after):
        return getattr(before, name, 0), getattr(after, name, 0)
    own = own_figures(node.change, name)
    inside: list[tuple[int, int]] = [getattr(child, name) for child in node.children]
    return own[0] + sum(figures[0] for figures in inside), own[1] + sum(figures[1] for figures in inside)


def own_figures(change: LayerChange, name: str) -> tuple[int, int]:
    """Before and after, of what the module does itself."""
    return getattr(change.before, f"own_{name}", 0), getattr(change.after, f"own_{name}", 0)


def cut(node: DiffNode, depth: int | None) -> DiffNode:
    """The tree without what is more than ``depth`` levels below its root."""
    if depth is None:
        return node
    children = [cut(child, depth - 1) for child in node.children] if depth else []
    return replace(node, children=children, hidden=len(children) < len(node.children))


def only_changed(node: DiffNode) -> DiffNode:
    """The tree without what is the same and holds nothing that is not."""
    children = [only_changed(child) for child in node.children if not child.is_same]
    return replace(node, children=children, hidden=node.hidden or len(children) < len(node.children))


def folded(node: DiffNode) -> DiffNode:
    """The tree with equal siblings in one node, and closed what is the same or was added, removed or moved as a whole.

    The root is closed only if nothing in it differs.
    """
    is_settled = node.is_same and not node.holds_renamed and (node.is_quiet or node.change.row.path != "")
    if node.children and (node.is_whole or is_settled):
        return replace(node, children=[], hidden=True)
    return replace(node, children=_joined([folded(child) for child in node.children]))


def _joined(nodes: list[DiffNode]) -> list[DiffNode]:
    """Runs of equal nodes, and of those that changed alike, as one node each."""
    joined: list[DiffNode] = []
    while nodes:
        count = _equal_ahead(nodes)
        if count > 1:
            joined.append(_equal(nodes[:count]))
        else:
            count = _alike_ahead(nodes)
            joined += [_run(nodes[:count])] if count >= SHORTEST_RUN else nodes[:count]
        nodes = nodes[count:]
    return joined


def _equal_ahead(nodes: Sequence[DiffNode]) -> int:
    return next(
        (n for n, node in enumerate(nodes) if not node.is_quiet or node.is_renamed or node.children), len(nodes)
    )


def _equal(nodes: Sequence[DiffNode]) -> DiffNode:
    first, last = nodes[0], nodes[-1]
    shifted = first.was or last.was
    return replace(
        first,
        label=f"{first.label} … {last.label}",
        was=f"{first.was or first.label} … {last.was or last.label}" if shifted else "",
        equal=len(nodes),
    )


def _alike_ahead(nodes: Sequence[DiffNode]) -> int:
    first = appearance(nodes[0])
    return next((n for n, node in enumerate(nodes) if n and appearance(node) != first), len(nodes))


def appearance(node: DiffNode) -> tuple[object, ...]:
    """What tells a node from its siblings, but for its number."""
    change = node.change
    sides = [
        (side.type_name, side.output_shapes, side.params, side.flops) if side else None
        for side in (change.before, change.after)
    ]
    described = "" if change.before and change.after else describe_layer(change)
    label = "#" if node.label.strip("0123456789") == "" else node.label.rstrip("0123456789")
    told = tuple((item.name, item.before, item.after) for item in change.attributes if item.name != "reads_from")
    children = tuple(map(_as_child, node.children))
    return (change.kind, node.is_same, label, bool(node.was), *sides, described, told, children)


def _as_child(node: DiffNode) -> tuple[object, ...]:
    return (node.label, *appearance(node))


def _run(nodes: Sequence[DiffNode]) -> DiffNode:
    first, last = nodes[0], nodes[-1]
    stem = first.label.rstrip("0123456789")
    return replace(
        first,
        label=f"{first.label} … {last.label[len(stem) :]}",
        was=f"{first.was} … {last.was}" if first.was else "",
        params=(sum(node.params[0] for node in nodes), sum(node.params[1] for node in nodes)),
        flops=(sum(node.flops[0] for node in nodes), sum(node.flops[1] for node in nodes)),
        copies=len(nodes),
    )


def walked(nodes: Sequence[DiffNode], *, lead: str = "", is_root: bool = True) -> Iterator[tuple[str, DiffNode]]:
    """Each node with the lines that lead to it."""
    for node in nodes:
        last = node is nodes[-1]
        yield "" if is_root else lead + ("└─ " if last else "├─ "), node
        below = "" if is_root else lead + ("   " if last else "│  ")
        yield from walked(node.children, lead=below, is_root=False)
