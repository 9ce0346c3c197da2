"""Who reads what whom wrote, and what each module computes itself: a trace's graph, told per module."""

from hashlib import blake2b
from typing import Any

from netscope.schema import TensorRef, Trace, TracedOp


def find_producers(trace: Trace) -> tuple[tuple[str, ...], ...]:
    """For each module, who made what it read: paths, ``""`` for the root, and ``<x>`` for the input ``x``.

    What a module reads is what its own ops read. Views are seen through; a module that only passes on what it was
    given, such as a dropout in eval mode, reads that and stands behind it. What it made itself is left out.
    """
    made_by = dict(list_input_storages(trace))
    sources: list[dict[str, None]] = [{} for _ in trace.modules]
    forward_ops = trace.ops[: trace.first_backward_op]
    computing = [not is_view(op, trace) for op in forward_ops]
    relays = _relays(trace, {op.call for op, computes in zip(forward_ops, computing, strict=True) if computes})
    for position in range(len(forward_ops) + 1):
        for module, reads, writes in relays.get(position, ()):
            _flow(trace, module, reads, writes, made_by, sources)
        if position < len(forward_ops) and computing[position]:
            op = forward_ops[position]
            _flow(trace, trace.calls[op.call].module, op.reads, op.writes, made_by, sources)
    return tuple(tuple(found) for found in sources)


def list_input_storages(trace: Trace) -> list[tuple[int, str]]:
    """The storage of each tensor that the root was given, and the parameter that took it: ``"<x>"``."""
    given = trace.calls[0].inputs
    names = [item.name for item in trace.inputs] if len(trace.inputs) == len(given) else ["input"] * len(given)
    return [(trace.tensors[tensor].storage, f"<{name}>") for tensor, name in zip(given, names, strict=True)]


def _relays(trace: Trace, busy: set[int]) -> dict[int, list[tuple[int, tuple[int, ...], tuple[int, ...]]]]:
    """By the op before which they returned: calls of childless modules that computed nothing, as an op would read.

    Args:
        trace: where they are.
        busy: calls that computed something.
    """
    parents = {module.parent for module in trace.modules}
    relays: dict[int, list[tuple[int, tuple[int, ...], tuple[int, ...]]]] = {}
    for number, call in enumerate(trace.calls):
        if call.module not in parents and number not in busy:
            relays.setdefault(call.ops[1], []).append((call.module, call.inputs, call.outputs))
    return relays


def _flow(
    trace: Trace,
    module: int,
    reads: tuple[int, ...],
    writes: tuple[int, ...],
    made_by: dict[int, str],
    sources: list[dict[str, None]],
) -> None:
    path = trace.modules[module].path
    for tensor in reads:
        source = made_by.get(trace.tensors[tensor].storage, path)
        if source != path:
            sources[module][source] = None
    for tensor in writes:
        made_by[trace.tensors[tensor].storage] = path


def is_view(op: TracedOp, trace: Trace) -> bool:
    """Whether all that it returned lies in what it read, and it changed none of it."""
    if op.name.endswith("_") or op.overload == "out" or not op.writes:
        return False
    read = {trace.tensors[tensor].storage for tensor in op.reads}
    return all(trace.tensors[tensor].storage in read for tensor in op.writes)


def fingerprint_modules(trace: Trace) -> tuple[str, ...]:
    """For each module, two fingerprints: of the sizes that it was given, and of what it did with them.

    ``""`` where it was not called. Of two modules with equal first and other second fingerprints, the one does not
    compute what the other does: they differ in an op, in one of its arguments, such as a number of heads, in which
    tensor is which operand, or in what they return. A tensor is known by where it comes from: an input, a parameter, an
    earlier op, or one of the calls that the module made; so names are not in it. An op in place is the same as one that
    is not.
    """
    reader = _Reader(trace)
    for position, op in enumerate(trace.ops[: trace.first_backward_op]):
        reader.read(position, op)
    return reader.fingerprints()


