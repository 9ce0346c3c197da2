"""What a pass holds in memory beside the weights, from a trace's dataflow."""

from collections import defaultdict

from netscope.schema import PeakMemory, Trace


def sum_saved_activations(trace: Trace) -> dict[int, int]:
    """Bytes that autograd kept for the backward pass, by the position of the module that was running.

    Each storage is on the first module that kept it, so that the entries add up to the whole. Parameters, buffers and
    inputs, which are there anyway, are left out.
    """
    held = _lasting_storages(trace)
    activations: dict[int, int] = defaultdict(int)
    for kept in trace.kept:
        storage = trace.tensors[kept.tensor].storage
        if storage not in held:
            held.add(storage)
            activations[trace.calls[kept.call].module] += trace.storage_bytes[storage]
    return activations


def _lasting_storages(trace: Trace) -> set[int]:
    """Those of parameters, buffers and inputs, which are there before the pass and after it."""
    lasting = {
        trace.tensors[item.tensor].storage
        for module in trace.modules
        for item in (*module.parameters, *module.buffers)
        if item.tensor is not None
    }
    return lasting | {trace.tensors[tensor].storage for tensor in trace.calls[0].inputs}


def find_inference_peak(trace: Trace) -> PeakMemory | None:
    """The most that is alive at once during a forward pass; None for a step of training.

    A storage lives from the op that first writes it to the last op that reads or writes it. What a module was called
    with lives as long as the call, whose arguments hold it, and what the root returned to the end. Python may hold on
    to more: a local variable lives until its function returns. Memory that a kernel needs while it runs is not known.
    """
    if trace.first_backward_op is not None:
        return None
    lasting = _lasting_storages(trace)
    changes: dict[int, int] = defaultdict(int)
    for storage, (born, dies) in _lives(trace).items():
        if storage not in lasting:
            changes[born] += trace.storage_bytes[storage]
            changes[dies + 1] -= trace.storage_bytes[storage]
    alive = most = at = 0
    for position in range(len(trace.ops)):
        alive += changes[position]
        if alive > most:
            most, at = alive, position
    always = sum(trace.storage_bytes[storage] for storage in lasting)
    path = trace.modules[trace.calls[trace.ops[at].call].module].path if trace.ops else ""
    return PeakMemory(bytes=always + most, activations=most, path=path)


def _lives(trace: Trace) -> dict[int, tuple[int, int]]:
    """By storage: the positions of the first and the last op while which it is alive."""
    lives: dict[int, tuple[int, int]] = {}
    for position, op in enumerate(trace.ops):
        for tensor in (*op.reads, *op.writes):
            storage = trace.tensors[tensor].storage
            lives[storage] = (lives.get(storage, (position,))[0], position)
    holders = [(call.inputs, call.ops[1] - 1) for call in trace.calls]
    for tensors, until in (*holders, (trace.calls[0].outputs, len(trace.ops) - 1)):
        for storage in {trace.tensors[tensor].storage for tensor in tensors} & lives.keys():
            born, dies = lives[storage]
            lives[storage] = (born, max(dies, until))
    return lives
