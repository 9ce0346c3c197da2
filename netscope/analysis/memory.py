"""Memory use of a pass in addition to the weights, from a trace's dataflow."""

from collections import defaultdict

from netscope.schema import PeakMemory, Trace


def sum_saved_activations(trace: Trace) -> dict[int, int]:
    """Returns the bytes that autograd saved for the backward pass, by the position of the module that was running.

    Each storage is attributed to the first module that saved it, so the entries add up to the total. Parameters,
    buffers and inputs are excluded, because they exist anyway.
    """
    counted = _find_lasting_storages(trace)
    activations: dict[int, int] = defaultdict(int)
    for saved in trace.saved_tensors:
        storage = trace.tensors[saved.tensor].storage
        if storage not in counted:
            counted.add(storage)
            activations[trace.calls[saved.call].module] += trace.storage_bytes[storage]
    return activations


def _find_lasting_storages(trace: Trace) -> set[int]:
    """Returns the storages of parameters, buffers and inputs, which exist before and after the pass."""
    lasting = {
        trace.tensors[item.tensor].storage
        for module in trace.modules
        for item in (*module.parameters, *module.buffers)
        if item.tensor is not None
    }
    return lasting | {trace.tensors[tensor].storage for tensor in trace.calls[0].inputs}


def find_inference_peak(trace: Trace) -> PeakMemory | None:
    """Returns the peak memory of a forward pass; None for a training step.

    A storage is alive from the first op that writes it to the last op that reads or writes it. The inputs of a module
    are alive during its call, whose arguments refer to them, and the outputs of the root until the end. Python may keep
    more alive: a local variable exists until its function returns. The workspace memory of kernels is unknown.
    """
    if trace.first_backward_op is not None:
        return None
    lasting = _find_lasting_storages(trace)
    changes: dict[int, int] = defaultdict(int)
    for storage, (start, end) in _find_lifetimes(trace).items():
        if storage not in lasting:
            changes[start] += trace.storage_bytes[storage]
            changes[end + 1] -= trace.storage_bytes[storage]
    alive = peak = peak_op = 0
    for position in range(len(trace.ops)):
        alive += changes[position]
        if alive > peak:
            peak, peak_op = alive, position
    lasting_bytes = sum(trace.storage_bytes[storage] for storage in lasting)
    path = trace.modules[trace.calls[trace.ops[peak_op].call].module].path if trace.ops else ""
    return PeakMemory(bytes=lasting_bytes + peak, activations=peak, path=path)


def _find_lifetimes(trace: Trace) -> dict[int, tuple[int, int]]:
    """Returns the positions of the first and the last op during which each storage is alive."""
    lifetimes: dict[int, tuple[int, int]] = {}
    for position, op in enumerate(trace.ops):
        for tensor in (*op.reads, *op.writes):
            storage = trace.tensors[tensor].storage
            lifetimes[storage] = (lifetimes.get(storage, (position,))[0], position)
    holders = [(call.inputs, call.ops[1] - 1) for call in trace.calls]
    for tensors, until in (*holders, (trace.calls[0].outputs, len(trace.ops) - 1)):
        for storage in {trace.tensors[tensor].storage for tensor in tensors} & lifetimes.keys():
            start, end = lifetimes[storage]
            lifetimes[storage] = (start, max(end, until))
    return lifetimes
