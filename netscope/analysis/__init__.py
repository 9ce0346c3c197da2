"""Analyses of traces and results as plain data, without torch."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.analysis.bytes_moved import count_bytes_moved as count_bytes_moved
    from netscope.analysis.bytes_moved import count_embedding_rows as count_embedding_rows
    from netscope.analysis.check import BaseEntry as BaseEntry
    from netscope.analysis.check import LockEntry as LockEntry
    from netscope.analysis.check import evaluate_rules as evaluate_rules
    from netscope.analysis.check import list_rules as list_rules
    from netscope.analysis.compare import make_comparison_row as make_comparison_row
    from netscope.analysis.datasheets import find_datasheet as find_datasheet
    from netscope.analysis.diagnosis import diagnose as diagnose
    from netscope.analysis.diagnosis import diagnose_mixed_dtypes as diagnose_mixed_dtypes
    from netscope.analysis.diff import diff_summaries as diff_summaries
    from netscope.analysis.diff import map_weights as map_weights
    from netscope.analysis.explain import derive_flattened_size as derive_flattened_size
    from netscope.analysis.explain import explain_layer as explain_layer
    from netscope.analysis.explain import find_remedy as find_remedy
    from netscope.analysis.layer_times import add_layer_times as add_layer_times
    from netscope.analysis.lock import lock_model as lock_model
    from netscope.analysis.report import build_chain as build_chain
    from netscope.analysis.report import build_dataflow as build_dataflow
    from netscope.analysis.summary import drop_forward_pass as drop_forward_pass
    from netscope.analysis.summary import summarize_trace as summarize_trace
    from netscope.analysis.unread import find_unread_tensors as find_unread_tensors
    from netscope.analysis.verify import compare_counts as compare_counts
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "bytes_moved": ["count_bytes_moved", "count_embedding_rows"],
            "check": ["BaseEntry", "LockEntry", "evaluate_rules", "list_rules"],
            "compare": ["make_comparison_row"],
            "datasheets": ["find_datasheet"],
            "diagnosis": ["diagnose", "diagnose_mixed_dtypes"],
            "diff": ["diff_summaries", "map_weights"],
            "explain": ["derive_flattened_size", "explain_layer", "find_remedy"],
            "layer_times": ["add_layer_times"],
            "lock": ["lock_model"],
            "report": ["build_chain", "build_dataflow"],
            "summary": ["drop_forward_pass", "summarize_trace"],
            "unread": ["find_unread_tensors"],
            "verify": ["compare_counts"],
        },
    )  # fmt: skip
