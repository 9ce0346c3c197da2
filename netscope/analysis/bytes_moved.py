"""The bytes that a pass reads and writes, and the inputs that index embeddings."""

from math import prod

from netscope.analysis.dataflow import is_view, list_input_storages
from netscope.schema import ITEM_BYTES, TensorRef, Trace, TracedOp

_UNINITIALIZED = ("aten.empty", "aten.new_empty")
_INDEXING = frozenset({"aten.embedding", "aten.index_select", "aten.gather", "aten.index"})
"""Ops that read no more of their first tensor than they return."""


def count_bytes_moved(trace: Trace) -> int:
    """Returns the bytes that the ops read and write if each runs alone and finds nothing in a cache.

    Each distinct tensor that an op reads or writes counts once for this op; views move nothing. It is the denominator
    of the arithmetic intensity of Williams, Waterman and Patterson, "Roofline", 2009, for ops that are not fused.
    """
    return sum(_count_op_bytes(op, trace) for op in trace.ops if not is_view(op, trace))


def _count_op_bytes(op: TracedOp, trace: Trace) -> int:
    """Returns the bytes that one op reads and writes."""
    if op.name.startswith(_UNINITIALIZED):
        return 0
    written = sum(_tensor_bytes(tensor, trace) for tensor in set(op.writes))
    read = sum(_tensor_bytes(tensor, trace) for tensor in set(op.reads))
    if op.name in _INDEXING and op.reads:
        read += min(_tensor_bytes(op.reads[0], trace), written) - _tensor_bytes(op.reads[0], trace)
    return written + read


def _tensor_bytes(tensor: int, trace: Trace) -> int:
    """Returns the bytes of a tensor, at most the bytes of its storage, which an expanded tensor exceeds."""
    traced = trace.tensors[tensor]
    return min(max(prod(traced.shape), 0) * ITEM_BYTES.get(traced.dtype, 4), trace.storage_bytes[traced.storage])


def count_embedding_rows(trace: Trace) -> dict[str, int]:
    """Returns, for each input that indexes embeddings, the number of rows of the smallest one."""
    names = dict(list_input_storages(trace))
    rows: dict[str, int] = {}
    for op in trace.ops:
        if op.name == "aten.embedding" and len(op.args) > 1 and all(isinstance(arg, TensorRef) for arg in op.args[:2]):
            table, indices = (trace.tensors[arg.tensor] for arg in op.args[:2])
            name = names.get(indices.storage)
            if name is not None:
                key = name.strip("<>")
                rows[key] = min(table.shape[0], rows.get(key, table.shape[0]))
    return rows
