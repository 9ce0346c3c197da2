"""The document of an ``Explanation``: a table of all layers, or one layer's arithmetic line by line."""

from collections.abc import Iterator
from math import prod

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, Style, TypeCell, document_of
from netscope.render.hyperparameters import notable_hyperparameters
from netscope.schema import Explanation, LayerExplanation, LayerRow, drop_batch_dimension

SIZES = ("size", "length", "height", "width", "depth")

_TABLE = (
    Column(key="layer", title="Layer", kind="name"),
    Column(key="type", title="Type", kind="type"),
    Column(key="output", title="Output", kind="shape"),
    Column(key="size", title="Output size", kind="text"),
    Column(key="parameters", title="Parameters", kind="text", rank=3),
    Column(key="macs", title="MACs", kind="text", rank=5),
    Column(key="field", title="Receptive field", kind="text", rank=4),
)

_LINES = (Column(key="quantity", title="", kind="text"), Column(key="arithmetic", title="", kind="text"))

_EXACT = (
    *(Column(key=key, title=key, kind="text") for key in ("layer", "type", "quantity", "rule", "arithmetic")),
    Column(key="value", title="value", kind="count"),
    Column(key="notes", title="notes", kind="text"),
)


@document_of.register
def explanation_document(explanation: Explanation, request: DocumentRequest) -> Document:
    """Returns the document of an explanation; in exact formats with one row per derivation."""
    if request.exact:
        rows = tuple(_exact_rows(explanation))
        return Document(result=explanation, heading=(), columns=_EXACT, rows=rows, facts=())
    if explanation.path is not None:
        return _layer_document(explanation)
    rows = (*_input_rows(explanation), *_layer_rows(explanation.layers, explanation))
    return _layer_table(explanation, tuple(_heading(explanation)), rows, tuple(_facts(explanation)))


def _layer_table(
    explanation: Explanation, heading: tuple[str, ...], rows: tuple[Row, ...], facts: tuple[tuple[str, str], ...]
) -> Document:
    """Returns the table of layers, without empty columns."""
    shown = [position for position in range(len(_TABLE)) if any(row.cells[position] for row in rows)]
    return Document(
        result=explanation,
        heading=heading,
        columns=tuple(_TABLE[position] for position in shown),
        rows=tuple(Row(cells=tuple(row.cells[position] for position in shown), style=row.style) for row in rows),
        facts=facts,
    )


def _heading(explanation: Explanation) -> Iterator[str]:
    architecture = explanation.architecture
    yield f"{architecture.title}  ·  {architecture.source}"
    changed = f"  ·  what if {', '.join(explanation.changes)}" if explanation.changes else ""
    yield f"input {numbers.inputs(explanation.inputs)}{changed}"


# All layers


def _input_rows(explanation: Explanation) -> Iterator[Row]:
    for item in explanation.inputs:
        yield Row(
            cells=(
                NameCell(path=item.name, label=item.name),
                TypeCell(name="input"),
                numbers.shape(item.shape),
                *("",) * 4,
            ),
            style="faint",
        )


def _layer_rows(layers: tuple[LayerExplanation, ...], explanation: Explanation) -> Iterator[Row]:
    containers = {layer.row.path.rpartition(".")[0] for layer in layers if layer.row.path}
    for layer in layers:
        row = layer.row
        is_leaf = row.path not in containers
        if row.calls and (is_leaf or row.own.params or row.own.flops):
            yield Row(
                cells=(
                    NameCell(path=row.path, label=row.path or row.type_name),
                    TypeCell(name=row.type_name, details=notable_hyperparameters(row.type_name, row.hyperparameters)),
                    _output(layer),
                    _sizes(layer, explanation),
                    _short(layer, "parameters"),
                    _short(layer, "MACs"),
                    _short(layer, "receptive field"),
                ),
                style=_style(layer, explanation),
            )


def _style(layer: LayerExplanation, explanation: Explanation) -> Style:
    if explanation.mismatch is not None and layer.row.path == explanation.mismatch.path:
        return "removed"
    if layer.output_before is not None:
        return "changed"
    return "strong" if layer.row.own.params else "plain"


def _output(layer: LayerExplanation) -> str:
    output = numbers.shapes(layer.row.output_shapes)
    if layer.output_before:
        return f"{numbers.shapes(layer.output_before)} → {output or 'nothing'}"
    return output


def _sizes(layer: LayerExplanation, explanation: Explanation) -> str:
    if explanation.mismatch is not None and layer.row.path == explanation.mismatch.path:
        return "shape mismatch"
    found = [item.short for item in layer.derivations if item.quantity.partition(" ")[0] in SIZES]
    return "; ".join(dict.fromkeys(filter(None, found)))


