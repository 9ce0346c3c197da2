"""The flat graph of a saved program → the module calls that its ops ran in.

An exported graph has lost its modules, but each op still tells which module calls were running: ``key,path,class`` of
each. The keys of two calls of one module differ. Consecutive ops with the same calls belong together, what they read
from outside is what the call was given, and what others read of them is what it returned.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from netscope.schema.program import Argument, Graph, GraphNode

INLINED = frozenset(
    {
        "hints_wrapper", "invoke_subgraph", "strict_mode", "tag_activation_checkpoint", "wrap",
        "wrap_activation_checkpoint", "wrap_with_autocast", "wrap_with_set_grad_enabled",
    }
)  # fmt: skip
"""Higher-order operators that run their body once."""

HIGHER_ORDER = "torch.ops.higher_order."

_GETATTR = re.compile(r"getattr\(([^()]*), '([^']*)'\)")
_OWNER = re.compile(r"L\['\w+'\]\.?")
_ITEM = re.compile(r"\['?([^\]']*)'?\]")
_LONGEST, _MOST_COMMAS = 10_000, 100
"""Of such a text, and of the commas in it that are tried."""

_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """The names of one graph as names of the whole program: a body has names of its own."""

    graph: Graph
    prefix: str = ""
    known_as: dict[str, str] = field(default_factory=dict)

    def name(self, local: str) -> str:
        """The name in the whole program of what the graph calls ``local``."""
        return self.known_as.get(local) or self.prefix + local


@dataclass(frozen=True, slots=True)
class Step:
    """An op, and the graph whose names its arguments have."""

    node: GraphNode
    scope: Scope

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors among its arguments, by their names in the program."""
        return tuple(self.scope.name(name) for item in self.node.inputs for name in item.arg.names())

    @property
    def writes(self) -> tuple[str, ...]:
        """The tensors that it returns, likewise."""
        return tuple(self.scope.name(name) for item in self.node.outputs for name in item.names())


@dataclass(slots=True)
class ProgramCall:
    """One call of a module.

    Attributes:
        key: what tells it from other calls of the same module.
        path: of the module, dotted.
        type_name: of the module's class, with its package.
        parts: its own ops and the calls that it makes, in order.
        inputs: the tensors that it reads and did not make, by their names in the program.
        outputs: the tensors that it made and others read.
    """

    key: str
    path: str
    type_name: str
    parts: "list[Step | ProgramCall]" = field(default_factory=list)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        """The ops in it, in order."""
        for part in self.parts:
            if isinstance(part, Step):
                yield part
            else:
                yield from part.steps()

    def calls(self) -> "Iterator[ProgramCall]":
        """The call and those in it."""
        yield self
        for part in self.parts:
            if isinstance(part, ProgramCall):
                yield from part.calls()


def steps_of(scope: Scope) -> Iterator[Step]:
    """The ops of a graph, with those of the bodies that run once in their place."""
    for number, node in enumerate(scope.graph.nodes):
        operator = node.target.removeprefix(HIGHER_ORDER)
        body = _body(node, scope, f"{scope.prefix}{number}.") if operator in INLINED else None
        if body is None:
            yield Step(node, scope)
            continue
        yield from steps_of(body)
        results = _names(body.graph.outputs)
        scope.known_as.update(
            (name, body.name(result)) for name, result in zip(_names(node.outputs), results, strict=False)
        )


def _body(node: GraphNode, scope: Scope, prefix: str) -> Scope | None:
    """The graph that a higher-order operator runs once, where its arguments are tensors or sizes with names."""
    arguments = [item.arg for item in node.inputs]
    graphs = [position for position, item in enumerate(arguments) if item.as_graph is not None]
    if len(graphs) != 1:
        return None
    found = arguments[graphs[0]].as_graph
    given = _names(arguments[graphs[0] + 1 :])
    if found is None or len(given) != len(_names(found.graph.inputs)):
        return None
    known_as = {inner: scope.name(outer) for inner, outer in zip(_names(found.graph.inputs), given, strict=True)}
    return Scope(found.graph, prefix, known_as)


