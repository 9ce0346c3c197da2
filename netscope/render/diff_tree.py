"""The changes of a diff as a tree, in which equal, repeated and entire parts can be folded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from netscope.render.diff_attributes import describe_layer
from netscope.render.tree import MIN_RUN_LENGTH
from netscope.schema import Figures, LayerChange, ModelDiff
from netscope.schema.diff import NOTHING


@dataclass(slots=True)
class DiffNode:
    """A change and the nodes below it.

    Attributes:
        change: the displayed change; for a run, the change of its first member.
        label: the displayed name; for a run, the names of its first and last member.
        former_name: the name before, if it differs; empty otherwise.
        figures: before and after, including everything below; for a run, the sums of all members.
        children: nodes below it.
        equal_count: number of equal siblings that are merged into this node; 0 for any other node.
        copies: number of siblings with the same change that are merged into this node.
        member: for a run, the figures of its first member, to which the children belong; None for any other node.
        has_hidden_children: whether something below it is not shown.
        is_same: whether it and everything below it, shown or not, are of kind ``"same"``.
        is_unaffected: whether nothing but names and shapes differs in it and below it.
        has_remaining_descendants: whether it was removed, but not everything below it.
        is_subtree_change: whether it was added, removed or moved together with everything below it.
        has_renamed_descendants: whether a module below it was renamed.
    """

    change: LayerChange
    label: str
    former_name: str
    figures: tuple[Figures, Figures] = (NOTHING, NOTHING)
    children: list["DiffNode"] = field(default_factory=list)
    equal_count: int = 0
    copies: int = 1
    member: tuple[Figures, Figures] | None = None
    has_hidden_children: bool = False
    is_same: bool = False
    is_unaffected: bool = False
    has_remaining_descendants: bool = False
    is_subtree_change: bool = False
    has_renamed_descendants: bool = False

    @property
    def is_renamed(self) -> bool:
        """Whether its name differs in more than its number."""
        return bool(self.former_name) and not (self.former_name.isdigit() and self.label.isdigit())


def build_trees(diff: ModelDiff) -> list[DiffNode]:
    """Returns the roots of the changes' trees, in order; a removed module is below its former parent."""
    with_names = "names" not in diff.ignored
    nodes = [_make_node(change, with_names=with_names) for change in diff.changes]
    before = {node.change.before.path: node for node in nodes if node.change.before is not None}
    after = {node.change.after.path: node for node in nodes if node.change.after is not None}
    roots: list[DiffNode] = []
    ancestors = _find_ancestors_of_remaining(diff)
    for node in nodes:
        path = node.change.row.path
        node.has_remaining_descendants = node.change.kind == "removed" and path in ancestors
        parent = (before if node.change.after is None else after).get(_parent_of(path)) if path else None
        (roots if parent is None else parent.children).append(node)
    for root in roots:
        _complete(root)
    return roots


def _make_node(change: LayerChange, *, with_names: bool) -> DiffNode:
    """Returns a node without children; a former name is the whole path if the module moved."""
    row = change.row
    former_name = ""
    if with_names and change.before and change.after and change.before.path != change.after.path:
        if change.kind == "moved":
            former_name = change.before.path
        elif change.before.name != change.after.name:
            former_name = change.before.name
    return DiffNode(change=change, label=row.name or row.type_name, former_name=former_name)


def _find_ancestors_of_remaining(diff: ModelDiff) -> set[str]:
    """Returns the former paths of all modules above a module that is in both architectures."""
    found: set[str] = set()
    for change in diff.changes:
        path = change.before.path if change.before and change.after else ""
        while path and (path := _parent_of(path)) not in found:
            found.add(path)
    return found


def _parent_of(path: str) -> str:
    return path.rpartition(".")[0]


def _complete(node: DiffNode) -> None:
    """Sets the attributes that depend on the nodes below, bottom up."""
    for child in node.children:
        _complete(child)
    kind, children = node.change.kind, node.children
    node.is_same = kind == "same" and all(child.is_same for child in children)
    node.is_subtree_change = (
        kind in ("added", "removed", "moved")
        and not node.has_remaining_descendants
        and all(child.is_subtree_change and child.change.kind == kind for child in children)
    )
    node.has_renamed_descendants = any(child.is_renamed or child.has_renamed_descendants for child in children)
    node.figures = _sum_figures(node)
    node.is_unaffected = node.is_same and node.change.has_same_cost and all(child.is_unaffected for child in children)


def _sum_figures(node: DiffNode) -> tuple[Figures, Figures]:
    """Returns the figures before and after.

    A module that was added or removed around others counts only what is shown below it, so that subtotals add up.
    """
    before, after = node.change.before, node.change.after
    if node.is_subtree_change or (before and after):
        return node.change.figures
    return sum_sides([node.change.own_figures, *(child.figures for child in node.children)])


