"""Renderers: a result becomes a ``Document``, and this a text in one of the formats. Nothing here needs torch."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.render.badge import check_badge as check_badge
    from netscope.render.badge import render_badge as render_badge
    from netscope.render.bench_footer import format_bench_line as format_bench_line
    from netscope.render.cache import CacheView as CacheView
    from netscope.render.compare import COMPARED_COLUMNS as COMPARED_COLUMNS
    from netscope.render.compare import CompareView as CompareView
    from netscope.render.compare import check_compare_view as check_compare_view
    from netscope.render.diff import DiffView as DiffView
    from netscope.render.diff import check_diff_view as check_diff_view
    from netscope.render.document import Canvas as Canvas
    from netscope.render.document import Document as Document
    from netscope.render.document import printable as printable
    from netscope.render.formats import CHECK_FORMATS as CHECK_FORMATS
    from netscope.render.formats import FORMATS as FORMATS
    from netscope.render.formats import check_format as check_format
    from netscope.render.formats import display as display
    from netscope.render.formats import render as render
    from netscope.render.history import format_history as format_history
    from netscope.render.history import read_history as read_history
    from netscope.render.summary import COLUMN_MEANINGS as COLUMN_MEANINGS
    from netscope.render.summary import View as View
    from netscope.render.summary import check_view as check_view
    from netscope.render.summary_parameters import PARAMETER_COLUMNS as PARAMETER_COLUMNS
    from netscope.render.summary_parameters import PARAMETER_ORDERS as PARAMETER_ORDERS
    from netscope.render.summary_parameters import ParametersView as ParametersView
    from netscope.render.summary_parameters import check_parameters_view as check_parameters_view
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "badge": ["check_badge", "render_badge"],
            "bench_footer": ["format_bench_line"],
            "cache": ["CacheView"],
            "compare": ["COMPARED_COLUMNS", "CompareView", "check_compare_view"],
            "diff": ["DiffView", "check_diff_view"],
            "document": ["Canvas", "Document", "printable"],
            "formats": ["CHECK_FORMATS", "FORMATS", "check_format", "display", "render"],
            "history": ["format_history", "read_history"],
            "summary": ["COLUMN_MEANINGS", "View", "check_view"],
            "summary_parameters": ["PARAMETER_COLUMNS", "PARAMETER_ORDERS", "ParametersView",
                "check_parameters_view"],
        },
    )  # fmt: skip
