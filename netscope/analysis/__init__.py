"""Traces and results → results. Data in, data out; no torch."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.analysis.budget import LockEntry, judged
    from netscope.analysis.comparing import compared
    from netscope.analysis.datasheets import datasheet_of
    from netscope.analysis.diagnosis import diagnose, mixed_dtypes
    from netscope.analysis.diffing import diff, weights_map
    from netscope.analysis.explanation import derivations, flattened_size, remedy
    from netscope.analysis.locking import locked
    from netscope.analysis.pictures import chain_of, dataflow_of
    from netscope.analysis.summary import summarise, without_forward
    from netscope.analysis.timing import with_times
    from netscope.analysis.traffic import bytes_moved, table_rows
    from netscope.analysis.unread import unread_tensors
    from netscope.analysis.verification import compare

__all__ = [
    "LockEntry",
    "bytes_moved",
    "chain_of",
    "compare",
    "compared",
    "dataflow_of",
    "datasheet_of",
    "derivations",
    "diagnose",
    "diff",
    "flattened_size",
    "judged",
    "locked",
    "mixed_dtypes",
    "remedy",
    "summarise",
    "table_rows",
    "unread_tensors",
    "weights_map",
    "with_times",
    "without_forward",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
