"""Renderers: a result becomes a ``Document``, and this a text in one of the formats. Nothing here needs torch."""

from typing import TYPE_CHECKING

from netscope.runtime import lazy_imports

if TYPE_CHECKING:
    from netscope.render.bench_footer import format_bench_line
    from netscope.render.compare import COMPARED_COLUMNS, CompareView, check_compare_view
    from netscope.render.diff import DiffView, check_diff_view
    from netscope.render.document import Canvas, Document, printable
    from netscope.render.formats import CHECK_FORMATS, FORMATS, check_format, display, render
    from netscope.render.summary import COLUMNS_TEXT, View, check_view

__all__ = [
    "CHECK_FORMATS",
    "COLUMNS_TEXT",
    "COMPARED_COLUMNS",
    "FORMATS",
    "Canvas",
    "CompareView",
    "DiffView",
    "Document",
    "View",
    "check_compare_view",
    "check_diff_view",
    "check_format",
    "check_view",
    "display",
    "format_bench_line",
    "printable",
    "render",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_imports.names_of(__name__)
