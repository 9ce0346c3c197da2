"""Conversion of summaries to lock file entries, and back."""

from collections.abc import Collection
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

_DEVICE_DEPENDENT = {
    metric.name: metric.attribute or metric.name for metric in METRICS.values() if metric.depends_on_device
}
"""Metrics that depend on the device and the version of torch, with the names of their figures."""


def lock_model(summary: Summary, model: str, metrics: Collection[str] = ()) -> LockedModel:
    """Returns the lock file entry of an architecture: the exact figures of each module, without its children's.

    Args:
        summary: summary of the architecture.
        model: name of the architecture, as in the check.
        metrics: metrics with a rule about their increase. Only for these does the entry have values that depend on the
            device and the version of torch.
    """
    omitted = _DEVICE_DEPENDENT.keys() - set(metrics)
    fields = [name for name in FIELDS if name not in {_DEVICE_DEPENDENT[metric] for metric in omitted}]
    return LockedModel(
        model=model,
        inputs=format_inputs(summary),
        mode=summary.mode,
        traced_on=summary.traced_on,
        torch=summary.versions.get("torch", ""),
        metrics={
            name: figure
            for name in METRIC_UNITS
            if name not in omitted
            and not (counts_ops(name) and summary.is_lower_bound)
            and (figure := get_summary_value(name, summary)) is not None
        },
        layers=tuple(_lock_layer(row, fields) for row in summary.rows),
    )


def format_inputs(summary: Summary) -> tuple[str, ...]:
    """Returns the inputs of an architecture as an entry has them: ``"x=1x3x224x224:float32"``."""
    return tuple(f"{item.name}={'x'.join(map(str, item.shape))}:{item.dtype}" for item in summary.inputs)


def get_architecture(entry: LockedModel) -> LockedModel:
    """Returns what an entry says about the architecture alone, wherever and with whichever torch it was traced."""
    figures = set(_DEVICE_DEPENDENT.values())
    return replace(
        entry,
        torch="",
        traced_on="",
        metrics={name: value for name, value in entry.metrics.items() if name not in _DEVICE_DEPENDENT},
        layers=tuple(
            replace(layer, own={name: value for name, value in layer.own.items() if name not in figures})
            for layer in entry.layers
        ),
    )


def describe_origins(entry: LockedModel, summary: Summary) -> str:
    """Returns with which torch and on which device both sides were traced; empty if these are equal."""
    sides = (entry.torch, entry.traced_on), (summary.versions.get("torch", ""), summary.traced_on)
    then, now = (f"torch {torch or 'unknown'} on {device}" for torch, device in sides)
    return f"the lock file was written with {then}, this is {now}" if then != now else ""


def _lock_layer(row: LayerRow, fields: Collection[str]) -> LockedLayer:
    """Returns a layer with these figures, without what changes no result, and whether it has a bias.

    Newer versions of torch have ``bias`` as an argument of more layers; the tensors tell it in every version.
    """
    hyperparameters = {
        name: value
        for name, value in row.hyperparameters.items()
        if name not in COSMETIC and not (name == "bias" and isinstance(value, bool))
    }
    return LockedLayer(
        path=row.path,
        type=row.type_name,
        hyperparameters=hyperparameters,
        calls=row.calls,
        inputs=row.input_shapes,
        outputs=row.output_shapes,
        own={name: figure for name in fields if (figure := getattr(row.own, name))},
        tensors=row.tensors,
        reads_from=tuple(sorted(row.reads_from)),  # their order is that of ops, which depends on the device
        operations=row.operations,
        computation=row.computation,
    )


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
        hyperparameters=layer.hyperparameters
        | {tensor.name: True for tensor in layer.tensors if tensor.name == "bias"},
        depth=len(layer.path.split(".")) if layer.path else 0,
        calls=layer.calls,
        input_shapes=layer.inputs,
        output_shapes=layer.outputs,
        own=own,
        total=own,
        is_lower_bound=False,
        ops=(),
        backward_ops=(),
        notes=(),
        tensors=layer.tensors,
        reads_from=layer.reads_from,
        operations=layer.operations,
        computation=layer.computation,
    )


def _parse_input(text: str) -> InputSpec:
    name, _, rest = text.partition("=")
    shape, _, dtype = rest.partition(":")
    return InputSpec(name=name, shape=tuple(int(size) for size in shape.split("x") if size), dtype=dtype)
