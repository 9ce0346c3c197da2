"""The document of a ``ComparisonTable``: its columns and the order of its rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from netscope.errors import UsageError, did_you_mean
from netscope.render import numbers
from netscope.render.document import (
    Column,
    Document,
    DocumentRequest,
    Kind,
    Mark,
    NameCell,
    Row,
    check_top,
    describe_top,
    document_of,
    mark_bound,
)
from netscope.runtime.wording import show_argument
from netscope.schema import METRICS, NOT_TRACED, ComparedArchitecture, ComparisonTable, Metric

MAX_NAMES = 3
"""Maximum number of architectures that a line of the footer names."""

NAME = "architecture"
GIVEN_ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareView:
    """The columns of a comparison and the order of its rows.

    Attributes:
        columns: keys of ``COMPARED_COLUMNS``; None for the default columns of the format.
        sort: a key of ``COMPARED_COLUMNS``, ``"architecture"``, or ``"order"`` for the requested order. Numbers are
            sorted from the largest, words from A to Z; rows without a value are last.
        reverse: whether the order is reversed; rows without a value are still last.
        top: number of rows to show of a sorted comparison; None for all.
        macs: whether MACs are shown instead of FLOPs.
    """

    shows: ClassVar[type] = ComparisonTable
    columns: tuple[str, ...] | None = None
    sort: str = GIVEN_ORDER
    reverse: bool = False
    top: int | None = None
    macs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _ComparedColumn:
    """A column of a comparison.

    Attributes:
        title: heading of the column.
        kind: how its values are written.
        value: function that gets the raw value of a row.
        rank: order in which columns are dropped to fit the width, the highest first; 0 is never dropped.
        sorted_by: function that gets the value to sort by, if it differs from ``value``.
    """

    title: str
    kind: Kind
    value: Callable[[ComparedArchitecture], Any]
    rank: int = 0
    sorted_by: Callable[[ComparedArchitecture], Any] | None = None

    def sorted_value(self, row: ComparedArchitecture) -> Any:
        """Returns the plain value that a row is sorted by."""
        return (self.sorted_by or self.value)(row)


def _make_column(metric: Metric) -> _ComparedColumn:
    """Returns the column of a metric, in which a lower bound is marked."""

    def value(row: ComparedArchitecture) -> Any:
        if row.totals is None or (metric.counts_ops and row.traced_on == NOT_TRACED):
            return None
        return metric.value(row.totals)

    def shown(row: ComparedArchitecture) -> Any:
        return mark_bound(metric, value(row), is_lower_bound=row.is_lower_bound)

    rank = 0 if metric.in_diff or metric.counts_ops else 5
    return _ComparedColumn(title=metric.heading, kind=metric.unit, value=shown, rank=rank, sorted_by=value)


COMPARED_COLUMNS: dict[str, _ComparedColumn] = {
    "source": _ComparedColumn(
        title="Source", kind="text", value=lambda row: row.architecture.source if row.architecture else ""
    ),
    "year": _ComparedColumn(title="Year", kind="raw", value=lambda row: row.year, rank=2),
    "paper": _ComparedColumn(title="Paper", kind="text", value=lambda row: row.paper),
    "idea": _ComparedColumn(title="Idea", kind="text", value=lambda row: row.idea, rank=9),
    "input": _ComparedColumn(
        title="Input",
        kind="shape",
        value=lambda row: tuple(item.shape for item in row.inputs),
        rank=7,
        sorted_by=lambda row: sum(prod(item.shape) for item in row.inputs) or None,
    ),
    "layers": _ComparedColumn(title="Layers", kind="count", value=lambda row: row.weighted_layers, rank=3),
    "activations": _ComparedColumn(
        title="Activations", kind="text", value=lambda row: ", ".join(row.activations), rank=4
    ),
    "pooling": _ComparedColumn(title="Pooling", kind="text", value=lambda row: ", ".join(row.pooling), rank=8),
    **{metric.key: _make_column(metric) for metric in METRICS.values() if metric.is_inference_metric},
    "lower-bound": _ComparedColumn(title="Lower bound", kind="raw", value=lambda row: row.is_lower_bound),
    "peak": _ComparedColumn(title="Peak act.", kind="bytes", value=lambda row: row.peak_activation_bytes, rank=6),
    "top1": _ComparedColumn(title="Top-1", kind="percent", value=lambda row: row.top1, rank=1),
    "top1-of": _ComparedColumn(title="Top-1 of", kind="text", value=lambda row: row.top1_weights),
}
"""All columns for ``--columns`` and ``--sort``, by key, besides the architecture's name, which is always first."""

