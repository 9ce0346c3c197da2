"""The differences between two paired layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netscope.analysis.diff.layers import LayerTree, select_hyperparameters
from netscope.schema import AttributeChange, InputSpec, LayerRow, LayerTensor, Summary


def drop_incomparable(before: Summary, after: Summary) -> tuple[Summary, Summary]:
    """Returns both summaries without the fields that only one of them has, so that they can be compared."""
    cleared: dict[str, Any] = {}
    for field in _find_incomparable(before, after):
        cleared[field] = type(getattr(before.rows[0], field))()
    if not cleared:
        return before, after
    first, second = (
        replace(side, rows=tuple(replace(row, **cleared) for row in side.rows)) for side in (before, after)
    )
    return first, second


def list_uncompared(before: Summary, after: Summary) -> Iterator[str]:
    """Yields a note for each field that only one side has or that is not comparable, with the reason."""
    yield from dict.fromkeys(_find_incomparable(before, after).values())


def _find_incomparable(before: Summary, after: Summary) -> dict[str, str]:
    """Returns the fields that cannot be compared, with the reason."""
    found = {}
    names = {"tensors": "tensors", "reads_from": "wiring", "operations": "computations", "computation": "computations"}
    for field, name in names.items():
        has_before, has_after = (any(getattr(row, field) for row in side.rows) for side in (before, after))
        if has_before != has_after:
            found[field] = f"only one side has the layers' {name}: they are not compared"
        elif has_before and name == "computations" and before.mode != after.mode:
            found[field] = f"traced in {before.mode} and in {after.mode} mode: the ops of layers are not compared"
    return found


class Wiring:
    """The sources that each layer reads from, on both sides, as positions that can be compared."""

    def __init__(self, before: LayerTree, after: LayerTree, partners: Mapping[int, int], moved: set[int]) -> None:
        self._before = {row.path: row for row in before.rows}
        self._after = {row.path: row for row in after.rows}
        # A module that computes something on one side only is represented by the sources that it reads there.
        named = {
            i: j
            for i, j in partners.items()
            if i not in moved and bool(before.rows[i].reads_from) == bool(after.rows[j].reads_from)
        }
        self._partners = {before.rows[i].path: after.rows[j].path for i, j in partners.items()}
        self._named_before = {before.rows[i].path: j for i, j in named.items()} | _number_inputs(before.inputs)
        self._named_after = {after.rows[j].path: j for j in named.values()} | _number_inputs(after.inputs)

    def is_shared_alike(self, before: str | None, after: str | None) -> bool:
        """Whether two tensors are shared with tensors of paired layers, or both with none."""
        if before is None or after is None:
            return before is after
        (path, _, name), (other_path, _, other) = before.rpartition("."), after.rpartition(".")
        return name == other and self._partners.get(path, other_path) == other_path

    def differs(self, before: LayerRow, after: LayerRow) -> bool:
        """Whether one layer reads a source that the other does not, not even through added, removed or moved layers."""
        direct, around = _sources(before, self._before, self._named_before)
        other, around_other = _sources(after, self._after, self._named_after)
        return not (direct <= other | around_other and other <= direct | around)


def _number_inputs(inputs: Sequence[InputSpec]) -> dict[str, int]:
    """Returns a number for each input by its order, whatever its name; negative, as rows have the others."""
    return {f"<{item.name}>": -1 - position for position, item in enumerate(inputs)}


def _sources(row: LayerRow, rows: Mapping[str, LayerRow], named: Mapping[str, int]) -> tuple[set[int], set[int]]:
    """Returns the sources of a row that have a partner, and the sources that are reached through the others."""
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
    """Returns the differences between two paired rows themselves, without those that follow from other layers' changes.

    The class and hyperparameters of a container describe its children, so they count only if the container computes
    something itself, too.
    """
    own = [*_diff_tensors(before, after, wiring), *_diff_ops(before, after)]
    descriptions = list(diff_descriptions(before, after))
    unexplained = _select_unexplained(own, descriptions, is_leaf=is_leaf)
    found = [*descriptions, *unexplained] if is_leaf or own else []
    if before.calls != after.calls and (is_leaf or before.operations or after.operations):
        found.append(AttributeChange(name="calls", before=before.calls, after=after.calls))
    if wiring.differs(before, after):
        found = [change for change in found if change.name != "computation"]
        found.append(AttributeChange(name="reads_from", before=before.reads_from, after=after.reads_from))
    return tuple(found)


def diff_descriptions(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    """Yields the differences in class and hyperparameters."""
    if before.type_name != after.type_name:
        yield AttributeChange(name="type", before=before.type_name, after=after.type_name)
    values, others = dict(select_hyperparameters(before)), dict(select_hyperparameters(after))
    order = [name for name in (*before.hyperparameters, *after.hyperparameters) if name in values or name in others]
    for name in dict.fromkeys(order):
        if values.get(name) != others.get(name):
            yield AttributeChange(
                name=name, before=before.hyperparameters.get(name), after=after.hyperparameters.get(name)
            )


def _diff_tensors(before: LayerRow, after: LayerRow, wiring: Wiring) -> Iterator[AttributeChange]:
    if not before.tensors and not after.tensors and before.own.params != after.own.params:
        yield AttributeChange(name="own_params", before=before.own.params, after=after.own.params)
    tensors, others = ({tensor.name: tensor for tensor in row.tensors} for row in (before, after))
    for name in dict.fromkeys((*tensors, *others)):
        yield from _diff_tensor(name, tensors.get(name), others.get(name), wiring)


def _diff_tensor(
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
    if not wiring.is_shared_alike(before.shared_with, after.shared_with):
        yield AttributeChange(name=f"{name}.shared_with", before=before.shared_with, after=after.shared_with)


def _diff_ops(before: LayerRow, after: LayerRow) -> Iterator[AttributeChange]:
    if not before.calls or before.calls != after.calls:
        return
    ops, others = before.operations, after.operations
    if ops != others:
        yield AttributeChange(
            name="ops",
            before=tuple(_format_count(name, count) for name, count in ops.items() if others.get(name) != count),
            after=tuple(_format_count(name, count) for name, count in others.items() if ops.get(name) != count),
        )
    elif not _have_same_computation(before.computation, after.computation):
        yield AttributeChange(name="computation", before=before.computation, after=after.computation)


def _have_same_computation(before: str, after: str) -> bool:
    """Whether the fingerprints of two modules are equal, or cannot be compared as their ops had inputs of other sizes.

    A module may return more values after the first: it computes the same, only more of it is returned.
    """
    (sizes, _, ops), (other_sizes, _, other_ops) = before.partition("-"), after.partition("-")
    if sizes != other_sizes:
        return True
    (first, *more), (other_first, *other_more) = ops.split("-"), other_ops.split("-")
    shorter, longer = sorted((more, other_more), key=len)
    remaining = iter(longer)
    return first == other_first and all(value in remaining for value in shorter)


def _format_count(name: str, count: int) -> str:
    return name if count == 1 else f"{name} ×{count}"


def _select_unexplained(
    own: list[AttributeChange], descriptions: list[AttributeChange], *, is_leaf: bool
) -> list[AttributeChange]:
    """Returns the differences that neither the class nor a hyperparameter explains.

    The class of a module with children says little about what it computes itself, so its ops are shown, too.
    """
    if not descriptions:
        return own
    names = [change.name for change in descriptions]
    endings = (".dtype", ".requires_grad", ".shared_with", *(["ops"] if names == ["type"] and not is_leaf else []))
    return [change for change in own if change.name.endswith(tuple(endings))]
