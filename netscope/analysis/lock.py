"""A summary → what a lock file keeps of it, and back."""

from dataclasses import replace

from netscope.analysis.diff.layers import COSMETIC
from netscope.analysis.metrics import METRICS
from netscope.analysis.unread import unread_names
from netscope.schema import (
    NOT_TRACED,
    Architecture,
    InputSpec,
    LayerRow,
    LockedLayer,
    LockedModel,
    MemoryUse,
    Summary,
    Totals,
)


def lock_model(summary: Summary, model: str) -> LockedModel:
    """What the lock file keeps: the exact figures of every module, without its children's.

    Args:
        summary: of the architecture.
        model: what it was asked for by.
    """
    return LockedModel(
        model=model,
        inputs=tuple(f"{item.name}={'x'.join(map(str, item.shape))}:{item.dtype}" for item in summary.inputs),
        mode=summary.mode,
        traced_on=summary.traced_on,
        torch=summary.versions.get("torch", ""),
        metrics={
            name: figure
            for name, metric in METRICS.items()
            if not (metric.counts_ops and summary.is_lower_bound) and (figure := metric.of_summary(summary)) is not None
        },
        layers=tuple(_layer(row) for row in summary.rows),
    )


def _layer(row: LayerRow) -> LockedLayer:
    return LockedLayer(
        path=row.path,
        type=row.type_name,
        hyperparameters={name: value for name, value in row.hyperparameters.items() if name not in COSMETIC},
        calls=row.calls,
        outputs=row.output_shapes,
        params=row.own_params,
        trainable=row.own_trainable_params,
        flops=row.own_flops,
        bytes=row.own_memory.weights,
        tensors=row.tensors,
        reads_from=row.reads_from,
        computation=row.computation,
    )


def comparable(model: LockedModel, other: LockedModel) -> tuple[LockedModel, LockedModel]:
    """Both without what only an equal version of torch, on the same kind of device, makes comparable."""
    if (model.torch, model.traced_on) == (other.torch, other.traced_on):
        return model, other
    first, second = (
        replace(
            side,
            torch="",
            traced_on="",
            metrics={name: figure for name, figure in side.metrics.items() if name != "memory"},
            layers=tuple(replace(layer, computation="") for layer in side.layers),
        )
        for side in (model, other)
    )
    return first, second


def as_summary(model: LockedModel, like: Summary) -> Summary:
    """The summary that ``model`` was made from, as far as the lock file tells.

    Args:
        model: from the lock file.
        like: a summary whose remaining fields it takes over.
    """
    rows = [_row(layer) for layer in model.layers]
    position_of = {row.path: position for position, row in enumerate(rows)}
    for position in range(len(rows) - 1, 0, -1):
        row = rows[position]
        above = position_of.get(row.path.rpartition(".")[0], 0)
        parent = rows[above]
        rows[above] = replace(
            parent,
            params=parent.params + row.params,
            trainable_params=parent.trainable_params + row.trainable_params,
            flops=parent.flops + row.flops,
            memory=parent.memory + row.memory,
            unread_params=parent.unread_params + row.unread_params,
        )
    root = rows[0]
    return replace(
        like,
        architecture=Architecture(spec=model.model, source="lock", name=model.model, options={}, description=""),
        inputs=tuple(_input(text) for text in model.inputs),
        rows=tuple(rows),
        totals=Totals(
            params=root.params,
            trainable_params=root.trainable_params,
            active_params=None,
            buffers=0,
            param_bytes=root.memory.weights,
            param_dtypes=(),
            buffer_bytes=0,
            flops=root.flops,
            macs=root.flops // 2,
            backward_flops=0,
            memory=root.memory,
            unread_params=root.unread_params,
        ),
        uncounted_ops=like.uncounted_ops if "flops" not in model.metrics and like.traced_on != NOT_TRACED else (),
        mode=model.mode,
        traced_on=model.traced_on,
        versions={"torch": model.torch},
        peak_memory=None,
        unread_parameters=unread_names(rows),
    )


def _row(layer: LockedLayer) -> LayerRow:
    memory = MemoryUse(weights=layer.bytes)
    unread = sum(tensor.elements for tensor in layer.tensors if tensor.unread and tensor.shared_with is None)
    return LayerRow(
        path=layer.path,
        type_name=layer.type,
        hyperparameters=layer.hyperparameters,
        depth=len(layer.path.split(".")) if layer.path else 0,
        calls=layer.calls,
        input_shapes=(),
        output_shapes=layer.outputs,
        params=layer.params,
        own_params=layer.params,
        trainable_params=layer.trainable,
        own_trainable_params=layer.trainable,
        flops=layer.flops,
        own_flops=layer.flops,
        backward_flops=0,
        own_backward_flops=0,
        memory=memory,
        own_memory=memory,
        is_lower_bound=False,
        ops=(),
        backward_ops=(),
        notes=(),
        tensors=layer.tensors,
        reads_from=layer.reads_from,
        computation=layer.computation,
        unread_params=unread,
        own_unread_params=unread,
    )


def _input(text: str) -> InputSpec:
    name, _, rest = text.partition("=")
    shape, _, dtype = rest.partition(":")
    return InputSpec(name=name, shape=tuple(int(size) for size in shape.split("x") if size), dtype=dtype)
