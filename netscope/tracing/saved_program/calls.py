"""Reconstructs the module calls of a saved program from its flat graph.

An exported graph has no modules, but each op has a list of the module calls that were running: ``key,path,class`` of
each. Two calls of one module have different keys. Consecutive ops with the same calls belong together. The tensors that
they read from outside are the inputs of the call, and the tensors that other ops read from them are its outputs.
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
"""Higher-order operators that run their body exactly once."""

HIGHER_ORDER = "torch.ops.higher_order."

_GETATTR = re.compile(r"getattr\(([^()]*), '([^']*)'\)")
_OWNER = re.compile(r"L\['\w+'\]\.?")
_ITEM = re.compile(r"\['?([^\]']*)'?\]")
_MAX_LENGTH, _MAX_COMMAS = 10_000, 100
"""Limits of a list of running calls: its length, and the number of commas that are tried as separators."""

_NON_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """Maps the names in one graph to unique names in the program; each body has separate names."""

    graph: Graph
    prefix: str = ""
    aliases: dict[str, str] = field(default_factory=dict)

    def name(self, local: str) -> str:
        """Returns the name in the program for the graph's name ``local``."""
        return self.aliases.get(local) or self.prefix + local


@dataclass(frozen=True, slots=True)
class Step:
    """An op, and the scope of the names of its arguments."""

    node: GraphNode
    scope: Scope

    @property
    def reads(self) -> tuple[str, ...]:
        """The names in the program of the tensors among its arguments."""
        return tuple(self.scope.name(name) for item in self.node.inputs for name in item.arg.names())

    @property
    def writes(self) -> tuple[str, ...]:
        """The names in the program of the tensors that it returns."""
        return tuple(self.scope.name(name) for item in self.node.outputs for name in item.names())


@dataclass(slots=True)
class ProgramCall:
    """One call of a module.

    Attributes:
        key: distinguishes it from other calls of the same module.
        path: dotted path of the module.
        type_name: qualified name of the module's class.
        parts: its ops and the calls that it makes, in order.
        inputs: names in the program of the tensors that it reads but does not create.
        outputs: names in the program of the tensors that it creates and later ops read.
    """

    key: str
    path: str
    type_name: str
    parts: "list[Step | ProgramCall]" = field(default_factory=list)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        """Yields the ops of the call and of the calls in it, in order."""
        for part in self.parts:
            if isinstance(part, Step):
                yield part
            else:
                yield from part.steps()

    def calls(self) -> "Iterator[ProgramCall]":
        """Yields the call and the calls in it."""
        yield self
        for part in self.parts:
            if isinstance(part, ProgramCall):
                yield from part.calls()


def iter_steps(scope: Scope) -> Iterator[Step]:
    """Yields the ops of a graph, and the ops of bodies that run once instead of the operators that run them."""
    for number, node in enumerate(scope.graph.nodes):
        operator = node.target.removeprefix(HIGHER_ORDER)
        body = _find_body(node, scope, f"{scope.prefix}{number}.") if operator in INLINED else None
        if body is None:
            yield Step(node, scope)
            continue
        yield from iter_steps(body)
        results = _list_names(body.graph.outputs)
        scope.aliases.update(
            (name, body.name(result)) for name, result in zip(_list_names(node.outputs), results, strict=False)
        )


def _find_body(node: GraphNode, scope: Scope, prefix: str) -> Scope | None:
    """Returns the graph that a higher-order operator runs once; None unless all its arguments are named."""
    arguments = [item.arg for item in node.inputs]
    graphs = [position for position, item in enumerate(arguments) if item.as_graph is not None]
    if len(graphs) != 1:
        return None
    found = arguments[graphs[0]].as_graph
    names = _list_names(arguments[graphs[0] + 1 :])
    if found is None or len(names) != len(_list_names(found.graph.inputs)):
        return None
    aliases = {inner: scope.name(outer) for inner, outer in zip(_list_names(found.graph.inputs), names, strict=True)}
    return Scope(found.graph, prefix, aliases)


def _list_names(arguments: Sequence[Argument]) -> list[str]:
    """Returns the names of the tensors and sizes that have one, in order."""
    found: list[str] = []
    for item in arguments:
        found += item.names()
        found += [size.as_name for size in (item.as_sym_int, item.as_sym_float) if size is not None and size.as_name]
    return found


def build_calls(scope: Scope, paths: Collection[str], weights: Collection[str]) -> ProgramCall:
    """Returns the root's call, which contains all others.

    Args:
        scope: the graph of the program.
        paths: paths of all modules.
        weights: names of the tensors that belong to modules, which are not inputs of calls.
    """
    steps = list(iter_steps(scope))
    root = ProgramCall("", "", "")
    running = [root]
    for step in steps:
        text = step.node.metadata.nn_module_stack
        entries = _parse_running_calls(text, paths)
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


def _parse_running_calls(text: str, paths: Collection[str]) -> list[tuple[str, str, str]]:
    """Returns key, path and class of each running call.

    Paths are dotted, except in strict exports of older torch: ``getattr(L['self'].layers[0], '1')``. Names of modules
    may contain commas and semicolons.
    """
    if len(text) > _MAX_LENGTH:
        return []
    while _GETATTR.search(text):
        text = _GETATTR.sub(r"\1.\2", text)
    fields = [entry.split(",") for entry in text.split(";")] if text else []
    if any(len(entry) != 3 for entry in fields):  # noqa: PLR2004 - key, path, class
        fields = list(_split_ambiguous(text, paths))
    return [(key, path if path in paths else _to_dotted_path(path), type_name) for key, path, type_name in fields]


def _to_dotted_path(path: str) -> str:
    return _ITEM.sub(r".\1", _OWNER.sub("", path)).lstrip(".")


def _split_ambiguous(text: str, paths: Collection[str]) -> Iterator[list[str]]:
    """Yields key, path and class even if names contain separators: the path is known, and its key ends like it."""
    while text:
        commas = [position for position, sign in enumerate(text) if sign == ","][:_MAX_COMMAS]
        for first, last in combinations(commas, 2):
            key, path = text[:first], text[first + 1 : last]
            if path in paths and _NON_WORD.sub("", key.partition("@")[0]).endswith(_NON_WORD.sub("", path)):
                break
        else:
            return
        type_name, _, text = text[last + 1 :].partition(";")
        yield [key, path, type_name]


def _connect(call: ProgramCall, first: int, last_read: Mapping[str, int], weights: Collection[str]) -> int:
    """Finds the inputs and outputs of a call and of the calls in it.

    Args:
        call: the call.
        first: number of its first op.
        last_read: number of the last op that reads a tensor, by the tensor's name.
        weights: see ``build_calls``.

    Returns:
        The number after its last op.
    """
    end = first
    for part in call.parts:
        end = end + 1 if isinstance(part, Step) else _connect(part, end, last_read, weights)
    steps = list(call.steps())
    reads = dict.fromkeys(name for step in steps for name in step.reads)
    writes = dict.fromkeys(name for step in steps for name in step.writes)
    call.inputs = tuple(name for name in reads if name not in writes and name not in weights)
    read_later = tuple(name for name in writes if last_read.get(name, -1) >= end)
    call.outputs = read_later or (steps[-1].writes if steps else ())
    return end
