"""The dataflow between the modules of a trace."""

from netscope.schema import Trace, TracedOp


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
