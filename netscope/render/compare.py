"""``ComparisonTable`` → ``Document``: which columns there are, and in which order the rows stand."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from netscope.errors import UsageError, did_you_mean
from netscope.render.document import AtLeast, Column, Document, Kind, NameCell, Row
from netscope.schema import METRICS, NOT_TRACED, ComparedArchitecture, ComparisonTable, Metric

LONGEST_REASON = 60
"""Of a failure, in its row; the whole stands below the table."""

MOST_NAMES = 3
"""That are told of those that a note holds for."""

NAME = "architecture"
GIVEN_ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareView:
    """How a comparison is shown.

    Attributes:
        columns: keys of ``COMPARED_COLUMNS``; None for the usual ones of the format.
        sort: such a key, ``"architecture"``, or ``"order"`` for the order in which they were asked for. Figures stand
            largest first, words from A to Z, and what has none of it last.
        reverse: whether the order is turned round; what has none of it stays last.
        macs: multiply–adds instead of FLOPs.
    """

    columns: tuple[str, ...] | None = None
    sort: str = GIVEN_ORDER
    reverse: bool = False
    macs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _ComparedColumn:
    """A column: how its raw value is had from a row.

    Attributes:
        title: what stands above it.
        kind: how it is shown.
        value: of a row.
        rank: which go first where there is no room.
        sorted_by: what rows are sorted by, if it is not the value.
    """

    title: str
    kind: Kind
    value: Callable[[ComparedArchitecture], Any]
    rank: int = 0
    sorted_by: Callable[[ComparedArchitecture], Any] | None = None

    def sorted_value(self, row: ComparedArchitecture) -> Any:
        """Returns the plain value that rows are sorted by."""
        return (self.sorted_by or self.value)(row)


def _column_of(metric: Metric) -> _ComparedColumn:
    def value(row: ComparedArchitecture) -> Any:
        if row.totals is None or (metric.counts_ops and row.traced_on == NOT_TRACED):
            return None
        return metric.value(row.totals)

    def shown(row: ComparedArchitecture) -> Any:
        found = value(row)
        is_bound = metric.counts_ops and row.is_lower_bound and found is not None
        return AtLeast(value=found) if is_bound else found

    rank = 0 if metric.in_diff or metric.counts_ops else 8
    return _ComparedColumn(title=metric.heading, kind=metric.unit, value=shown, rank=rank, sorted_by=value)


COMPARED_COLUMNS: dict[str, _ComparedColumn] = {
    "source": _ComparedColumn(
        title="Source", kind="text", value=lambda row: row.architecture.source if row.architecture else ""
    ),
    "year": _ComparedColumn(title="Year", kind="raw", value=lambda row: row.year, rank=1),
    "paper": _ComparedColumn(title="Paper", kind="text", value=lambda row: row.paper),
    "idea": _ComparedColumn(title="Idea", kind="text", value=lambda row: row.idea, rank=4),
    "input": _ComparedColumn(
        title="Input",
        kind="shape",
        value=lambda row: tuple(item.shape for item in row.inputs),
        rank=6,
        sorted_by=lambda row: sum(prod(item.shape) for item in row.inputs) or None,
    ),
    "layers": _ComparedColumn(title="Layers", kind="count", value=lambda row: row.weighted_layers, rank=2),
    "activations": _ComparedColumn(
        title="Activations", kind="text", value=lambda row: ", ".join(row.activations), rank=3
    ),
    "pooling": _ComparedColumn(title="Pooling", kind="text", value=lambda row: ", ".join(row.pooling), rank=5),
    **{metric.key: _column_of(metric) for metric in METRICS.values() if metric.is_inference_metric},
    "lower-bound": _ComparedColumn(title="Lower bound", kind="raw", value=lambda row: row.is_lower_bound),
    "peak": _ComparedColumn(title="Peak act.", kind="bytes", value=lambda row: row.peak_activation_bytes, rank=7),
    "top1": _ComparedColumn(title="Top-1", kind="percent", value=lambda row: row.top1, rank=1),
    "top1-of": _ComparedColumn(title="Top-1 of", kind="text", value=lambda row: row.top1_weights),
}
"""Every column that ``--columns`` and ``--sort`` can name; the architecture's own name always stands first."""

USUAL = ("year", "idea", "input", "layers", "activations", "pooling", "params", "flops", "weights", "peak", "top1")
_EXACT_METRICS = tuple(metric.key for metric in METRICS.values() if metric.in_csv and metric.is_inference_metric)
EXACT = ("source", "year", "paper", "idea", "input", "layers", "activations", "pooling", *_EXACT_METRICS,
         "lower-bound", "weights", "peak", "top1", "top1-of")  # fmt: skip
"""What CSV gives."""

OPTIONAL = ("year", "idea", "top1", "activations", "pooling")
"""Left out of the usual ones where no row has any."""


def check_compare_view(view: CompareView) -> None:
    """Checks that a comparison can be shown that way.

    Raises:
        UsageError: unknown column or order.
    """
    known = ", ".join(COMPARED_COLUMNS)
    if view.columns is not None and not any(view.columns):
        raise UsageError(f"--columns names none; the columns are {known}")
    for key in view.columns or ():
        if key not in COMPARED_COLUMNS:
            raise UsageError(
                f"there is no column {key!r}{did_you_mean(key, COMPARED_COLUMNS)}; the columns are {known}"
            )
    orders = (GIVEN_ORDER, NAME, *COMPARED_COLUMNS)
    if view.sort not in orders:
        raise UsageError(
            f"there is no order {view.sort!r}{did_you_mean(view.sort, orders)}; the orders are {', '.join(orders)}"
        )


