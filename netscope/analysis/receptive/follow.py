"""A trace's ops in order, each with its rule, and what each module's first output depends on."""

from fractions import Fraction

from netscope.analysis.dataflow import is_view
from netscope.analysis.receptive.fields import Atom, Field, LostError, Units, plain
from netscope.analysis.receptive.rules import Op, units_after
from netscope.flops import reason_for
from netscope.schema import ReceptiveField, Trace, TracedOp

CONVOLUTION = "aten.convolution"

RESTRIDED = "aten.as_strided_"
"""How pooling tells that one pixel lies in memory as pictures with their channels last do."""

INDEPENDENT = ("creates a tensor", "draws random numbers")
"""Ops that take no values from the tensors they read, only shapes."""


def receptive_fields(trace: Trace) -> tuple[tuple[ReceptiveField, ...], ...]:
    """For each module, the receptive field of its first call's first output along each spatial axis of the input.

    The spatial axes are those that the first convolution slides over. Empty for a module that was not called or does
    not depend on the input, where the trace has no convolution, and where an op mixes positions in a way that is not
    followed: nothing is guessed. Only inputs of floating dtype are followed.
    """
    follower = _Follower(trace)
    if not follower.axes:
        return ((),) * len(trace.modules)
    ending: dict[int, list[int]] = {}
    for number, call in enumerate(trace.calls):
        ending.setdefault(call.ops[1], []).append(number)
    found: list[tuple[ReceptiveField, ...] | None] = [None] * len(trace.modules)
    forward_ops = trace.ops[: trace.first_backward_op]
    for position in range(len(forward_ops) + 1):
        for number in ending.get(position, ()):
            call = trace.calls[number]
            if found[call.module] is None and call.outputs:
                found[call.module] = _told(follower.units.get(call.outputs[0]))
        if position < len(forward_ops):
            follower.run(forward_ops[position])
    return tuple(fields or () for fields in found)


class _Follower:
    """What each tensor depends on, so far. A tensor that is missing does not depend on the input; None is lost."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._of_storage: dict[int, set[int]] = {}
        self.units: dict[int, Units | None] = {}
        rank = next((len(trace.tensors[op.reads[1]].shape) - 2 for op in trace.ops if op.name == CONVOLUTION), 0)
        given = [trace.tensors[tensor] for tensor in trace.calls[0].inputs]
        images = [
            (tensor, item)
            for tensor, item in zip(trace.calls[0].inputs, given, strict=True)
            if rank and "float" in item.dtype and len(item.shape) in (rank + 1, rank + 2)
        ]
        self.axes = images[0][1].shape[-rank:] if images else ()
        for tensor, item in images:
            if item.shape[-rank:] == self.axes:
                self._put(tensor, _identity(item.shape, self.axes))

    def _put(self, tensor: int, units: Units | None) -> None:
        self.units[tensor] = units
        self._of_storage.setdefault(self._trace.tensors[tensor].storage, set()).add(tensor)

    def run(self, op: TracedOp) -> None:
        """Takes down what the op's results depend on."""
        if op.name == RESTRIDED:
            self._restride(op)
        reads = {tensor: self.units[tensor] for tensor in op.reads if tensor in self.units}
        shapes = [self._trace.tensors[tensor].shape for tensor in op.writes]
        if not reads or reason_for(op.name) in INDEPENDENT:
            for tensor in op.writes:
                self._overwrite(tensor, None, depends=False)
            return
        results: list[Units | None] = [None] * len(shapes)
        try:
            results = list(units_after(Op(op, reads, shapes, self._trace.tensors)))
        except LostError:
            results = [_whole(reads, shape) for shape in shapes]
        in_place = not is_view(op, self._trace) and set(op.writes) & set(op.reads)
        for tensor, units in zip(op.writes, results, strict=True):
            if in_place:
                self._overwrite(tensor, units, depends=True)
            self._put(tensor, units)

    def _restride(self, op: TracedOp) -> None:
        """What is restrided in place is told with the new strides only: it is what had the same shape before."""
        (tensor, *_) = op.writes
        after = self._trace.tensors[tensor]
        for view in sorted(self._of_storage.get(after.storage, ())):
            before = self._trace.tensors[view]
            if (before.shape, before.offset) == (after.shape, after.offset):
                self.units.setdefault(tensor, self.units[view])

    def _overwrite(self, tensor: int, units: Units | None, *, depends: bool) -> None:
        """Other views of what is written to depend on it as well: what they show is lost, unless nothing changed."""
        views = self._of_storage.get(self._trace.tensors[tensor].storage, set())
        before = self.units.get(tensor)
        same = before is not None and units is not None and (before is units or before == units)
        for view in views - {tensor}:
            if not same:
                self.units[view] = None
        if not depends and tensor in self.units:
            del self.units[tensor]
            views.discard(tensor)


def _identity(shape: tuple[int, ...], axes: tuple[int, ...]) -> Units:
    """Each position depends on itself."""
    leading = len(shape) - len(axes)
    layout = (*(plain(size) for size in shape[:leading]), *((Atom(size, axis),) for axis, size in enumerate(axes)))
    positions = [tuple(range(size)) for size in axes]
    fields = (Field(units, units, units, units, Fraction(1)) for units in positions)
    return Units(tuple(layout), tuple(fields))


def _whole(reads: dict[int, Units | None], shape: tuple[int, ...]) -> Units | None:
    """Where positions are lost: still known if one operand's every unit depends on all that the others do."""
    known = [units for units in reads.values() if units is not None]
    if len(known) < len(reads):
        return None
    for units in known:
        if all(own.covers(field) for other in known for own, field in zip(units.fields, other.fields, strict=True)):
            fields = (field.united([range(len(field.low))], None) for field in units.fields)
            return Units(tuple(plain(size) for size in shape), tuple(fields))
    return None


def _told(units: Units | None) -> tuple[ReceptiveField, ...]:
    if units is None or not units.is_exact:
        return ()
    told = []
    for field in units.fields:
        unit = len(field.low) // 2
        told.append(
            ReceptiveField(
                size=field.high[unit] - field.low[unit] + 1,
                stride=None if field.step is None else float(field.step),
                start=field.low[0],
                unit=unit,
                first=field.first[unit],
                last=field.last[unit],
            )
        )
    return tuple(told) if all(item.first <= item.last for item in told) else ()
