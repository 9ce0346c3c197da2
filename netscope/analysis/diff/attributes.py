"""What differs between two layers that stand for each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netscope.analysis.diff.layers import LayerTree, count_ops, select_hyperparameters
from netscope.schema import AttributeChange, InputSpec, LayerRow, LayerTensor, Summary


def drop_incomparable(before: Summary, after: Summary) -> tuple[Summary, Summary]:
    """Both summaries with what only one of them tells left out, so that they can be compared.

    Ops are comparable between equal versions of torch on the same kind of device only.
    """
    sides = (before, after)
    cleared: dict[str, Any] = {field: () for field in ("tensors", "reads_from", "ops") if not _both_tell(sides, field)}
    if not have_same_ops(before, after):
        cleared |= {"ops": (), "computation": ""}
    if not cleared:
        return sides
    first, second = (replace(side, rows=tuple(replace(row, **cleared) for row in side.rows)) for side in sides)
    return first, second


def _both_tell(sides: Sequence[Summary], field: str) -> bool:
    return all(any(getattr(row, field) for row in side.rows) for side in sides)


def list_uncompared(before: Summary, after: Summary) -> Iterator[str]:
    """What could not be compared, and why; nothing that neither side has, such as ops where nothing ran."""
    torch, other = before.versions.get("torch"), after.versions.get("torch")
    if torch != other:
        yield f"traced with torch {torch or 'unknown'} and {other or 'unknown'}: the ops of layers are not compared"
    elif before.traced_on != after.traced_on:
        yield f"traced on {before.traced_on} and on {after.traced_on}: the ops of layers are not compared"
    elif before.mode != after.mode:
        yield f"traced in {before.mode} and in {after.mode} mode: the ops of layers are not compared"
    for field, what in (("tensors", "tensors"), ("reads_from", "wiring"), ("computation", "computations")):
        told = [any(getattr(row, field) for row in side.rows) for side in (before, after)]
        if told[0] != told[1]:
            yield f"only one side tells the layers' {what}: they are not compared"


def have_same_ops(before: Summary, after: Summary) -> bool:
    """Whether the same layer would have run the same ops on both sides."""
    return (
        _both_tell((before, after), "computation")
        and before.versions.get("torch") == after.versions.get("torch")
        and (before.traced_on, before.mode) == (after.traced_on, after.mode)
    )


class Wiring:
    """Whom each layer reads from, on both sides, as far as it can be said in the other's terms."""

    def __init__(self, before: LayerTree, after: LayerTree, partners: Mapping[int, int], moved: set[int]) -> None:
        self._before = {row.path: row for row in before.rows}
        self._after = {row.path: row for row in after.rows}
        # A module that computes something on one side only stands for whatever it reads there.
        named = {
            i: j
            for i, j in partners.items()
            if i not in moved and bool(before.rows[i].reads_from) == bool(after.rows[j].reads_from)
        }
        self._partners = {before.rows[i].path: after.rows[j].path for i, j in partners.items()}
        self._named_before = {before.rows[i].path: j for i, j in named.items()} | _places_of_inputs(before.inputs)
        self._named_after = {after.rows[j].path: j for j in named.values()} | _places_of_inputs(after.inputs)

    def are_shared_alike(self, before: str | None, after: str | None) -> bool:
        """Whether two tensors are shared with tensors that stand for each other, or both with none."""
        if before is None or after is None:
            return before is after
        (path, _, name), (other_path, _, other) = before.rpartition("."), after.rpartition(".")
        return name == other and self._partners.get(path, other_path) == other_path

    def differs(self, before: LayerRow, after: LayerRow) -> bool:
        """Whether one reads what the other cannot be reading, not even through what was added, removed or moved."""
        direct, around = _sources(before, self._before, self._named_before)
        other, around_other = _sources(after, self._after, self._named_after)
        return not (direct <= other | around_other and other <= direct | around)


def _places_of_inputs(inputs: Sequence[InputSpec]) -> dict[str, int]:
    """The inputs by their order, whatever they are called, apart from the rows' positions."""
    return {f"<{item.name}>": -1 - place for place, item in enumerate(inputs)}


