"""Finds the parameters that a pass did not read."""

from collections.abc import Iterator, Sequence

from netscope.analysis.dataflow import is_view
from netscope.schema import LayerRow, Trace, TracedOp


def find_unread_tensors(trace: Trace) -> frozenset[int]:
    """Returns the tensors of parameters that no op read.

    A parameter is read if an op other than a view reads anything in its storage. So all parameters in one storage, such
    as the flattened weights of a recurrent layer, are read together. The outputs of the root are read by its caller. An
    op that only uses size and dtype reads nothing.
    """
    storages = {
        item.tensor: {trace.tensors[tensor].storage for tensor in (item.tensor, *item.wraps)}
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    unread = set().union(*storages.values())
    unread.difference_update(trace.tensors[tensor].storage for tensor in trace.calls[0].outputs)
    for op in trace.ops:
        touched = unread.intersection(trace.tensors[tensor].storage for tensor in op.reads)
        if touched and not (_uses_only_size(op) or is_view(op, trace)):
            unread -= touched
    return frozenset(tensor for tensor, own in storages.items() if own <= unread)


def _uses_only_size(op: TracedOp) -> bool:
    """Returns whether an op is one of ``zeros_like``, ``new_empty``, …"""
    name = op.name.rpartition(".")[2]
    return name.endswith("_like") or name.startswith("new_")


def list_unread_names(rows: Sequence[LayerRow]) -> tuple[str, ...]:
    """Returns the topmost modules with only unread parameters, and the unread parameters of all other modules."""
    return tuple(_unread_names(rows))


def _unread_names(rows: Sequence[LayerRow]) -> Iterator[str]:
    named: str | None = None
    for row in rows:
        if named is not None and row.path.startswith(f"{named}."):
            continue
        if row.path and row.total.unread_params and row.total.unread_params == row.total.params:
            named = row.path
            yield row.path
        else:
            own = (tensor.name for tensor in row.tensors if tensor.unread and tensor.shared_with is None)
            yield from (f"{row.path}.{name}".lstrip(".") for name in own)
