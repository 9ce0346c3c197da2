"""The derivation of a layer's receptive field."""

from collections.abc import Iterable, Mapping

from netscope.analysis.shapes import value_on_axis
from netscope.schema import Derivation, LayerRow, ReceptiveField

RULE = "r = r_before + D·(K − 1)·j_before, j = j_before·S"


def derive_receptive_field(row: LayerRow, rows: Mapping[str, LayerRow]) -> Derivation | None:
    """Returns the derivation of a row's receptive field; None if it is not known."""
    fields = row.receptive_field
    if not fields:
        return None
    text = "×".join(str(field.size) for field in fields)
    strides = {field.stride for field in fields}
    stride = strides.pop() if len(strides) == 1 else None
    short = text + (f", every {stride:g}" if stride else "")
    if all(field.same for field in fields):
        given = rows[""].input_shapes[0][-len(fields) :] if "" in rows and rows[""].input_shapes else ()
        sees_all = [(field.first, field.last) for field in fields] == [(0, size - 1) for size in given]
        short = "all" if sees_all else ", ".join(f"{field.first} … {field.last}" for field in fields)
    growth = _growth(row, rows)
    return Derivation(
        quantity="receptive field",
        rule=RULE if growth else "",
        arithmetic=f"{growth}: {text} positions of the input" if growth else f"{text} positions of the input",
        value=fields[0].size,
        short=short,
        notes=tuple(_notes(fields)),
    )


def _notes(fields: tuple[ReceptiveField, ...]) -> list[str]:
    strides = [field.stride for field in fields]
    notes = []
    if all(field.same for field in fields) and not any(strides):
        notes.append("all units have the same field")
    elif all(strides):
        notes.append(f"the fields of neighboring units are {_join_distinct(strides)} apart")
        centers = ", ".join(f"{field.center:g}" for field in fields)
        starts = ", ".join(str(field.start) for field in fields)
        notes.append(f"the first unit's field begins at {starts} and is centered on {centers}".replace("-", "−"))
    else:
        notes.append("the distance between the fields of neighboring units varies")
    spans = ", ".join(f"{field.first} … {field.last}" for field in fields)
    notes.append(f"the middle unit depends on positions {spans}")
    if any(field.last - field.first + 1 < field.size for field in fields):
        notes.append("the rest of its field is in the padding")
    return notes


def _join_distinct(strides: Iterable[float | None]) -> str:
    return "×".join(dict.fromkeys(f"{stride:g}" for stride in strides))


def _growth(row: LayerRow, rows: Mapping[str, LayerRow]) -> str | None:
    """Returns the arithmetic of a window over a single input; None if it does not give the row's receptive field."""
    kernel = value_on_axis(row.hyperparameters.get("kernel_size"), 0)
    if kernel is None or len(row.reads_from) != 1 or row.calls != 1:
        return None
    (source,) = row.reads_from
    before = rows[source].receptive_field if source in rows else ()
    size, stride = (before[0].size, before[0].stride) if before else (1, 1.0)
    if (not before and not source.startswith("<")) or not stride:
        return None
    dilation = value_on_axis(row.hyperparameters.get("dilation", 1), 0) or 1
    own = value_on_axis(row.hyperparameters.get("stride"), 0) or kernel
    field = row.receptive_field[0]
    if size + dilation * (kernel - 1) * stride != field.size or (field.stride and stride * own != field.stride):
        return None
    dilated = f"{dilation}·" if dilation > 1 else ""
    return f"{size} + {dilated}({kernel} − 1)·{stride:g} = {field.size}, every {stride:g}·{own} = {stride * own:g}"