def comparison_document(table: ComparisonTable, view: CompareView, *, exact: bool = False) -> Document:
    """The document of ``table``.

    Args:
        table: what is shown.
        view: which columns, in which order.
        exact: whether the format is read by programs: every column, and the whole of each error.

    Raises:
        UsageError: the view names an unknown column or order.
    """
    check_compare_view(view)
    keys = view.columns or (EXACT if exact else _usual(table))
    if view.macs:
        keys = tuple("macs" if key == "flops" else key for key in keys)
    columns = [
        Column(key=key, title=column.title, kind=column.kind, rank=column.rank, wraps=column.kind == "text")
        for key, column in ((key, COMPARED_COLUMNS[key]) for key in keys)
    ]
    shows_errors = exact or any(row.error for row in table.rows)
    if shows_errors:
        columns.append(Column(key="error", title="Error" if exact else "", kind="text", wraps=True))
    rows = []
    for row in _sorted(table.rows, view):
        cells = [None if row.error else COMPARED_COLUMNS[key].value(row) for key in keys]
        if shows_errors:
            cells.append(row.error if exact else _shortened(_reason(row)))
        rows.append(Row(cells=(_name(row), *cells), style="removed" if row.error else "plain"))
    return Document(
        result=table,
        heading=(_heading(table),),
        columns=(Column(key=NAME, title="Architecture", kind="name"), *columns),
        rows=tuple(rows),
        facts=tuple(_facts(table, keys)),
    )


def _usual(table: ComparisonTable) -> tuple[str, ...]:
    return tuple(
        key for key in USUAL if key not in OPTIONAL or any(COMPARED_COLUMNS[key].value(row) for row in table.rows)
    )


def _sorted(rows: tuple[ComparedArchitecture, ...], view: CompareView) -> list[ComparedArchitecture]:
    """Stable: what is equal stays in the order in which it was asked for."""
    if view.sort == GIVEN_ORDER:
        return list(reversed(rows)) if view.reverse else list(rows)

    def value(row: ComparedArchitecture) -> Any:
        if view.sort == NAME:
            return title_of(row).lower()
        found = COMPARED_COLUMNS[view.sort].sorted_value(row)
        return found.lower() if isinstance(found, str) else found

    valued = [row for row in rows if value(row) not in (None, "")]
    others = [row for row in rows if value(row) in (None, "")]
    are_words = bool(valued) and isinstance(value(valued[0]), str)
    return [*sorted(valued, key=value, reverse=view.reverse == are_words), *others]


def title_of(row: ComparedArchitecture) -> str:
    """What an architecture is called: as it was resolved, with the source where that was typed, or the file."""
    if row.architecture is None:
        return row.spec
    title = row.architecture.title
    if row.spec.endswith(".json"):
        return f"{title} ({row.spec})"
    prefix, slash, _ = row.spec.partition("/")
    is_named_by_source = slash and prefix != row.architecture.name.partition("/")[0]
    return f"{prefix}/{title}" if is_named_by_source and row.architecture.source not in ("python", "file") else title


def _name(row: ComparedArchitecture) -> NameCell:
    title = title_of(row)
    return NameCell(path=title, label=title)


def _heading(table: ComparisonTable) -> str:
    count = len(table.rows)
    failed = sum(1 for row in table.rows if row.error)
    failures = f", of which {failed} failed" if failed else ""
    return f"{count} architecture{'' if count == 1 else 's'}{failures}"


def _reason(row: ComparedArchitecture) -> str:
    """Why it failed, without the name, which stands before it already."""
    return row.error.removeprefix(f"{row.spec}: ")


def _shortened(reason: str) -> str:
    """Its first clause, and no more of it than fits into a row."""
    clause = reason.partition("; ")[0]
    return clause if len(clause) <= LONGEST_REASON else f"{clause[:LONGEST_REASON]}…"


def _facts(table: ComparisonTable, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    rows = [row for row in table.rows if not row.error]
    if rows and ("flops" in keys or "macs" in keys):
        bound = (
            "; ≥ where there is no formula for an op"
            if any(row.is_lower_bound and row.traced_on != NOT_TRACED for row in rows)
            else ""
        )
        yield "FLOPs" if "flops" in keys else "MACs", f"{table.flop_convention}{bound}"
    for unread_note, names in _grouped((row.unread_note, row) for row in rows if row.unread_note):
        yield "Unread", f"{names}: {unread_note}"
    if "top1" in keys and any(row.top1_weights for row in rows):
        weights = ", ".join(dict.fromkeys(row.top1_weights for row in rows if row.top1_weights))
        yield "Top-1", f"on ImageNet-1K, as torchvision publishes it for its default weights: {weights}"
    for reason, names in _grouped(
        (_reason(row), row) for row in table.rows if _shortened(_reason(row)) != _reason(row)
    ):
        yield "Failed", f"{names}: {reason}"
    for note, names in _grouped((note, row) for row in rows for note in row.notes):
        yield "Note", f"{names}: {note}"
    for note in table.notes:
        yield "Note", note


def _grouped(told: Iterable[tuple[str, ComparedArchitecture]]) -> Iterator[tuple[str, str]]:
    """Each text once, with the names that it holds for."""
    groups: dict[str, list[str]] = {}
    for text, row in told:
        groups.setdefault(text, []).append(title_of(row))
    for text, names in groups.items():
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield text, ", ".join(names[:MOST_NAMES]) + more
