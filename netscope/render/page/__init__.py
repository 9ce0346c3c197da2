"""Results as interactive, self-contained HTML files that need no network and no server."""

from netscope.render.page.comparison import comparison_page
from netscope.render.page.report import report_page

__all__ = ["comparison_page", "report_page"]