def _sources(row: LayerRow, rows: Mapping[str, LayerRow], named: Mapping[str, int]) -> tuple[set[int], set[int]]:
    """What a row reads from: what has a partner, by that; and what is behind the rest."""
    direct: set[int] = set()
    around: set[int] = set()
    seen: set[str] = set()
    pending = [(path, direct) for path in row.reads_from]
    while pending:
        path, into = pending.pop()
        if path in named:
            into.add(named[path])
        elif path in rows and path not in seen:
            seen.add(path)
            pending += [(source, around) for source in rows[path].reads_from]
    return direct, around


def diff_layers(before: LayerRow, after: LayerRow, *, is_leaf: bool, wiring: Wiring) -> tuple[AttributeChange, ...]:
    """What differs in what two paired rows are themselves; not what follows from changes elsewhere.

    A module that only holds others is the sum of these: its class and hyperparameters describe them, and count
    only where it also does something else itself.
    """
    own = [*_of_tensors(before, after, wiring), *_of_ops(before, after)]
    described = list(diff_descriptions(before, after))
    found = [*described, *(own if not described else _unexplained(own))] if is_leaf or own else []
    if before.calls != after.calls and (is_leaf or count_ops(before.ops) or count_ops(after.ops)):
        found.append(AttributeChange(name="calls", before=before.calls, after=after.calls))
    if wiring.differs(before, after):
        found = [change for change in found if change.name != "computation"]
        found.append(AttributeChange(name="reads_from", before=before.reads_from, after=after.reads_from))
    return tuple(found)


def diff_descriptions(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    """What differs in class and hyperparameters."""
    if before.type_name != after.type_name:
        yield AttributeChange(name="type", before=before.type_name, after=after.type_name)
    values, others = dict(select_hyperparameters(before)), dict(select_hyperparameters(after))
    order = [name for name in (*before.hyperparameters, *after.hyperparameters) if name in values or name in others]
    for name in dict.fromkeys(order):
        if values.get(name) != others.get(name):
            yield AttributeChange(name=name, before=values.get(name), after=others.get(name))


def _of_tensors(before: LayerRow, after: LayerRow, wiring: Wiring) -> Iterator[AttributeChange]:
    if not before.tensors and not after.tensors and before.own_params != after.own_params:
        yield AttributeChange(name="own_params", before=before.own_params, after=after.own_params)
    tensors, others = ({tensor.name: tensor for tensor in row.tensors} for row in (before, after))
    for name in dict.fromkeys((*tensors, *others)):
        yield from _of_tensor(name, tensors.get(name), others.get(name), wiring)


def _of_tensor(
    name: str, before: LayerTensor | None, after: LayerTensor | None, wiring: Wiring
) -> Iterator[AttributeChange]:
    shape, other = before.shape if before else None, after.shape if after else None
    if shape != other or before is None or after is None:
        yield AttributeChange(name=name, before=shape, after=other)
    if before is None or after is None:
        return
    if before.dtype != after.dtype:
        yield AttributeChange(name=f"{name}.dtype", before=before.dtype, after=after.dtype)
    if before.trainable != after.trainable:
        yield AttributeChange(name=f"{name}.requires_grad", before=before.trainable, after=after.trainable)
    if not wiring.are_shared_alike(before.shared_with, after.shared_with):
        yield AttributeChange(name=f"{name}.shared_with", before=before.shared_with, after=after.shared_with)


def _of_ops(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    if not before.calls or before.calls != after.calls:
        return
    ops, others = dict(count_ops(before.ops)), dict(count_ops(after.ops))
    if ops != others:
        yield AttributeChange(
            name="ops",
            before=tuple(_times(name, count) for name, count in ops.items() if others.get(name) != count),
            after=tuple(_times(name, count) for name, count in others.items() if ops.get(name) != count),
        )
    elif _given(before) == _given(after) and before.computation != after.computation:
        yield AttributeChange(name="computation", before=before.computation, after=after.computation)


def _given(row: LayerRow) -> str:
    """The fingerprint of the sizes that its ops were given, under which the other one can be compared."""
    return row.computation.partition("-")[0]


def _times(name: str, count: int) -> str:
    return name if count == 1 else f"{name} ×{count}"


def _unexplained(own: list[AttributeChange]) -> list[AttributeChange]:
    """Of differences in a layer whose description differs as well, those that no hyperparameter could explain."""
    return [change for change in own if change.name.endswith((".dtype", ".requires_grad", ".shared_with"))]
