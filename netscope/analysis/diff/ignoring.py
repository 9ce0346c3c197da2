"""Removal of the aspects that a comparison ignores."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from netscope.analysis.diff.layers import count_ops, find_family
from netscope.analysis.unread import list_unread_names
from netscope.schema import Figures, Ignorable, LayerRow, LayerTensor, Summary

_F = TypeVar("_F", bound=Figures)

_OPS_WITHOUT_BIAS = {"aten.addmm": "aten.mm", "aten.baddbmm": "aten.bmm", "aten.addmv": "aten.mv"}
"""Op → op that torch runs instead if there is no bias to add."""


def drop_ignored(summary: Summary, ignored: Collection[Ignorable]) -> Summary:
    """Returns the summary without the ignored dropout layers, or without the ignored biases in rows and totals.

    Ignored names are handled where names are compared.
    """
    if "dropout" in ignored:
        summary = _drop_dropout(summary)
    return _drop_biases(summary) if "bias" in ignored else summary


def _drop_dropout(summary: Summary) -> Summary:
    """Returns the summary without dropout layers; modules that read from one read from its producers instead."""
    parents = {row.path.rpartition(".")[0] for row in summary.rows if row.path}
    dropped = {
        row.path: row.reads_from
        for row in summary.rows
        if find_family(row) == "dropout" and row.path not in parents and row.path and _is_inert(row, summary.mode)
    }

    def sources(paths: Iterable[str]) -> Iterable[str]:
        for path in paths:
            yield from sources(dropped[path]) if path in dropped else (path,)

    rows = tuple(
        replace(
            row,
            reads_from=tuple(dict.fromkeys(sources(row.reads_from))),
            hyperparameters={name: value for name, value in row.hyperparameters.items() if "dropout" not in name},
        )
        for row in summary.rows
        if row.path not in dropped
    )
    return replace(summary, rows=rows)


def _is_inert(row: LayerRow, mode: str) -> bool:
    """Whether a module has no weights and computes nothing outside of training, whatever its class is called."""
    return (
        not row.tensors
        and row.input_shapes[:1] == row.output_shapes[:1]
        and (mode == "train" or not count_ops(row.ops))
    )


def _drop_biases(summary: Summary) -> Summary:
    own = {row.path: _count_biases(row) for row in summary.rows}
    inside = dict.fromkeys(own, Figures(unread_params=0))
    for path, biases in own.items():
        for above in ("", *accumulate(filter(None, path.split(".")), "{}.{}".format)):
            inside[above] += biases
    rows = tuple(
        replace(
            row,
            hyperparameters={name: value for name, value in row.hyperparameters.items() if name != "bias"},
            tensors=tuple(tensor for tensor in row.tensors if not _is_bias(tensor)),
            ops=tuple(replace(op, op=_OPS_WITHOUT_BIAS.get(op.op, op.op)) for op in row.ops),
            computation="" if any(map(_is_bias, row.tensors)) else row.computation,
            own=_subtract_params(row.own, own[row.path]),
            total=_subtract_params(row.total, inside[row.path]),
        )
        for row in summary.rows
    )
    return replace(
        summary,
        rows=rows,
        totals=_subtract_params(summary.totals, inside[""]),
        unread_parameters=list_unread_names(rows),
    )


_BIAS_FIGURES = ("params", "trainable_params", "unread_params")


def _subtract_params(figures: _F, biases: Figures) -> _F:
    """Returns the figures without the parameters of the biases."""
    rest = figures - biases
    return replace(figures, **{name: getattr(rest, name) for name in _BIAS_FIGURES})


def _count_biases(row: LayerRow) -> Figures:
    """Returns the figures of the biases that a row owns."""
    biases = [tensor for tensor in row.tensors if _is_bias(tensor) and tensor.shared_with is None]
    return Figures(
        params=sum(tensor.elements for tensor in biases),
        trainable_params=sum(tensor.elements for tensor in biases if tensor.trainable),
        unread_params=sum(tensor.elements for tensor in biases if tensor.unread),
    )


def _is_bias(tensor: LayerTensor) -> bool:
    """Whether a tensor is named as a bias of ``torch.nn``: ``bias``, ``in_proj_bias``, ``bias_hh_l0``, ``bias_k``."""
    return not tensor.is_buffer and bool(re.fullmatch(r"(\w+_)?bias(_(k|v|[ih]h_l\d+(_reverse)?))?", tensor.name))
