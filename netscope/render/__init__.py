"""Results → ``Document`` → text. No torch."""

from netscope.render.bench_facts import bench_line
from netscope.render.diff import DiffView, check_diff_view
from netscope.render.document import Canvas, Document, printable
from netscope.render.formats import CHECK_FORMATS, FORMATS, as_text, check_format, render
from netscope.render.summary import COLUMNS, View, check_view

__all__ = [
    "CHECK_FORMATS",
    "COLUMNS",
    "FORMATS",
    "Canvas",
    "DiffView",
    "Document",
    "View",
    "as_text",
    "bench_line",
    "check_diff_view",
    "check_format",
    "check_view",
    "printable",
    "render",
]
