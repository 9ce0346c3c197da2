"""``ArchitectureReport`` and ``DiffReport`` → a page."""

from collections.abc import Sequence
from typing import Any

from netscope.render.document import RIGHT, DocumentRequest, document_of, printable
from netscope.render.page.assembly import assemble
from netscope.render.page.header import report_heading
from netscope.render.page.payload import report_payload
from netscope.render.page.plain import cell_as_text
from netscope.schema import ArchitectureReport, BenchReport, BenchResult, DiffReport

SCRIPTS = (
    "dom", "numbers", "theme", "model", "treegrid", "columns", "icicle", "chain", "graph_model", "graph", "report",
)  # fmt: skip
"""The scripts in the order of their definitions."""


def report_page(report: ArchitectureReport | DiffReport) -> str:
    """Returns a self-contained HTML file that shows the report."""
    if isinstance(report, DiffReport):
        sides: Sequence[ArchitectureReport] = (report.before, report.after)
        document = document_of(report.diff, DocumentRequest())
    else:
        sides = (report,)
        document = document_of(report.summary, DocumentRequest())
    return assemble(
        "report.html",
        title=" → ".join(dict.fromkeys(side.summary.architecture.title for side in sides)),
        document=document,
        payload={**report_payload(report), "bench": _measurements(sides)},
        scripts=SCRIPTS,
        **report_heading(report, document),
    )


def _measurements(sides: Sequence[ArchitectureReport]) -> dict[str, Any] | None:
    """Returns the table of measurements as texts; None if there are none."""
    results: list[BenchResult] = []
    for side in sides:
        results += [result for result in side.bench if result not in results]
    if not results:
        return None
    document = document_of(BenchReport(results=tuple(results)), DocumentRequest())
    return {
        "heading": list(map(printable, document.heading)),
        "columns": [{"title": column.title, "right": column.kind in RIGHT} for column in document.columns],
        "rows": [
            [cell_as_text(document, position, cell) for position, cell in enumerate(row.cells)] for row in document.rows
        ],
        "facts": [[printable(label), printable(text)] for label, text in document.facts],
    }