def _short(layer: LayerExplanation, quantity: str) -> str:
    derivation = layer.of(quantity)
    return derivation.short if derivation is not None else ""


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    if explanation.mismatch is not None:
        yield "Mismatch", explanation.mismatch.reason
        if explanation.mismatch.remedy:
            yield "Fix", explanation.mismatch.remedy
        yield "Chain", f"{_chain(explanation)} → ?"
        return
    yield "Chain", _chain(explanation)
    if explanation.flattened is not None:
        yield "Flattened", explanation.flattened.arithmetic
    yield "Weighted", _weighted(explanation)
    for layer in explanation.layers:
        for derivation in layer.derivations:
            for note in derivation.notes:
                if note.startswith("the floor throws away") and "never seen" in note:
                    yield "Never seen", f"{layer.row.path}, {derivation.quantity}: {note}"
    before, totals = explanation.totals_before, explanation.totals
    for label, name in (("Parameters", "params"), ("MACs", "macs")):
        now = getattr(totals, name)
        then = getattr(before, name) if before is not None else now
        yield label, numbers.count(now) if then == now else f"{numbers.count(then)} → {numbers.count(now)}"
    for note in explanation.notes:
        yield "Note", note


def _chain(explanation: Explanation) -> str:
    """Returns the shapes from input to output, without the batch, as textbooks draw them."""
    return " → ".join(numbers.shape(drop_batch_dimension(stage.shape)) for stage in explanation.chain)


def _weighted(explanation: Explanation) -> str:
    """Returns the number of layers as papers count them: those that multiply by own parameters."""
    kinds: dict[str, int] = {}
    for layer in explanation.layers:
        row = layer.row
        if row.own.flops and any(not item.is_buffer for item in row.tensors):
            kinds[_kind(row)] = kinds.get(_kind(row), 0) + 1
    total = sum(kinds.values())
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{total} layer{'s' if total > 1 else ''}: {parts}" if total else "no layers"


def _kind(row: LayerRow) -> str:
    if "kernel_size" in row.hyperparameters:
        return "convolutional"
    if "in_features" in row.hyperparameters:
        return "fully connected"
    return row.type_name


# One layer


def _layer_document(explanation: Explanation) -> Document:
    first, *below = explanation.layers
    row = first.row
    details = ", ".join(notable_hyperparameters(row.type_name, row.hyperparameters))
    name = f"{row.path or explanation.architecture.title}  ·  {row.type_name} {details}".rstrip()
    shown = tuple(_layer_rows(tuple(below), explanation))
    attached = _layer_table(explanation, ("Submodules",), shown, ())
    return Document(
        result=explanation,
        heading=(name, *_heading(explanation)),
        columns=_LINES,
        rows=tuple(_lines(first, explanation)),
        facts=tuple(_layer_facts(explanation)),
        attached=(attached,) if shown else (),
    )


def _lines(layer: LayerExplanation, explanation: Explanation) -> Iterator[Row]:
    row = layer.row
    if not row.calls:
        yield _line("shapes", "not reached" if explanation.mismatch else "never called")
    else:
        given = ", ".join(map(numbers.shape, row.input_shapes)) or "nothing"
        yield _line(
            "shapes", f"{given} → {_outputs(layer)}" + (f", first of {row.calls} calls" if row.calls > 1 else "")
        )
    if explanation.mismatch is not None and explanation.mismatch.path == row.path:
        yield _line("mismatch", explanation.mismatch.reason)
    for derivation in layer.derivations:
        quantity = derivation.quantity
        for text in (derivation.rule, derivation.arithmetic):
            if text:
                yield _line(quantity, text)
                quantity = ""
        is_size = derivation.quantity.partition(" ")[0] in SIZES
        if is_size and " = " in derivation.short and derivation.short != derivation.arithmetic:
            yield _line("", derivation.short)
        for note in derivation.notes:
            yield _line("", note)
    if row.receptive_field or not row.calls:
        return
    if explanation.has_fields:
        reason = "an op before it mixes positions in a way that is not followed, or no followed input reaches it"
        yield _line("receptive field", f"unknown: {reason}")


def _outputs(layer: LayerExplanation) -> str:
    outputs = ", ".join(map(numbers.shape, layer.row.output_shapes)) or "nothing"
    if layer.output_before:
        return f"{outputs} (before: {', '.join(map(numbers.shape, layer.output_before))})"
    return outputs


def _line(quantity: str, text: str) -> Row:
    return Row(cells=(quantity[:1].upper() + quantity[1:], text))


def _layer_facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    mismatch = explanation.mismatch
    if mismatch is not None and mismatch.path != explanation.path:
        yield "Mismatch", mismatch.reason
    row = explanation.layers[0].row
    if row.total.params and explanation.totals.params:
        yield (
            "Share",
            f"{numbers.share(row.total.params, explanation.totals.params)} of the parameters"
            + (f", {numbers.share(row.total.flops, explanation.totals.flops)} of the FLOPs" if row.total.flops else ""),
        )
    for note in row.notes:
        yield "Note", note


# For programs


def _exact_rows(explanation: Explanation) -> Iterator[Row]:
    for layer in explanation.layers:
        row = layer.row
        if row.calls:
            shape = row.output_shapes[0] if row.output_shapes else ()
            yield _exact(row, "output", "", numbers.shapes(row.output_shapes), prod(shape) if shape else None, ())
        for item in layer.derivations:
            yield _exact(row, item.quantity, item.rule, item.arithmetic, item.value, item.notes)


def _exact(row: LayerRow, quantity: str, rule: str, arithmetic: str, value: int | None, notes: tuple[str, ...]) -> Row:
    return Row(cells=(row.path, row.type_name, quantity, rule, arithmetic, value, "; ".join(notes)))
