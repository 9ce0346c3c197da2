"""Traces and results → results. Data in, data out; no torch."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.analysis.bytes_moved import count_bytes_moved as count_bytes_moved
    from netscope.analysis.bytes_moved import table_rows as table_rows
    from netscope.analysis.check import LockEntry as LockEntry
    from netscope.analysis.check import evaluate_rules as evaluate_rules
    from netscope.analysis.compare import comparison_row as comparison_row
    from netscope.analysis.datasheets import datasheet_of as datasheet_of
    from netscope.analysis.diagnosis import diagnose as diagnose
    from netscope.analysis.diagnosis import mixed_dtypes as mixed_dtypes
    from netscope.analysis.diff import diff_summaries as diff_summaries
    from netscope.analysis.diff import weights_map as weights_map
    from netscope.analysis.explain import derivations as derivations
    from netscope.analysis.explain import flattened_size as flattened_size
    from netscope.analysis.explain import remedy as remedy
    from netscope.analysis.layer_times import with_times as with_times
    from netscope.analysis.lock import lock_model as lock_model
    from netscope.analysis.report import chain_of as chain_of
    from netscope.analysis.report import dataflow_of as dataflow_of
    from netscope.analysis.summary import summarize_trace as summarize_trace
    from netscope.analysis.summary import without_forward as without_forward
    from netscope.analysis.unread import unread_tensors as unread_tensors
    from netscope.analysis.verify import compare_counts as compare_counts
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "bytes_moved": ["count_bytes_moved", "table_rows"],
            "check": ["LockEntry", "evaluate_rules"],
            "compare": ["comparison_row"],
            "datasheets": ["datasheet_of"],
            "diagnosis": ["diagnose", "mixed_dtypes"],
            "diff": ["diff_summaries", "weights_map"],
            "explain": ["derivations", "flattened_size", "remedy"],
            "layer_times": ["with_times"],
            "lock": ["lock_model"],
            "report": ["chain_of", "dataflow_of"],
            "summary": ["summarize_trace", "without_forward"],
            "unread": ["unread_tensors"],
            "verify": ["compare_counts"],
        },
    )  # fmt: skip
