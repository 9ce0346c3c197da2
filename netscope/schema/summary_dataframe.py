"""The rows of a summary as a pandas dataframe."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from netscope.errors import MissingExtraError
from netscope.schema.figures import METRICS, Figures
from netscope.schema.layer import LayerRow
from netscope.schema.tensors import Shape

if TYPE_CHECKING:
    import pandas as pd

_INT64 = range(-(2**63), 2**63)


def make_dataframe(rows: Sequence[LayerRow], *, full: bool) -> "pd.DataFrame":
    """Returns the dataframe of ``Summary.to_dataframe``.

    Without ``full``, it has the metrics of the HTML page that any module has, on any device.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("to_dataframe() needs pandas: pip install pandas") from error
    columns: dict[str, Any] = {}
    if full:
        names = [field.name for field in fields(LayerRow) if field.type is not Figures and field.name != "path"]
        columns |= {name: [getattr(row, name) for row in rows] for name in names}
    else:
        columns["type"] = [row.type_name for row in rows]
        columns["depth"] = [row.depth for row in rows]
        columns["calls"] = [row.calls for row in rows]
        columns["input"] = [_format_shapes(row.input_shapes) for row in rows]
        columns["output"] = [_format_shapes(row.output_shapes) for row in rows]
    for name, metric in METRICS.items():
        totals = [metric.value(row.total) for row in rows]
        if full or (metric.in_page and not metric.depends_on_device and totals != [None] * len(totals)):
            columns[name] = _as_integers(totals)
            columns[f"own_{name}"] = _as_integers([metric.value(row.own) for row in rows])
    return pd.DataFrame(columns).set_axis(pd.Index([row.path for row in rows], name="path"))


def _format_shapes(shapes: Sequence[Shape]) -> str:
    """Returns shapes as in CSV: ``1x3x224x224``, with semicolons between them."""
    return ";".join("x".join(map(str, shape)) for shape in shapes)


def _as_integers(values: Sequence[Any]) -> Any:
    """Returns exact integers with missing values, which pandas would turn into floats; other values as they are."""
    import pandas as pd

    known = [value for value in values if value is not None]
    if len(known) < len(values) and all(isinstance(value, int) for value in known):
        return pd.array(values, dtype="Int64" if all(value in _INT64 for value in known) else object)
    return values