DEFAULT_COLUMNS = ("year", "layers", "params", "flops", "top1", "weights", "peak", "input", "activations", "pooling",
         "idea")  # fmt: skip
_EXACT_METRICS = tuple(metric.key for metric in METRICS.values() if metric.in_csv and metric.is_inference_metric)
CSV_COLUMNS = ("source", "year", "paper", "idea", "input", "layers", "activations", "pooling", *_EXACT_METRICS,
         "lower-bound", "weights", "peak", "top1", "top1-of")  # fmt: skip
"""The default columns of CSV."""

_MACS_KEYS = {metric.key: METRICS[metric.macs].key for metric in METRICS.values() if metric.macs}

OPTIONAL_COLUMNS = ("year", "idea", "top1", "activations", "pooling")
"""Default columns that are left out if no row has a value."""


def check_compare_view(view: CompareView) -> None:
    """Checks the view of a comparison.

    Raises:
        UsageError: unknown column or sort order.
    """
    check_top(view.top, is_sorted=view.sort != GIVEN_ORDER)
    known = ", ".join(COMPARED_COLUMNS)
    if view.columns is not None and not any(view.columns):
        raise UsageError(f"{show_argument('--columns')} is empty; columns: {known}")
    for key in view.columns or ():
        if key not in COMPARED_COLUMNS:
            raise UsageError(f"unknown column {key!r}{did_you_mean(key, COMPARED_COLUMNS)}; columns: {known}")
    orders = (GIVEN_ORDER, NAME, *COMPARED_COLUMNS)
    if view.sort not in orders:
        suggestion = did_you_mean(view.sort, orders)
        raise UsageError(f"unknown sort order {view.sort!r}{suggestion}; sort orders: {', '.join(orders)}")


@document_of.register
def comparison_document(table: ComparisonTable, request: DocumentRequest) -> Document:
    """Returns the document of a comparison.

    In exact formats the default is every column, and the reason of a failure is one too. Elsewhere it is in the footer,
    so that the row of a failure is as wide as any other.

    Raises:
        UsageError: the view names an unknown column or sort order.
    """
    view, exact = request.view or CompareView(), request.exact
    check_compare_view(view)
    keys = view.columns or (CSV_COLUMNS if exact else _choose_columns(table))
    if view.macs:
        keys = tuple(_MACS_KEYS.get(key, key) for key in keys)
    columns = [
        Column(
            key=key,
            title=column.title,
            kind=column.kind,
            rank=0 if key == view.sort else column.rank,
            wraps=column.kind == "text",
        )
        for key, column in ((key, COMPARED_COLUMNS[key]) for key in keys)
    ]
    if exact:
        columns.append(Column(key="error", title="Error", kind="text"))
    rows = []
    for row in _sort(table.rows, view)[: view.top]:
        cells = [None if row.error else COMPARED_COLUMNS[key].value(row) for key in keys]
        reason = (row.error,) if exact else ()
        rows.append(Row(cells=(_make_name(row), *cells, *reason), style="removed" if row.error else "plain"))
    return Document(
        result=table,
        heading=(_format_heading(table),),
        columns=(Column(key=NAME, title="Architecture", kind="name"), *columns),
        rows=tuple(rows),
        facts=(*describe_top(view.top, len(table.rows)), *_format_footer(table, keys)),
        marks=(Mark(f"^{numbers.NOTHING}$", numbers.NOTHING, "unknown"),),
    )


