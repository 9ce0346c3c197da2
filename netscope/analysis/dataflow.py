"""Who reads what whom wrote, and what each module computes itself: a trace's graph, told per module."""

from hashlib import blake2b
from typing import Any

from netscope.schema import TensorRef, Trace, TracedOp


def reads_from(trace: Trace) -> tuple[tuple[str, ...], ...]:
    """For each module, who made what it read: paths, ``""`` for the root, and ``<x>`` for the input ``x``.

    What a module reads is what its own ops read. Views are seen through; a module that only passes on what it was
    given, such as a dropout in eval mode, reads that and stands behind it. What it made itself is left out.
    """
    made_by = dict(_made_by_inputs(trace))
    sources: list[dict[str, None]] = [{} for _ in trace.modules]
    relays = _relays(trace)
    forward_ops = trace.ops[: trace.first_backward_op]
    for position in range(len(forward_ops) + 1):
        for module, reads, writes in relays.get(position, ()):
            _flow(trace, module, reads, writes, made_by, sources)
        if position < len(forward_ops) and not _is_view(forward_ops[position], trace):
            op = forward_ops[position]
            _flow(trace, trace.calls[op.call].module, op.reads, op.writes, made_by, sources)
    return tuple(tuple(found) for found in sources)


def _made_by_inputs(trace: Trace) -> list[tuple[int, str]]:
    given = trace.calls[0].inputs
    names = [item.name for item in trace.inputs] if len(trace.inputs) == len(given) else ["input"] * len(given)
    return [(trace.tensors[tensor].storage, f"<{name}>") for tensor, name in zip(given, names, strict=True)]


def _relays(trace: Trace) -> dict[int, list[tuple[int, tuple[int, ...], tuple[int, ...]]]]:
    """By the op before which they returned: calls of childless modules that computed nothing, as an op would read."""
    parents = {module.parent for module in trace.modules}
    busy = {op.call for op in trace.ops[: trace.first_backward_op] if not _is_view(op, trace)}
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


def _is_view(op: TracedOp, trace: Trace) -> bool:
    """Whether all that it returned lies in what it read, and it changed none of it."""
    if op.name.endswith("_") or op.overload == "out" or not op.writes:
        return False
    read = {trace.tensors[tensor].storage for tensor in op.reads}
    return all(trace.tensors[tensor].storage in read for tensor in op.writes)


def computations(trace: Trace) -> tuple[str, ...]:
    """For each module, two fingerprints: of the sizes that its own forward ops were given, and of what they did.

    ``""`` where it ran none. Of two modules with equal first and other second fingerprints, the one does not compute
    what the other does: they differ in an op or in one of its arguments, such as a number of heads. An op in place is
    the same as one that is not.
    """
    given: list[Any] = [None] * len(trace.modules)
    done: list[Any] = [None] * len(trace.modules)
    made: list[set[int]] = [set() for _ in trace.modules]
    for op in trace.ops[: trace.first_backward_op]:
        module = trace.calls[op.call].module
        if given[module] is None:
            given[module], done[module] = blake2b(digest_size=6), blake2b(digest_size=6)
        for tensor in op.reads:
            if tensor not in made[module]:
                given[module].update(repr(_sized(TensorRef(tensor=tensor), trace)).encode())
        made[module].update(op.writes)
        did = (op.name.removesuffix("_"), _sized(op.args, trace), _sized(op.kwargs, trace))
        done[module].update(repr(did).encode())
    return tuple(
        f"{sizes.hexdigest()}-{ops.hexdigest()}" if sizes else "" for sizes, ops in zip(given, done, strict=True)
    )


def _sized(value: Any, trace: Trace) -> Any:
    """An op's arguments with each tensor as its shape and dtype."""
    if isinstance(value, TensorRef):
        tensor = trace.tensors[value.tensor]
        return (tensor.shape, tensor.dtype)
    if isinstance(value, tuple):
        return tuple(_sized(item, trace) for item in value)
    if isinstance(value, dict):
        return {name: _sized(item, trace) for name, item in value.items()}
    return value
