"""Analyses of traces and results as plain data, without torch."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.analysis.bytes_moved import count_bytes_moved, count_embedding_rows
    from netscope.analysis.check import LockEntry, evaluate_rules
    from netscope.analysis.compare import make_comparison_row
    from netscope.analysis.datasheets import find_datasheet
    from netscope.analysis.diagnosis import diagnose, diagnose_mixed_dtypes
    from netscope.analysis.diff import diff_summaries, map_weights
    from netscope.analysis.explain import derive_flattened_size, explain_layer, find_remedy
    from netscope.analysis.layer_times import add_layer_times
    from netscope.analysis.lock import lock_model
    from netscope.analysis.report import build_chain, build_dataflow
    from netscope.analysis.summary import drop_forward_pass, summarize_trace
    from netscope.analysis.unread import find_unread_tensors
    from netscope.analysis.verify import compare_counts

__all__ = [
    "LockEntry",
    "add_layer_times",
    "build_chain",
    "build_dataflow",
    "compare_counts",
    "count_bytes_moved",
    "count_embedding_rows",
    "derive_flattened_size",
    "diagnose",
    "diagnose_mixed_dtypes",
    "diff_summaries",
    "drop_forward_pass",
    "evaluate_rules",
    "explain_layer",
    "find_datasheet",
    "find_remedy",
    "find_unread_tensors",
    "lock_model",
    "make_comparison_row",
    "map_weights",
    "remedy",
    "summarize_trace",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
