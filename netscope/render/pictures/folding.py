"""The dataflow with modules folded to one node each, so that it is small enough to read.

Ops are in order of execution, so each follows the ops that it reads. The ops of one module call are consecutive, so
folding them to one node never closes a cycle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netscope.render.families import Family, family_of_op
from netscope.render.pictures.drawing import children_of
from netscope.schema import DataflowNode, LayerRow, Shape, Summary

MOST_NODES = 40
MOST_TRIES = 60
"""The maximum number of attempts to open a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNode:
    """An input, a module, an op that a module runs itself, or a run of identical modules.

    Attributes:
        path: path of the module, or of the first in the run.
        op: name of the op, ``"aten.add"``; empty for modules and inputs.
        copies: number of identical modules in the run.
        last: path of the last module in the run.
        types: types of the module and of the layers folded into it; empty for an op, ``"input"`` for an input.
        shape: output shape.
        family: family of the work in it.
        reads: positions of the nodes that it reads.
    """

    path: str
    op: str
    copies: int
    last: str
    types: tuple[str, ...]
    shape: Shape
    family: Family
    reads: tuple[int, ...]


@dataclass(slots=True)
class _OpGroup:
    """Ops that become one node, while the graph is being folded."""

    key: tuple[str, str]
    shape: Shape
    family: Family
    reads: set[int]
    types: tuple[str, ...]
    flops: int = 0
    copies: int = 1
    last: str = ""