class _Reader:
    """Reads a trace's ops in order, and tells each in terms of the module that ran it."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._given = [blake2b(digest_size=6) for _ in trace.modules]
        self._done = [blake2b(digest_size=6) for _ in trace.modules]
        self._made_by: dict[int, int] = {}
        self._made_here: dict[tuple[int, int], int] = {}
        self._own_ops = [0] * len(trace.calls)
        self._calls_made: list[list[int]] = [[] for _ in trace.calls]
        self._rank_of_call = [0] * len(trace.calls)
        for number, call in enumerate(trace.calls):
            if call.caller is not None:
                self._rank_of_call[number] = len(self._calls_made[call.caller])
                self._calls_made[call.caller].append(number)
        self._own_tensors = [
            {trace.tensors[item.tensor].storage: item.name for item in (*module.parameters, *module.buffers)
             if item.tensor is not None}
            for module in trace.modules
        ]  # fmt: skip

    def read(self, position: int, op: TracedOp) -> None:
        """Takes down what the op did, and to what."""
        module = self._trace.calls[op.call].module
        for tensor in op.reads:
            if (op.call, tensor) not in self._made_here:
                self._given[module].update(repr(self._sized(tensor)).encode())
        told = (op.name.removesuffix("_"), self._told(op.args, op.call), self._told(op.kwargs, op.call))
        self._done[module].update(repr(told).encode())
        for tensor in op.writes:
            self._made_here[op.call, tensor] = self._own_ops[op.call]
        if not is_view(op, self._trace):
            self._made_by.update((self._trace.tensors[tensor].storage, position) for tensor in op.writes)
        self._own_ops[op.call] += 1

    def fingerprints(self) -> tuple[str, ...]:
        """Those of every module, with whom each called in turn and what it returned."""
        called = set()
        for number, call in enumerate(self._trace.calls):
            called.add(call.module)
            children = [self._trace.calls[made].module for made in self._calls_made[number]]
            first_seen = {child: rank for rank, child in enumerate(dict.fromkeys(children))}
            returned = [self._source(tensor, number) for tensor in call.outputs]
            self._given[call.module].update(f"calls {len(children)}".encode())
            self._done[call.module].update(repr(([first_seen[child] for child in children], returned)).encode())
        return tuple(
            f"{given.hexdigest()}-{done.hexdigest()}" if module in called else ""
            for module, (given, done) in enumerate(zip(self._given, self._done, strict=True))
        )

    def _sized(self, tensor: int) -> Any:
        return (self._trace.tensors[tensor].shape, self._trace.tensors[tensor].dtype)

    def _told(self, value: Any, call: int) -> Any:
        """An op's arguments with each tensor as where it comes from, its shape and dtype."""
        if isinstance(value, TensorRef):
            return (self._source(value.tensor, call), self._sized(value.tensor))
        if isinstance(value, tuple):
            return tuple([self._told(item, call) for item in value])
        if isinstance(value, dict):
            return {name: self._told(item, call) for name, item in value.items()}
        return value

    def _source(self, tensor: int, call: int) -> Any:
        """Where a tensor comes from, as the module sees it in this call."""
        here = self._made_here.get((call, tensor))
        if here is not None:
            return ("op", here)
        storage = self._trace.tensors[tensor].storage
        running = self._trace.calls[call]
        name = self._own_tensors[running.module].get(storage)
        if name is not None:
            return ("own", name)
        maker = self._made_by.get(storage)
        if maker is not None and running.ops[0] <= maker < running.ops[1]:
            made_in: int | None = self._trace.ops[maker].call
            while made_in is not None and self._trace.calls[made_in].caller != call:
                made_in = self._trace.calls[made_in].caller
            return ("call", self._rank_of_call[made_in]) if made_in is not None else ("op",)
        given = [self._trace.tensors[item].storage for item in running.inputs]
        return ("input", given.index(storage)) if storage in given else ("elsewhere",)
