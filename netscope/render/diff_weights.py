"""The document of a ``WeightsMap``: where each tensor comes from."""

from collections.abc import Iterator
from dataclasses import replace

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, Row, document_of
from netscope.schema import UnmappedTensor, WeightsMap

_COLUMNS = (
    Column(key="kind", title="", kind="text"),
    Column(key="tensor", title="Tensor", kind="text"),
    Column(key="from", title="Made of", kind="text", wraps=True),
    Column(key="reason", title="Why not", kind="text", wraps=True),
)


@document_of.register
def weights_document(found: WeightsMap, request: DocumentRequest) -> Document:
    """Returns a document with one row per tensor of either side; tensors that are only renamed are last, or folded."""
    made = tuple(_list_made(found))
    copied = tuple(Row(cells=("copied", name, key, "")) for key, name in found.tensors.items())
    columns = _COLUMNS if found.missing or found.unused or request.exact else _COLUMNS[:-1]

    def create_document(heading: str, rows: tuple[Row, ...]) -> Document:
        cut = tuple(replace(row, cells=row.cells[: len(columns)]) for row in rows)
        return Document(result=found, heading=(heading,), columns=columns if rows else (), rows=cut, facts=())

    heading = f"{found.before.title} → {found.after.title}: {describe_coverage(found)}"
    if not request.folding:
        return create_document(heading, (*made, *copied))
    folded = create_document(f"{len(copied)} tensors taken as they are", copied)
    return replace(create_document(heading, made), folded=folded if copied else None)


def _list_made(found: WeightsMap) -> Iterator[Row]:
    for recipe in found.recipes:
        yield Row(cells=("made", recipe.name, recipe.formula, ""), style="changed")
    for tensor in found.missing:
        yield Row(cells=("missing", tensor.name, "", _explain(tensor)), style="removed")
    for tensor in found.unused:
        yield Row(cells=("unused", "", tensor.name, _explain(tensor)), style="faint")


def _explain(tensor: UnmappedTensor) -> str:
    shape = f"{numbers.shapes((tensor.shape,))}: " if tensor.shape is not None else ""
    return f"{shape}{tensor.reason}"


def describe_coverage(found: WeightsMap) -> str:
    """Returns ``"152 tensors, 86,567,656 of 86,567,656 parameters"``, with the number of recipes if there are any."""
    count = len(found.tensors) + len(found.recipes)
    recipes = f", {len(found.recipes)} of them by recipe" if found.recipes else ""
    return f"{count} tensors{recipes}, {found.covered_params:,} of {found.params:,} parameters"
