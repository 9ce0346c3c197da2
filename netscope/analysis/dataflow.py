"""The dataflow between the modules of a trace, and fingerprints of the computation in each module."""

from hashlib import blake2b
from typing import Any

from netscope.schema import TensorRef, Trace, TracedOp


def find_producers(trace: Trace) -> tuple[tuple[str, ...], ...]:
    """Returns for each module the paths of the modules whose results it read.

    The path of the root is ``""``, and an input ``x`` is ``<x>``. A module reads the tensors that its ops read, without
    its children's. A view counts as the tensor that it views. A module that only returns its inputs, such as a dropout
    in eval mode, reads them and becomes their producer. A module is never a producer for itself.
    """
    producers = dict(list_input_storages(trace))
    sources: list[dict[str, None]] = [{} for _ in trace.modules]
    forward_ops = trace.ops[: trace.first_backward_op]
    computing = [not is_view(op, trace) for op in forward_ops]
    relays = _find_relays(trace, {op.call for op, computes in zip(forward_ops, computing, strict=True) if computes})
    for position in range(len(forward_ops) + 1):
        for module, reads, writes in relays.get(position, ()):
            _propagate(trace, module, reads, writes, producers, sources)
        if position < len(forward_ops) and computing[position]:
            op = forward_ops[position]
            _propagate(trace, trace.calls[op.call].module, op.reads, op.writes, producers, sources)
    return tuple(tuple(found) for found in sources)


def list_input_storages(trace: Trace) -> list[tuple[int, str]]:
    """Returns the storage of each input of the root, with the name of its parameter: ``"<x>"``."""
    given = trace.calls[0].inputs
    names = [item.name for item in trace.inputs] if len(trace.inputs) == len(given) else ["input"] * len(given)
    return [(trace.tensors[tensor].storage, f"<{name}>") for tensor, name in zip(given, names, strict=True)]


def _find_relays(trace: Trace, busy: set[int]) -> dict[int, list[tuple[int, tuple[int, ...], tuple[int, ...]]]]:
    """Returns the module, inputs and outputs of calls that computed nothing, by the position of the op after them.

    Args:
        trace: the trace. Only calls of modules without children are considered.
        busy: the calls that computed something.
    """
    parents = {module.parent for module in trace.modules}
    relays: dict[int, list[tuple[int, tuple[int, ...], tuple[int, ...]]]] = {}
    for number, call in enumerate(trace.calls):
        if call.module not in parents and number not in busy:
            relays.setdefault(call.ops[1], []).append((call.module, call.inputs, call.outputs))
    return relays


def _propagate(
    trace: Trace,
    module: int,
    reads: tuple[int, ...],
    writes: tuple[int, ...],
    producers: dict[int, str],
    sources: list[dict[str, None]],
) -> None:
    path = trace.modules[module].path
    for tensor in reads:
        source = producers.get(trace.tensors[tensor].storage, path)
        if source != path:
            sources[module][source] = None
    for tensor in writes:
        producers[trace.tensors[tensor].storage] = path


def is_view(op: TracedOp, trace: Trace) -> bool:
    """Returns whether all results of an op are in storages that it read, and it changed none of these."""
    if op.name.endswith("_") or op.overload == "out" or not op.writes:
        return False
    read = {trace.tensors[tensor].storage for tensor in op.reads}
    return all(trace.tensors[tensor].storage in read for tensor in op.writes)


def fingerprint_modules(trace: Trace) -> tuple[str, ...]:
    """Returns for each module its joined fingerprints, of its input sizes and of its computation; ``""`` if not called.

    Two modules with equal first and different second fingerprints compute different results: they differ in an op, in
    an argument, such as a number of heads, in the tensors used as operands, or in their return values. A tensor is
    identified by its origin: an input, a parameter, an earlier op, or a call that the module made. Names have no
    influence, and an in-place op is equal to its out-of-place variant. The computation includes the first value that
    the module returns. A fingerprint of each further value of another origin follows.
    """
    fingerprinter = _Fingerprinter(trace)
    # An op after a call may write to what the call returned, so each call is added when it ends, an inner one first.
    ended = sorted(range(len(trace.calls)), key=lambda number: (trace.calls[number].ops[1], -number), reverse=True)
    for position, op in enumerate(trace.ops[: trace.first_backward_op]):
        while ended and trace.calls[ended[-1]].ops[1] <= position:
            fingerprinter.add_call(ended.pop())
        fingerprinter.add(position, op)
    while ended:
        fingerprinter.add_call(ended.pop())
    return fingerprinter.finish()


