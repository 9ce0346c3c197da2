"""What differs between two layers that stand for each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netscope.analysis.diff.layers import LayerTree, told_hyperparameters, told_ops
from netscope.schema import AttributeChange, InputSpec, LayerRow, LayerTensor, Summary


def in_common(before: Summary, after: Summary) -> tuple[Summary, Summary]:
    """Both summaries with what only one of them tells left out, so that they can be compared.

    A lock file knows no tensors and no ops; ops are comparable between equal versions of torch on the same device only.
    """
    sides = (before, after)
    cleared: dict[str, Any] = {}
    if not all(any(row.tensors for row in side.rows) for side in sides):
        cleared["tensors"] = ()
    if not all(any(row.reads_from for row in side.rows) for side in sides):
        cleared["reads_from"] = ()
    if not have_same_ops(before, after):
        cleared |= {"ops": (), "computation": ""}
    if not cleared:
        return sides
    first, second = (replace(side, rows=tuple(replace(row, **cleared) for row in side.rows)) for side in sides)
    return first, second


def have_same_ops(before: Summary, after: Summary) -> bool:
    """Whether the same layer would have run the same ops on both sides."""
    return (
        all(any(row.ops for row in side.rows) for side in (before, after))
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
        self._named_before = {before.rows[i].path: j for i, j in named.items()} | _places_of_inputs(before.inputs)
        self._named_after = {after.rows[j].path: j for j in named.values()} | _places_of_inputs(after.inputs)

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


def differences(before: LayerRow, after: LayerRow, *, is_leaf: bool, wiring: Wiring) -> tuple[AttributeChange, ...]:
    """What differs in what two paired rows are themselves; not what follows from changes elsewhere.

    A module that only holds others is the sum of these: its class and hyperparameters describe them, and count
    only where it also does something else itself.
    """
    own = [*_of_tensors(before, after), *_of_ops(before, after)]
    described = list(_of_description(before, after))
    found = [*described, *(own if not described else _unexplained(own))] if is_leaf or own else []
    if is_leaf and before.calls != after.calls:
        found.append(AttributeChange(name="calls", before=before.calls, after=after.calls))
    if wiring.differs(before, after):
        found.append(AttributeChange(name="reads_from", before=before.reads_from, after=after.reads_from))
    return tuple(found)


def _of_description(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    if before.type_name != after.type_name:
        yield AttributeChange(name="type", before=before.type_name, after=after.type_name)
    values, others = dict(told_hyperparameters(before)), dict(told_hyperparameters(after))
    order = [name for name in (*before.hyperparameters, *after.hyperparameters) if name in values or name in others]
    for name in dict.fromkeys(order):
        if values.get(name) != others.get(name):
            yield AttributeChange(name=name, before=values.get(name), after=others.get(name))


def _of_tensors(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    if not before.tensors and not after.tensors and before.own_params != after.own_params:
        yield AttributeChange(name="own_params", before=before.own_params, after=after.own_params)
    tensors, others = ({tensor.name: tensor for tensor in row.tensors} for row in (before, after))
    for name in dict.fromkeys((*tensors, *others)):
        yield from _of_tensor(name, tensors.get(name), others.get(name))


def _of_tensor(name: str, before: LayerTensor | None, after: LayerTensor | None) -> Iterator[AttributeChange]:
    shape, other = before.shape if before else None, after.shape if after else None
    if shape != other or before is None or after is None:
        yield AttributeChange(name=name, before=shape, after=other)
    if before is None or after is None:
        return
    if before.dtype != after.dtype:
        yield AttributeChange(name=f"{name}.dtype", before=before.dtype, after=after.dtype)
    if before.trainable != after.trainable:
        yield AttributeChange(name=f"{name}.requires_grad", before=before.trainable, after=after.trainable)
    if (before.shared_with is None) != (after.shared_with is None):
        yield AttributeChange(name=f"{name}.shared_with", before=before.shared_with, after=after.shared_with)


def _of_ops(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    if not before.calls or before.calls != after.calls:
        return
    ops, others = dict(told_ops(before.ops)), dict(told_ops(after.ops))
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
