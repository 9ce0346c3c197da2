"""Analyses of traces and results as plain data, without torch."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.analysis.bytes_moved import count_bytes_moved, count_embedding_rows
    from netscope.analysis.check import LockEntry, evaluate_rules
    from netscope.analysis.compare import make_comparison_row
    from netscope.analysis.datasheets import find_datasheet
    from netscope.analysis.diagnosis import diagnose, mixed_dtypes
    from netscope.analysis.diff import diff_summaries, weights_map
    from netscope.analysis.explain import derivations, flattened_size, remedy
    from netscope.analysis.layer_times import add_layer_times
    from netscope.analysis.lock import lock_model
    from netscope.analysis.report import chain_of, dataflow_of
    from netscope.analysis.summary import drop_forward_pass, summarize_trace
    from netscope.analysis.unread import unread_tensors
    from netscope.analysis.verify import compare_counts

__all__ = [
    "LockEntry",
    "add_layer_times",
    "chain_of",
    "compare_counts",
    "count_bytes_moved",
    "count_embedding_rows",
    "dataflow_of",
    "derivations",
    "diagnose",
    "diff_summaries",
    "drop_forward_pass",
    "evaluate_rules",
    "find_datasheet",
    "flattened_size",
    "lock_model",
    "make_comparison_row",
    "mixed_dtypes",
    "remedy",
    "summarize_trace",
    "unread_tensors",
    "weights_map",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