def _choose_columns(table: ComparisonTable) -> tuple[str, ...]:
    return tuple(
        key
        for key in DEFAULT_COLUMNS
        if key not in OPTIONAL_COLUMNS or any(COMPARED_COLUMNS[key].value(row) for row in table.rows)
    )


def _sort(rows: tuple[ComparedArchitecture, ...], view: CompareView) -> list[ComparedArchitecture]:
    """Returns the rows in the order of the view; rows with equal values stay in the requested order."""
    if view.sort == GIVEN_ORDER:
        return list(reversed(rows)) if view.reverse else list(rows)

    def value(row: ComparedArchitecture) -> Any:
        if view.sort == NAME:
            return format_title(row).lower()
        found = COMPARED_COLUMNS[view.sort].sorted_value(row)
        return found.lower() if isinstance(found, str) else found

    valued = [row for row in rows if value(row) not in (None, "")]
    others = [row for row in rows if value(row) in (None, "")]
    are_words = bool(valued) and isinstance(value(valued[0]), str)
    return [*sorted(valued, key=value, reverse=view.reverse == are_words), *others]


def format_title(row: ComparedArchitecture) -> str:
    """Returns the resolved name of an architecture, with the source or file if the user gave one."""
    if row.architecture is None:
        return row.spec
    title = row.architecture.title
    if row.spec.endswith(".json"):
        return f"{title} ({row.spec})"
    prefix, slash, _ = row.spec.partition("/")
    is_named_by_source = slash and prefix != row.architecture.name.partition("/")[0]
    return f"{prefix}/{title}" if is_named_by_source and row.architecture.source not in ("python", "file") else title


def _make_name(row: ComparedArchitecture) -> NameCell:
    title = format_title(row)
    return NameCell(path=title, label=title)


def _format_heading(table: ComparisonTable) -> str:
    count = len(table.rows)
    failed = sum(1 for row in table.rows if row.error)
    failures = f", of which {failed} failed" if failed else ""
    return f"{numbers.count_nouns(count, 'architecture')}{failures}"


def _format_footer(table: ComparisonTable, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    rows = [row for row in table.rows if not row.error]
    if rows and ("flops" in keys or "macs" in keys):
        has_bounds = any(row.is_lower_bound and row.traced_on != NOT_TRACED for row in rows)
        bound = "; ≥: lower bound (no formula for some op)" if has_bounds else ""
        yield "FLOPs" if "flops" in keys else "MACs", f"{table.flop_convention}{bound}"
    for unread_note, names in _group((row.unread_note, row) for row in rows if row.unread_note):
        yield "Unread", f"{names}: {unread_note}"
    if "top1" in keys and any(row.top1_weights for row in rows):
        weights = ", ".join(dict.fromkeys(row.top1_weights for row in rows if row.top1_weights))
        yield "Top-1", f"on ImageNet-1K, published by torchvision for its default weights: {weights}"
    for reason, names in _group((row.error.removeprefix(f"{row.spec}: "), row) for row in table.rows if row.error):
        yield "Failed", f"{names}: {reason}"
    for note, names in _group((note, row) for row in rows for note in row.notes):
        yield "Note", f"{names}: {note}"
    for note in table.notes:
        yield "Note", note


def _group(texts: Iterable[tuple[str, ComparedArchitecture]]) -> Iterator[tuple[str, str]]:
    """Yields each text once, with the names of its architectures."""
    groups: dict[str, list[str]] = {}
    for text, row in texts:
        groups.setdefault(text, []).append(format_title(row))
    for text, names in groups.items():
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        yield text, ", ".join(names[:MAX_NAMES]) + more
