"""``ArchitectureReport`` and ``DiffReport`` → a page."""

from collections.abc import Sequence
from typing import Any

from netscope.render.bench import bench_document
from netscope.render.diff import DiffView, diff_document
from netscope.render.document import RIGHT, printable
from netscope.render.page.assembly import assembled
from netscope.render.page.header import heading
from netscope.render.page.payload import report_payload
from netscope.render.page.plain import cell_as_text, plain_table
from netscope.render.summary import View, summary_document
from netscope.schema import ArchitectureReport, BenchReport, BenchResult, DiffReport

SCRIPTS = (
    "dom", "numbers", "theme", "model", "treegrid", "columns", "icicle", "chain", "graph_model", "graph", "report",
)  # fmt: skip
"""In the order in which they are defined."""


def report_page(report: ArchitectureReport | DiffReport) -> str:
    """One HTML file that shows the report, by itself."""
    if isinstance(report, DiffReport):
        sides: Sequence[ArchitectureReport] = (report.before, report.after)
        document = diff_document(report.diff, DiffView())
    else:
        sides = (report,)
        document = summary_document(report.summary, View())
    title = " → ".join(dict.fromkeys(side.summary.architecture.title for side in sides))
    return assembled(
        title=f"{title} · netscope",
        heading=heading(report),
        fallback=plain_table(document),
        payload={**report_payload(report), "bench": _measured(sides)},
        scripts=SCRIPTS,
    )


def _measured(sides: Sequence[ArchitectureReport]) -> dict[str, Any] | None:
    """The table of what was measured, each cell as it is read."""
    results: list[BenchResult] = []
    for side in sides:
        results += [result for result in side.bench if result not in results]
    if not results:
        return None
    document = bench_document(BenchReport(results=tuple(results)))
    return {
        "heading": [printable(line) for line in document.heading],
        "columns": [{"title": column.title, "right": column.kind in RIGHT} for column in document.columns],
        "rows": [
            [cell_as_text(document, position, cell) for position, cell in enumerate(row.cells)] for row in document.rows
        ],
        "facts": [[printable(label), printable(said)] for label, said in document.facts],
    }
