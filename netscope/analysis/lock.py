"""Conversion of summaries to lock file entries, and back."""

from dataclasses import replace

from netscope.analysis.diff.layers import COSMETIC
from netscope.analysis.metrics import counts_ops, get_summary_value
from netscope.analysis.unread import list_unread_names
from netscope.schema import (
    METRIC_UNITS,
    METRICS,
    NOT_TRACED,
    Architecture,
    Figures,
    InputSpec,
    LayerRow,
    LockedLayer,
    LockedModel,
    Summary,
    Totals,
)
from netscope.schema.figures import FIELDS

_DEVICE_DEPENDENT = [metric for metric in METRICS.values() if metric.depends_on_device]


def lock_model(summary: Summary, model: str) -> LockedModel:
    """Returns the lock file entry of an architecture: the exact figures of each module, without its children's.

    Args:
        summary: summary of the architecture.
        model: name of the architecture, as in the check.
    """
    return LockedModel(
        model=model,
        inputs=tuple(f"{item.name}={'x'.join(map(str, item.shape))}:{item.dtype}" for item in summary.inputs),
        mode=summary.mode,
        traced_on=summary.traced_on,
        torch=summary.versions.get("torch", ""),
        metrics={
            name: figure
            for name in METRIC_UNITS
            if not (counts_ops(name) and summary.is_lower_bound)
            and (figure := get_summary_value(name, summary)) is not None
        },
        layers=tuple(_lock_layer(row) for row in summary.rows),
    )


def _lock_layer(row: LayerRow) -> LockedLayer:
    return LockedLayer(
        path=row.path,
        type=row.type_name,
        hyperparameters={name: value for name, value in row.hyperparameters.items() if name not in COSMETIC},
        calls=row.calls,
        outputs=row.output_shapes,
        own={name: figure for name in FIELDS if (figure := getattr(row.own, name))},
        tensors=row.tensors,
        reads_from=row.reads_from,
        computation=row.computation,
    )


def make_comparable(model: LockedModel, other: LockedModel) -> tuple[LockedModel, LockedModel]:
    """Returns both entries, without the values that depend on torch's version and the device if these differ."""
    if (model.torch, model.traced_on) == (other.torch, other.traced_on):
        return model, other
    metrics = {metric.name for metric in _DEVICE_DEPENDENT}
    figures = {metric.attribute or metric.name for metric in _DEVICE_DEPENDENT}
    first, second = (
        replace(
            side,
            torch="",
            traced_on="",
            metrics={name: value for name, value in side.metrics.items() if name not in metrics},
            layers=tuple(
                replace(layer, computation="", own={k: v for k, v in layer.own.items() if k not in figures})
                for layer in side.layers
            ),
        )
        for side in (model, other)
    )
    return first, second


def restore_summary(model: LockedModel, like: Summary) -> Summary:
    """Returns the summary that an entry was made from, as far as the entry describes it.

    Args:
        model: lock file entry.
        like: summary that provides the other fields.
    """
    zeros = {name: 0 for name in FIELDS if getattr(like.totals, name) is not None}
    rows = [_restore_row(layer, Figures(**(zeros | layer.own))) for layer in model.layers]
    position_of = {row.path: position for position, row in enumerate(rows)}
    for position in range(len(rows) - 1, 0, -1):
        row = rows[position]
        above = position_of.get(row.path.rpartition(".")[0], 0)
        parent = rows[above]
        rows[above] = replace(parent, total=parent.total + row.total)
    root = rows[0]
    return replace(
        like,
        architecture=Architecture(spec=model.model, source="lock", name=model.model, options={}, description=""),
        inputs=tuple(_parse_input(text) for text in model.inputs),
        rows=tuple(rows),
        totals=Totals.of(root.total),
        uncounted_ops=like.uncounted_ops if "flops" not in model.metrics and like.traced_on != NOT_TRACED else (),
        mode=model.mode,
        traced_on=model.traced_on,
        versions={"torch": model.torch},
        peak_memory=None,
        unread_parameters=list_unread_names(rows),
    )


def _restore_row(layer: LockedLayer, own: Figures) -> LayerRow:
    return LayerRow(
        path=layer.path,
        type_name=layer.type,
        hyperparameters=layer.hyperparameters,
        depth=len(layer.path.split(".")) if layer.path else 0,
        calls=layer.calls,
        input_shapes=(),
        output_shapes=layer.outputs,
        own=own,
        total=own,
        is_lower_bound=False,
        ops=(),
        backward_ops=(),
        notes=(),
        tensors=layer.tensors,
        reads_from=layer.reads_from,
        computation=layer.computation,
    )


def _parse_input(text: str) -> InputSpec:
    name, _, rest = text.partition("=")
    shape, _, dtype = rest.partition(":")
    return InputSpec(name=name, shape=tuple(int(size) for size in shape.split("x") if size), dtype=dtype)
