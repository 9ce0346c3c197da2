"""What a pass reads and writes: bytes moved, and which inputs index tables."""

from math import prod

from netscope.analysis.dataflow import is_view, list_input_storages
from netscope.schema import TensorRef, Trace, TracedOp

_UNFILLED = ("aten.empty", "aten.new_empty")
_PICKING = frozenset({"aten.embedding", "aten.index_select", "aten.gather", "aten.index"})
"""What they read of their first tensor is no more than what they return."""


def count_bytes_moved(trace: Trace) -> int:
    """Bytes that the ops read and write if each runs by itself and meets nothing in a cache.

    Each distinct tensor that an op reads or writes counts once for that op; views move nothing. It is the denominator
    of the arithmetic intensity of Williams, Waterman and Patterson, "Roofline", 2009, for ops that are not fused.
    """
    return sum(_bytes_of(op, trace) for op in trace.ops if not is_view(op, trace))


def _bytes_of(op: TracedOp, trace: Trace) -> int:
    if op.name.startswith(_UNFILLED):
        return 0
    written = sum(_size(tensor, trace) for tensor in set(op.writes))
    read = sum(_size(tensor, trace) for tensor in set(op.reads))
    if op.name in _PICKING and op.reads:
        read += min(_size(op.reads[0], trace), written) - _size(op.reads[0], trace)
    return written + read


def _size(tensor: int, trace: Trace) -> int:
    """Bytes of a tensor's elements; of an expanded one those of its storage."""
    found = trace.tensors[tensor]
    return min(max(prod(found.shape), 0) * ITEM_BYTES.get(found.dtype, 4), trace.storage_bytes[found.storage])


ITEM_BYTES = {
    "float64": 8, "int64": 8, "complex64": 8, "complex128": 16, "float16": 2, "bfloat16": 2, "int16": 2,
    "int8": 1, "uint8": 1, "bool": 1, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip
"""Bytes of an element; four of all others."""


def table_rows(trace: Trace) -> dict[str, int]:
    """For each input that indexes embeddings, the rows of the smallest of these."""
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
