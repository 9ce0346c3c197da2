"""Removal of the aspects that a comparison ignores."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from netscope.analysis.unread import list_unread_names
from netscope.schema import Figures, Ignorable, LayerRow, LayerTensor, Summary
from netscope.schema.diff_families import find_family
from netscope.schema.figures import FIELDS
from netscope.schema.memory import STATES_PER_PARAMETER

_F = TypeVar("_F", bound=Figures)


def drop_ignored(summary: Summary, ignored: Collection[Ignorable]) -> Summary:
    """Returns the summary without the ignored layers, or without the ignored biases in rows and totals.

    Ignored names and wiring are handled where they are compared.
    """
    if "dropout" in ignored:
        summary = _drop_dropout(summary)
    if "identity" in ignored:
        has_ops = any(row.ops for row in summary.rows)
        summary = _drop_leaves(summary, [row for row in summary.rows if _is_identity(row, has_ops=has_ops)])
    return _drop_biases(summary) if "bias" in ignored else summary


def _drop_dropout(summary: Summary) -> Summary:
    """Returns the summary without dropout layers, and without the dropout rates of other modules."""
    inert = [row for row in summary.rows if find_family(row) == "dropout" and _is_inert(row, summary.mode)]
    summary = _drop_leaves(summary, inert)
    rows = tuple(
        replace(
            row, hyperparameters={name: value for name, value in row.hyperparameters.items() if "dropout" not in name}
        )
        for row in summary.rows
    )
    return replace(summary, rows=rows)


def _drop_leaves(summary: Summary, rows: Iterable[LayerRow]) -> Summary:
    """Returns the summary without those rows that have no children; what reads from one reads from its producers."""
    parents = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
    dropped = {row.path: row for row in rows if row.path and row.path not in parents}

    def sources(paths: Iterable[str]) -> Iterable[str]:
        for path in paths:
            yield from sources(dropped[path].reads_from) if path in dropped else (path,)

    remaining = tuple(
        replace(row, reads_from=tuple(dict.fromkeys(sources(row.reads_from))))
        for row in summary.rows
        if row.path not in dropped
    )
    return _subtract(replace(summary, rows=remaining), {path: row.own for path, row in dropped.items()})


def _is_identity(row: LayerRow, *, has_ops: bool) -> bool:
    """Whether a module has no tensors and computes nothing, in training neither; by its class if no ops are known."""
    if row.tensors or row.ops:
        return False
    drops = find_family(row) == "dropout" and any(
        type(value) in (int, float) and value for value in row.hyperparameters.values()
    )
    return row.type_name == "Identity" or (has_ops and not drops)


def _is_inert(row: LayerRow, mode: str) -> bool:
    """Whether a module has no weights and computes nothing outside of training, whatever its class is called."""
    return not row.tensors and row.input_shapes[:1] == row.output_shapes[:1] and (mode == "train" or not row.operations)


def _drop_biases(summary: Summary) -> Summary:
    biases = {row.path: _count_biases(row, summary.optimizer) for row in summary.rows}
    rows = tuple(
        replace(
            row,
            hyperparameters={name: value for name, value in row.hyperparameters.items() if name != "bias"},
            tensors=tuple(tensor for tensor in row.tensors if not _is_bias(tensor)),
            computation="" if any(map(_is_bias, row.tensors)) else row.computation,
            own=_difference(row.own, biases[row.path]),
        )
        for row in summary.rows
    )
    summary = _subtract(replace(summary, rows=rows), biases)
    return replace(summary, unread_parameters=list_unread_names(summary.rows))


def _subtract(summary: Summary, removed: Mapping[str, Figures]) -> Summary:
    """Returns the summary with what was removed, by path, subtracted from the totals of the modules around it."""
    inside = dict.fromkeys((row.path for row in summary.rows), Figures())
    for path, figures in removed.items():
        for above in {"", *accumulate(filter(None, path.split(".")), "{}.{}".format)} & inside.keys():
            inside[above] += figures
    rows = tuple(replace(row, total=_difference(row.total, inside[row.path])) for row in summary.rows)
    return replace(summary, rows=rows, totals=_difference(summary.totals, inside[""]))


def _difference(figures: _F, removed: Figures) -> _F:
    """Returns the figures without those that were removed, of which the unknown ones count as 0."""
    known = {name: value for name in FIELDS if (value := getattr(figures, name)) is not None}
    return replace(figures, **{name: value - (getattr(removed, name) or 0) for name, value in known.items()})


def _count_biases(row: LayerRow, optimizer: str | None) -> Figures:
    """Returns the figures of the biases that a row owns."""
    biases = [tensor for tensor in row.tensors if _is_bias(tensor) and tensor.shared_with is None]
    trainable = [tensor for tensor in biases if tensor.trainable]
    gradient_bytes = sum(tensor.bytes for tensor in trainable)
    return Figures(
        params=sum(tensor.elements for tensor in biases),
        trainable_params=sum(tensor.elements for tensor in trainable),
        unread_params=sum(tensor.elements for tensor in biases if tensor.unread),
        param_bytes=sum(tensor.bytes for tensor in biases),
        gradient_bytes=gradient_bytes,
        optimizer_bytes=gradient_bytes * STATES_PER_PARAMETER.get(optimizer or "", 0),
    )


def _is_bias(tensor: LayerTensor) -> bool:
    """Whether a tensor is named as a bias of ``torch.nn``: ``bias``, ``in_proj_bias``, ``bias_hh_l0``, ``bias_k``."""
    return not tensor.is_buffer and bool(re.fullmatch(r"(\w+_)?bias(_(k|v|[ih]h_l\d+(_reverse)?))?", tensor.name))