def _names(arguments: Sequence[Argument]) -> list[str]:
    """The tensors and sizes that have names, in order."""
    found: list[str] = []
    for item in arguments:
        found += item.names()
        found += [size.as_name for size in (item.as_sym_int, item.as_sym_float) if size is not None and size.as_name]
    return found


def calls_of(scope: Scope, paths: Collection[str], weights: Collection[str]) -> ProgramCall:
    """The root's call, with all others in it.

    Args:
        scope: the graph of the program.
        paths: of all modules.
        weights: names of what belongs to modules, and is given to no call.
    """
    steps = list(steps_of(scope))
    root = ProgramCall("", "", "")
    running = [root]
    for step in steps:
        text = step.node.metadata.nn_module_stack
        entries = _entries(text, paths)
        root.type_name = next((type_name for _, path, type_name in entries if not path), root.type_name)
        entries = [entry for entry in entries if entry[1]]
        same = [entry[0] == call.key for entry, call in zip(entries, running[1:], strict=False)]
        common = same.index(False) if False in same else len(same)
        if text:
            del running[1 + common :]
            for entry in entries[common:]:
                running[-1].parts.append(call := ProgramCall(*entry))
                running.append(call)
        running[-1].parts.append(step)
    results = {scope.name(name) for item in scope.graph.outputs for name in item.names()}
    last_read = dict.fromkeys(results, len(steps))
    for number, step in enumerate(steps):
        for name in step.reads:
            last_read[name] = max(number, last_read.get(name, 0))
    _connect(root, 0, last_read, weights)
    return root


def _entries(text: str, paths: Collection[str]) -> list[tuple[str, str, str]]:
    """Key, path and class of each running call.

    Paths are dotted, but for strict exports of older torch: ``getattr(L['self'].layers[0], '1')``. And names of modules
    may hold commas and semicolons themselves.
    """
    if len(text) > _LONGEST:
        return []
    while _GETATTR.search(text):
        text = _GETATTR.sub(r"\1.\2", text)
    fields = [entry.split(",") for entry in text.split(";")] if text else []
    if any(len(entry) != 3 for entry in fields):  # noqa: PLR2004 - key, path, class
        fields = list(_fields_of_odd_names(text, paths))
    return [(key, path if path in paths else _dotted(path), type_name) for key, path, type_name in fields]


def _dotted(path: str) -> str:
    return _ITEM.sub(r".\1", _OWNER.sub("", path)).lstrip(".")


def _fields_of_odd_names(text: str, paths: Collection[str]) -> Iterator[list[str]]:
    """As above for names that hold separators: a path is one of those known, and its key ends like it."""
    while text:
        commas = [position for position, sign in enumerate(text) if sign == ","][:_MOST_COMMAS]
        for first, last in combinations(commas, 2):
            key, path = text[:first], text[first + 1 : last]
            if path in paths and _NO_WORD.sub("", key.partition("@")[0]).endswith(_NO_WORD.sub("", path)):
                break
        else:
            return
        type_name, _, text = text[last + 1 :].partition(";")
        yield [key, path, type_name]


def _connect(call: ProgramCall, first: int, last_read: Mapping[str, int], weights: Collection[str]) -> int:
    """Finds what a call, and those in it, are given and return.

    Args:
        call: whose first op has the number ``first``.
        first: there.
        last_read: by tensor, the number of the last op that reads it.
        weights: as for ``calls_of``.

    Returns:
        The number behind its last op.
    """
    behind = first
    for part in call.parts:
        behind = behind + 1 if isinstance(part, Step) else _connect(part, behind, last_read, weights)
    steps = list(call.steps())
    reads = dict.fromkeys(name for step in steps for name in step.reads)
    writes = dict.fromkeys(name for step in steps for name in step.writes)
    call.inputs = tuple(name for name in reads if name not in writes and name not in weights)
    read_later = tuple(name for name in writes if last_read.get(name, -1) >= behind)
    call.outputs = read_later or (steps[-1].writes if steps else ())
    return behind