def fold_flow(summary: Summary, dataflow: Sequence[DataflowNode]) -> tuple[FlowNode, ...]:
    """Returns the dataflow in up to about 40 nodes, with as many modules open as that allows.

    The outermost modules are opened first, and of identical modules only the first: the inside of a block is shown
    once, with its branches and skips. Modules that run matmuls themselves, such as attention, stay closed.
    """
    rows = {row.path: row for row in summary.rows}
    below = children_of(summary.rows)
    opened = {""}
    tries = 0
    waiting = _openable(below[""], below)
    while waiting and tries < MOST_TRIES:
        further: list[LayerRow] = []
        for row in waiting[: MOST_TRIES - tries]:
            tries += 1
            if len(_folded(dataflow, opened | {row.path}, rows, below)) <= MOST_NODES:
                opened.add(row.path)
                further += _openable(below[row.path], below)
        waiting = further
    groups = _folded(dataflow, opened, rows, below)
    if len(groups) > MOST_NODES:
        groups = _in_pieces(groups, -(-len(groups) // MOST_NODES))
    return _finished(groups)


def _openable(rows: Sequence[LayerRow], below: dict[str, list[LayerRow]]) -> list[LayerRow]:
    first = {(row.type_name, row.output_shapes): row for row in reversed(rows)}
    return [
        row for row in rows if below[row.path] and not row.own.flops and row is first[row.type_name, row.output_shapes]
    ]


def _folded(
    dataflow: Sequence[DataflowNode], opened: set[str], rows: dict[str, LayerRow], below: dict[str, list[LayerRow]]
) -> dict[int, _OpGroup]:
    """Returns the groups by position, in order of execution."""
    groups: dict[int, _OpGroup] = {}
    group_of: list[int] = []
    closed: dict[str, str] = {}
    before: tuple[str, str] | None = None
    for position, node in enumerate(dataflow):
        path = closed.get(node.path) if node.op else node.path
        if path is None:
            path = closed[node.path] = _closed_module(node.path, opened)
        is_own = not node.op or path in opened
        reads = {group_of[read] for read in node.reads}
        goes_on = before == (path, "")
        before = (path, (node.op or "input") if is_own else "")
        if not is_own and goes_on:
            number = group_of[-1]
        elif is_own and len(reads) == 1 and not node.flops and groups[min(reads)].key[1] != "input":
            # An op that reads a single node can become part of it: there is no other path between them.
            number = min(reads)
        else:
            number = position
        group_of.append(number)
        if number not in groups:
            types = (rows[path].type_name,) if not is_own and path in rows else () if node.op else ("input",)
            groups[number] = _OpGroup(
                key=before, shape=node.shape, family=Family.OTHER, reads=set(), types=types, last=path
            )
        _add(groups[number], node, reads - {number})
    for group in groups.values():
        _take_its_output(group, rows)
    leaves = {path for path, children in below.items() if not children}
    return _joined(_absorbed(groups, leaves), rows)


def _closed_module(path: str, opened: set[str]) -> str:
    """Returns the outermost closed module on the path, or the path itself."""
    parts = path.split(".")
    return next((outer for end in range(1, len(parts) + 1) if (outer := ".".join(parts[:end])) not in opened), path)


def _add(group: _OpGroup, node: DataflowNode, reads: set[int]) -> None:
    group.shape = node.shape
    group.family = min(group.family, family_of_op(node.op) if node.op else Family.OTHER)
    group.flops += node.flops or 0
    group.reads |= reads


def _take_its_output(group: _OpGroup, rows: dict[str, LayerRow]) -> None:
    """Sets a module's shape to its output shape, which may be a view of the last op's result."""
    path, op = group.key
    row = rows.get(path)
    if not op and row is not None and row.calls == 1 and row.output_shapes:
        group.shape = row.output_shapes[0]


def _readers(groups: dict[int, _OpGroup]) -> dict[int, set[int]]:
    readers: dict[int, set[int]] = {number: set() for number in groups}
    for number, group in groups.items():
        for read in group.reads:
            readers[read].add(number)
    return readers


def _absorbed(groups: dict[int, _OpGroup], leaves: set[str]) -> dict[int, _OpGroup]:
    """Returns the groups with norms and activations folded into the layer before them, if only they read it."""
    readers = _readers(groups)
    into: dict[int, int] = {}
    for number, group in groups.items():
        if len(group.reads) != 1 or group.family not in _TRIFLES or group.flops or not _is_leaf(group, leaves):
            continue
        source = next(iter(group.reads))
        target = into.get(source, source)
        before = groups[target]
        is_near = _above(before.key[0]) == _above(group.key[0]) and before.shape == group.shape
        if is_near and _is_leaf(before, leaves) and before.flops and readers[source] == {number}:
            into[number] = target
            before.types = (*before.types, *group.types)
            before.last = group.key[0]
    return _merged(groups, into)


_TRIFLES = (Family.NORMALIZATION, Family.OTHER)


def _is_leaf(group: _OpGroup, leaves: set[str]) -> bool:
    path, op = group.key
    return not op and path in leaves


def _above(path: str) -> str:
    return path.rpartition(".")[0]


def _joined(groups: dict[int, _OpGroup], rows: dict[str, LayerRow]) -> dict[int, _OpGroup]:
    """Returns the groups with runs of identical modules folded into one."""
    readers = _readers(groups)

    def kind(number: int) -> object:
        group = groups[number]
        path, op = group.key
        row = rows.get(path)
        return None if op or not path or row is None else (_above(path), group.types, row.hyperparameters, group.shape)

    into: dict[int, int] = {}
    for first, second in pairwise(groups):
        is_run = (
            kind(first) is not None
            and kind(first) == kind(second)
            and readers[first] - {second} <= readers[second]
            and first in groups[second].reads
            and groups[second].reads - {first} <= groups[first].reads
        )
        if is_run:
            into[second] = target = into.get(first, first)
            groups[target].copies += 1
            groups[target].last = groups[second].last
    return _merged(groups, into)


def _in_pieces(groups: dict[int, _OpGroup], length: int) -> dict[int, _OpGroup]:
    """Returns the groups with chains of modules cut into pieces of this length, for modules with very many children."""
    readers = _readers(groups)
    into: dict[int, int] = {}
    lengths: dict[int, int] = {}
    for first, second in pairwise(groups):
        target = into.get(first, first)
        is_chain = readers[first] == {second} and groups[second].reads == {first} and groups[first].key[1] == ""
        if is_chain and lengths.get(target, 1) < length and groups[second].key[1] == "":
            into[second] = target
            lengths[target] = lengths.get(target, 1) + 1
            whole, part = groups[target], groups[second]
            whole.last, whole.shape = part.last, part.shape
            whole.types = (*whole.types, *part.types)
            whole.family = min(whole.family, part.family)
    return _merged(groups, into)


def _merged(groups: dict[int, _OpGroup], into: dict[int, int]) -> dict[int, _OpGroup]:
    """Returns the groups without those that became part of others."""
    merged = {number: group for number, group in groups.items() if number not in into}
    for number, group in merged.items():
        group.reads = {into.get(read, read) for read in group.reads} - {number}
    return merged


def _finished(groups: dict[int, _OpGroup]) -> tuple[FlowNode, ...]:
    position_of = {number: position for position, number in enumerate(groups)}
    return tuple(
        FlowNode(
            path=group.key[0],
            op="" if group.types else group.key[1],
            copies=group.copies,
            last=group.last,
            types=group.types,
            shape=group.shape,
            family=group.family,
            reads=tuple(sorted(position_of[read] for read in group.reads)),
        )
        for group in groups.values()
    )
