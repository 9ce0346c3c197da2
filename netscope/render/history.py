"""The history of checks: a CSV file with a row for each commit and check."""

import csv
from io import StringIO

from netscope.errors import UsageError
from netscope.render.comma_separated import guard_formula
from netscope.schema import METRICS, CheckReport, Head, ModelCheck

_METRICS = ("params", "trainable_params", "flops", "weight_bytes", "memory")
COLUMNS = ("date", "revision", "check", "model", *_METRICS, "verdict")
_KEY = slice(COLUMNS.index("revision"), COLUMNS.index("check") + 1)


def read_history(text: str) -> list[list[str]]:
    """Returns the rows of a history without its header.

    Raises:
        UsageError: it has another header, or a row with another number of values.
    """
    try:
        rows = list(csv.reader(StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise UsageError(f"it is not CSV: {error}; choose another file") from error
    if not rows:
        return []
    header = ",".join(COLUMNS)
    if tuple(rows[0]) != COLUMNS:
        raise UsageError(f"its header is {','.join(rows[0])[:200]!r}, not {header!r}; choose another file")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise UsageError(f"row {number} has {len(row)} values, its header {len(COLUMNS)}; restore the file")
    return rows[1:]


def format_history(rows: list[list[str]], report: CheckReport, head: Head) -> str:
    """Returns a history as CSV with the results of a report.

    Rows of the same revision and check are replaced, so that a second run changes nothing; others are unchanged.
    """
    added = [[str(guard_formula(value)) for value in _make_row(model, head)] for model in report.models]
    replaced = {tuple(row[_KEY]): row for row in added}
    kept = [replaced.pop(tuple(row[_KEY]), row) for row in rows]
    output = StringIO()
    csv.writer(output, lineterminator="\n").writerows([COLUMNS, *kept, *replaced.values()])
    return output.getvalue()


def _make_row(model: ModelCheck, head: Head) -> tuple[object, ...]:
    """Returns the values of a row; one that is not exactly known is empty."""
    values = (
        "" if METRICS[name].counts_ops and model.is_lower_bound else model.metrics.get(name, "") for name in _METRICS
    )
    return head.date, head.revision, model.name, model.model, *values, model.status
