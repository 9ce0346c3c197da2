"""Results as one self-contained HTML file to look at: no network, no server."""

from netscope.render.page.comparison import comparison_page
from netscope.render.page.report import report_page

__all__ = ["comparison_page", "report_page"]
