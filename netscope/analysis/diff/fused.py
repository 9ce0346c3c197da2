"""Layers that one architecture fuses and another does not: the recipes that join and split their weights."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from netscope.analysis.diff.layers import LayerTree
from netscope.analysis.diff.tensors import StateTensor
from netscope.schema import TensorPart, TensorRecipe

FUSIBLE = frozenset({"k", "up"})
"""Parts without which a module is neither attention nor gated."""

Unit = list[StateTensor]
"""The tensors of the layers of attention or of a gated MLP whose names tell their roles."""


def match_fused(
    before: list[StateTensor], after: list[StateTensor], trees: tuple[LayerTree, LayerTree], partners: Mapping[int, int]
) -> Iterator[TensorRecipe]:
    """Yields the recipes of the tensors in attention and gated layers, by the names of their parts."""
    units, others = _list_units(before, trees[0]), _list_units(after, trees[1])
    for i, j in _pair_units(units, others, trees, partners):
        for target in others[j]:
            recipe = _join(target, [tensor for tensor in units[i] if tensor.name == target.name])
            if recipe is not None:
                yield recipe


def _list_units(state: list[StateTensor], tree: LayerTree) -> dict[int, Unit]:
    """Returns the units by the position of their module, without those that have a part twice or interleaved."""
    units: dict[int, Unit] = defaultdict(list)
    for tensor in state:
        # timm's ``head_first`` attention interleaves q, k and v by head.
        is_interleaved = tree.rows[tensor.scope].hyperparameters.get("head_first")
        if tensor.shape and tensor.role and not is_interleaved:
            units[tensor.scope].append(tensor)
    parts = {scope: [(tensor.name, part) for tensor in unit for part in tensor.role] for scope, unit in units.items()}
    return {
        scope: unit
        for scope, unit in units.items()
        if len(set(parts[scope])) == len(parts[scope]) and not FUSIBLE.isdisjoint(part for _, part in parts[scope])
    }


def _pair_units(
    units: Mapping[int, Unit],
    others: Mapping[int, Unit],
    trees: tuple[LayerTree, LayerTree],
    partners: Mapping[int, int],
) -> Iterator[tuple[int, int]]:
    """Yields the modules of corresponding units: paired, or the only ones in paired modules around them."""
    pairs = {i: partners[i] for i in units if partners.get(i) in others}
    yield from pairs.items()
    left, right = set(units) - pairs.keys(), set(others) - set(pairs.values())
    for i in sorted(left, reverse=True):
        for around in (i, *trees[0].ancestors(i)):
            if around not in partners:
                continue
            inside = [p for p in left if around <= p < trees[0].ends[around]]
            j = partners[around]
            opposite = [p for p in right if j <= p < trees[1].ends[j]]
            if opposite:
                if len(inside) == len(opposite) == 1:
                    yield i, opposite[0]
                    left.remove(i)
                    right.remove(opposite[0])
                break


def _join(target: StateTensor, sources: Unit) -> TensorRecipe | None:
    """Returns the recipe of a tensor from the tensors that have its parts; None if they do not fit, or not certainly.

    Parts of different sizes have no certain layout: with fewer keys than queries, they may be grouped by head.
    """
    having = {part: source for source in sources for part in source.role}
    if any(part not in having for part in target.role):
        return None
    slices = [_slice(having[part], part, target) for part in target.role]
    parts = [part for part in slices if part is not None]
    if len(parts) < len(slices):
        return None
    return TensorRecipe(name=target.key, shape=target.shape, parts=tuple(_merge(parts)), dim=target.output_dim or 0)


def _merge(parts: list[TensorPart]) -> Iterator[TensorPart]:
    """Yields the parts, with slices that follow each other as one, and a slice of everything as the entire tensor."""
    for _, group in groupby(parts, key=attrgetter("name")):
        first, *others = group
        pieces = [first]
        for part in others:
            if part.start == pieces[-1].stop:
                pieces[-1] = replace(pieces[-1], stop=part.stop)
            else:
                pieces.append(part)
        for piece in pieces:
            is_whole = piece.start == 0 and piece.stop == piece.shape[piece.dim]
            yield replace(piece, dim=0, stop=None) if is_whole else piece


def _slice(source: StateTensor, part: str, target: StateTensor) -> TensorPart | None:
    """Returns the slice of a tensor that is one part of another; None if it does not fit."""
    dim, other_dim = source.output_dim, target.output_dim
    if dim is None or other_dim is None:
        return None
    inputs, other_inputs = (
        tensor.shape[:at] + tensor.shape[at + 1 :] for tensor, at in ((source, dim), (target, other_dim))
    )
    is_equal = source.role == target.role  # entire tensors, whatever the sizes of their parts
    size, other_size = source.shape[dim] / len(source.role), target.shape[other_dim] / len(target.role)
    if inputs != other_inputs or size != other_size or not (is_equal or size.is_integer()):
        return None
    start = int(source.role.index(part) * size)
    stop = int((source.role.index(part) + 1) * size)
    return TensorPart(name=source.key, shape=source.shape, dim=dim, start=start, stop=stop, transposed=dim != other_dim)
