"""The document of a ``ParameterTable``: one row per parameter and buffer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from netscope.errors import UsageError, did_you_mean
from netscope.render import numbers
from netscope.render.document import (
    Column,
    Document,
    DocumentRequest,
    Mark,
    NameCell,
    Row,
    check_top,
    describe_top,
    document_of,
)
from netscope.schema import NamedTensor, ParameterTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametersView:
    """The columns of a table of parameters and the order of its rows.

    Attributes:
        columns: keys of ``PARAMETER_COLUMNS``; None for all.
        sort: ``"order"`` for the order of the layers, ``"name"``, or ``"elements"`` or ``"bytes"`` from the largest.
        top: number of rows to show of a sorted table; None for all.
    """

    shows: ClassVar[type] = ParameterTable
    columns: tuple[str, ...] | None = None
    sort: str = "order"
    top: int | None = None


def _name(tensor: NamedTensor) -> NameCell:
    """Returns the name, in which a buffer is marked, because no narrow terminal drops it."""
    return NameCell(path=tensor.name, label=tensor.name, mark="(buffer)" if tensor.is_buffer else "")


def _describe_kind(tensor: NamedTensor) -> str:
    if tensor.is_buffer:
        return "buffer"
    return "parameter" if tensor.trainable is None else "trainable" if tensor.trainable else "frozen"


PARAMETER_COLUMNS: dict[str, tuple[Column, Callable[[NamedTensor], Any]]] = {
    column.key: (column, value)
    for column, value in (
        (
            Column(key="shape", title="Shape", kind="shape"),
            lambda tensor: None if tensor.shape is None else (tensor.shape,),
        ),
        (Column(key="dtype", title="Dtype", kind="text", rank=2), lambda tensor: tensor.dtype),
        # A tied tensor counts where it is first, so that the columns add up to the totals.
        (
            Column(key="elements", title="Elements", kind="count"),
            lambda tensor: None if tensor.tied_to else tensor.elements,
        ),
        (
            Column(key="bytes", title="Size", kind="bytes", rank=3),
            lambda tensor: None if tensor.tied_to else tensor.bytes,
        ),
        (Column(key="kind", title="Kind", kind="text", rank=1), _describe_kind),
        (Column(key="tied-to", title="Tied to", kind="text", wraps=True), lambda tensor: tensor.tied_to or ""),
    )
}
"""The columns besides the name, which is always first: each with the function that gets its value."""

PARAMETER_ORDERS: dict[str, Callable[[NamedTensor], Any]] = {
    "order": lambda _: 0,
    "name": lambda tensor: tensor.name,
    "elements": lambda tensor: -tensor.elements,
    "bytes": lambda tensor: -tensor.bytes,
}
"""The sort orders, each with the function that gets the value to sort by."""


def check_parameters_view(view: ParametersView) -> None:
    """Checks the view of a table of parameters.

    Raises:
        UsageError: unknown column or sort order.
    """
    for key in view.columns or ():
        if key not in PARAMETER_COLUMNS:
            known = ", ".join(PARAMETER_COLUMNS)
            raise UsageError(
                f"unknown column {key!r}{did_you_mean(key, PARAMETER_COLUMNS)}; columns with --params: {known}"
            )
    if view.sort not in PARAMETER_ORDERS:
        raise UsageError(f"unknown sort order {view.sort!r}; sort orders with --params: {', '.join(PARAMETER_ORDERS)}")
    check_top(view.top, is_sorted=view.sort != "order", example="bytes")


@document_of.register
def parameters_document(table: ParameterTable, request: DocumentRequest) -> Document:
    """Returns a document with one row per parameter and buffer, and the totals below.

    Raises:
        UsageError: the view names an unknown column or sort order.
    """
    view = request.view or ParametersView()
    check_parameters_view(view)
    has_ties = request.exact or any(tensor.tied_to for tensor in table.tensors)
    keys = view.columns or tuple(key for key in PARAMETER_COLUMNS if key != "tied-to" or has_ties)
    shown = [PARAMETER_COLUMNS[key] for key in keys]
    shown = [(replace(column, rank=0) if column.key == view.sort else column, value) for column, value in shown]
    return Document(
        result=table,
        heading=(f"{table.architecture.title}  ·  {table.architecture.source}", _count_tensors(table)),
        columns=(Column(key="name", title="Parameter", kind="name"), *(column for column, _ in shown)),
        rows=tuple(
            Row(
                cells=(_name(tensor), *(value(tensor) for _, value in shown)),
                style="faint" if tensor.is_buffer or tensor.tied_to else "plain",
            )
            for tensor in sorted(table.tensors, key=PARAMETER_ORDERS[view.sort])[: view.top]
        ),
        marks=(Mark(f"^{numbers.NOTHING}$", numbers.NOTHING, "counted where the tensor is first"),),
        facts=(*describe_top(view.top, len(table.tensors)), *_format_totals(table)),
    )


def _count_tensors(table: ParameterTable) -> str:
    buffers = sum(tensor.is_buffer for tensor in table.tensors)
    tied = sum(tensor.tied_to is not None for tensor in table.tensors)
    parts = [numbers.count_nouns(len(table.tensors) - buffers, "parameter tensor")]
    parts += [numbers.count_nouns(buffers, "buffer")] if buffers else []
    parts += [f"{tied} tied to another"] if tied else []
    return ", ".join(parts)


def _format_totals(table: ParameterTable) -> Iterator[tuple[str, str]]:
    totals = table.totals
    parts = [" in ".join((numbers.size(totals.param_bytes), ", ".join(totals.param_dtypes)))]
    if any(tensor.trainable is not None for tensor in table.tensors) and totals.params:
        frozen = f"{numbers.count(totals.trainable_params)} trainable, {numbers.count(totals.frozen_params)} frozen"
        parts.append(frozen if totals.frozen_params else "all trainable")
    if any(tensor.tied_to for tensor in table.tensors):
        parts.append("a tied tensor counts once")
    yield "Parameters", f"{numbers.count(totals.params)}   {' · '.join(parts)}"
    if totals.buffers:
        unsaved = sum(not tensor.persistent for tensor in table.tensors)
        note = f" · {numbers.count_nouns(unsaved, 'buffer')} not in the state dict" if unsaved else ""
        yield "Buffers", f"{numbers.count(totals.buffers)}   {numbers.size(totals.buffer_bytes)}{note}"