class _Fingerprinter:
    """Reads a trace's ops in order, and hashes each from the view of the module that ran it."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._inputs = [blake2b(digest_size=6) for _ in trace.modules]
        self._computations = [blake2b(digest_size=6) for _ in trace.modules]
        self._producers: dict[int, int] = {}
        self._own_results: dict[tuple[int, int], tuple[int, int]] = {}
        self._more_returned: list[dict[str, None]] = [{} for _ in trace.modules]
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

    def add(self, position: int, op: TracedOp) -> None:
        """Adds an op to the fingerprints of its module."""
        module = self._trace.calls[op.call].module
        for tensor in op.reads:
            if (op.call, tensor) not in self._own_results:
                self._inputs[module].update(repr(self._get_shape_and_dtype(tensor)).encode())
        arguments = (self._describe(op.args, op.call), self._describe(op.kwargs, op.call))
        self._computations[module].update(repr((op.name.removesuffix("_"), *arguments)).encode())
        for tensor in op.writes:
            self._own_results[op.call, tensor] = (self._own_ops[op.call], position)
        if not is_view(op, self._trace):
            self._producers.update((self._trace.tensors[tensor].storage, position) for tensor in op.writes)
        self._own_ops[op.call] += 1

    def add_call(self, number: int) -> None:
        """Adds the calls that a call made, and its return values, to the fingerprints of its module."""
        call = self._trace.calls[number]
        children = [self._trace.calls[made].module for made in self._calls_made[number]]
        first_seen = {child: rank for rank, child in enumerate(dict.fromkeys(children))}
        returned = [self._find_origin(tensor, number) for tensor in call.outputs]
        self._inputs[call.module].update(f"calls {len(children)}".encode())
        order = [first_seen[child] for child in children]
        self._computations[call.module].update(repr((order, returned[:1])).encode())
        self._more_returned[call.module].update({_hash_origin(origin): None for origin in returned[1:]})

    def finish(self) -> tuple[str, ...]:
        """Returns the fingerprints of all modules."""
        called = {call.module for call in self._trace.calls}
        parts = zip(self._inputs, self._computations, self._more_returned, strict=True)
        return tuple(
            "-".join((inputs.hexdigest(), computation.hexdigest(), *more)) if module in called else ""
            for module, (inputs, computation, more) in enumerate(parts)
        )

    def _get_shape_and_dtype(self, tensor: int) -> Any:
        return (self._trace.tensors[tensor].shape, self._trace.tensors[tensor].dtype)

    def _describe(self, value: Any, call: int) -> Any:
        """Returns an op's arguments, with each tensor as its origin, shape and dtype."""
        if isinstance(value, TensorRef):
            return (self._find_origin(value.tensor, call), self._get_shape_and_dtype(value.tensor))
        if isinstance(value, tuple):
            return tuple([self._describe(item, call) for item in value])
        if isinstance(value, dict):
            return {name: self._describe(item, call) for name, item in value.items()}
        return value

    def _find_origin(self, tensor: int, call: int) -> Any:
        """Returns the origin of a tensor from the view of the module in this call."""
        storage = self._trace.tensors[tensor].storage
        here = self._own_results.get((call, tensor))
        maker = self._producers.get(storage)
        # A module that was called since then may have changed it in place.
        if here is not None and (maker is None or maker <= here[1] or self._trace.ops[maker].call == call):
            return ("op", here[0])
        running = self._trace.calls[call]
        name = self._own_tensors[running.module].get(storage)
        if name is not None:
            return ("own", name)
        if maker is not None and running.ops[0] <= maker < running.ops[1]:
            made_in: int | None = self._trace.ops[maker].call
            while made_in is not None and self._trace.calls[made_in].caller != call:
                made_in = self._trace.calls[made_in].caller
            return ("call", self._rank_of_call[made_in]) if made_in is not None else ("op",)
        given = [self._trace.tensors[item].storage for item in running.inputs]
        return ("input", given.index(storage)) if storage in given else ("elsewhere",)


def _hash_origin(origin: Any) -> str:
    return blake2b(repr(origin).encode(), digest_size=3).hexdigest()
