"""Results → ``Document`` → text. No torch."""

from netscope.render.document import Canvas, Document
from netscope.render.formats import FORMATS, as_text, check_format, render
from netscope.render.summary import View, check_view

__all__ = ["FORMATS", "Canvas", "Document", "View", "as_text", "check_format", "check_view", "render"]