def sum_sides(pairs: Sequence[tuple[Figures, Figures]]) -> tuple[Figures, Figures]:
    """Returns the sum of the figures before, and the sum of the figures after."""
    return Figures.sum(before for before, _ in pairs), Figures.sum(after for _, after in pairs)


def limit_depth(node: DiffNode, depth: int | None) -> DiffNode:
    """Returns the tree without the nodes more than ``depth`` levels below its root."""
    if depth is None:
        return node
    children = [limit_depth(child, depth - 1) for child in node.children] if depth else []
    return replace(node, children=children, has_hidden_children=len(children) < len(node.children))


def hide_unchanged(node: DiffNode) -> DiffNode:
    """Returns the tree without the nodes in which, including everything below, nothing changed."""
    children = [hide_unchanged(child) for child in node.children if not child.is_same]
    is_hidden = node.has_hidden_children or len(children) < len(node.children)
    return replace(node, children=children, has_hidden_children=is_hidden)


def fold_tree(node: DiffNode) -> DiffNode:
    """Returns the tree with runs of siblings merged, and without the children of unchanged and of entire parts.

    A part is entire if it was added, removed or moved together with everything below it. The children of the root are
    hidden only if nothing in the tree differs.
    """
    is_unchanged = node.is_same and not node.has_renamed_descendants
    is_uniform = node.is_subtree_change or (is_unchanged and (node.is_unaffected or node.change.row.path != ""))
    if node.children and is_uniform:
        return replace(node, children=[], has_hidden_children=True)
    return replace(node, children=_merge_runs([fold_tree(child) for child in node.children]))


def _merge_runs(nodes: list[DiffNode]) -> list[DiffNode]:
    """Returns the siblings with each run of equal ones, and each run with the same change, merged into one node."""
    merged: list[DiffNode] = []
    while nodes:
        count = _count_equal(nodes)
        if count > 1:
            merged.append(_merge_equal(nodes[:count]))
        else:
            count = _count_alike(nodes)
            merged += [_merge_alike(nodes[:count])] if count >= MIN_RUN_LENGTH else nodes[:count]
        nodes = nodes[count:]
    return merged


def _count_equal(nodes: Sequence[DiffNode]) -> int:
    """Returns the number of nodes before the first that differs between the sides or has children."""
    return next(
        (n for n, node in enumerate(nodes) if not node.is_unaffected or node.is_renamed or node.children), len(nodes)
    )


def _merge_equal(nodes: Sequence[DiffNode]) -> DiffNode:
    first, last = nodes[0], nodes[-1]
    is_shifted = first.former_name or last.former_name
    return replace(
        first,
        label=f"{first.label} … {last.label}",
        former_name=f"{first.former_name or first.label} … {last.former_name or last.label}" if is_shifted else "",
        equal_count=len(nodes),
    )


def _count_alike(nodes: Sequence[DiffNode]) -> int:
    """Returns the number of nodes, from the first on, that show the same change."""
    first = _folding_key(nodes[0])
    return next((n for n, node in enumerate(nodes) if n and _folding_key(node) != first), len(nodes))


def _folding_key(node: DiffNode) -> tuple[object, ...]:
    """Returns the visible content of a node, except for the number in its name; siblings of equal keys are merged."""
    change = node.change
    sides = [
        (side.type_name, side.output_shapes, side.total.params, side.total.flops) if side else None
        for side in (change.before, change.after)
    ]
    description = "" if change.before and change.after else describe_layer(change)
    label = "#" if node.label.strip("0123456789") == "" else node.label.rstrip("0123456789")
    attributes = tuple((item.name, item.before, item.after) for item in change.attributes if item.name != "reads_from")
    children = tuple((child.label, *_folding_key(child)) for child in node.children)
    return (change.kind, node.is_same, label, bool(node.former_name), *sides, description, attributes, children)


def _merge_alike(nodes: Sequence[DiffNode]) -> DiffNode:
    first, last = nodes[0], nodes[-1]
    stem = first.label.rstrip("0123456789")
    return replace(
        first,
        label=f"{first.label} … {last.label[len(stem) :]}",
        former_name=f"{first.former_name} … {last.former_name}" if first.former_name else "",
        figures=sum_sides([node.figures for node in nodes]),
        copies=len(nodes),
        member=first.figures,
    )


def walk(nodes: Sequence[DiffNode], *, lead: str = "", is_root: bool = True) -> Iterator[tuple[str, DiffNode]]:
    """Yields each node after its parent, with the tree lines that lead to it, such as ``"│  ├─ "``."""
    for node in nodes:
        last = node is nodes[-1]
        yield "" if is_root else lead + ("└─ " if last else "├─ "), node
        below = "" if is_root else lead + ("   " if last else "│  ")
        yield from walk(node.children, lead=below, is_root=False)
