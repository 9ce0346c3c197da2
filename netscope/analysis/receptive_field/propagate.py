"""A trace's ops in order, each with its rule, and what each module's first output depends on."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from netscope.analysis.dataflow import is_view
from netscope.analysis.receptive_field.fields import Atom, Field, Units, UntrackedError, plain
from netscope.analysis.receptive_field.rules import Op, units_after
from netscope.flops import reason_for
from netscope.schema import ReceptiveField, Shape, Trace, TracedOp

CONVOLUTION = "aten.convolution"

RESTRIDED = "aten.as_strided_"
"""How pooling tells that one pixel lies in memory as pictures with their channels last do."""

LONGEST_AXIS = 1 << 15
"""Positions along an axis of the input beyond which none is followed."""

INDEPENDENT = ("creates a tensor", "draws random numbers")
"""Ops that take no values from the tensors they read, only shapes."""


def compute_receptive_fields(trace: Trace) -> tuple[tuple[ReceptiveField, ...], ...]:
    """For each module, the receptive field of its first call's first output along each spatial axis of the input.

    The spatial axes are those that the first convolution slides over. Empty for a module that was not called or does
    not depend on the input, where the trace has no convolution, and where an op mixes positions in a way that is not
    followed: nothing is guessed. Only inputs of floating dtype are followed.
    """
    inputs, axes = _followed(trace)
    if not axes:
        return ((),) * len(trace.modules)
    follower = _Propagator(trace, inputs, axes)
    ending: dict[int, list[int]] = {}
    for number, call in enumerate(trace.calls):
        ending.setdefault(call.ops[1], []).append(number)
    found: list[tuple[ReceptiveField, ...] | None] = [None] * len(trace.modules)
    told: dict[int, tuple[Units | None, tuple[ReceptiveField, ...]]] = {}
    forward_ops = trace.ops[: trace.first_backward_op]
    for position in range(len(forward_ops) + 1):
        for number in ending.get(position, ()):
            call = trace.calls[number]
            if found[call.module] is None and call.outputs:
                units = follower.units_of(call.outputs[0])
                # Many modules pass on what they were given. What it belongs to is kept, so that no other has its id.
                if id(units) not in told:
                    told[id(units)] = (units, _told(units))
                found[call.module] = told[id(units)][1]
        if position < len(forward_ops):
            follower.run(forward_ops[position])
    return tuple(fields or () for fields in found)


def _followed(trace: Trace) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The inputs of the shape that the first convolution reads, and those of their dimensions that it slides over."""
    if not any(op.name == CONVOLUTION for op in trace.ops):
        return (), ()
    for tensor in trace.calls[0].inputs:
        item = trace.tensors[tensor]
        dimensions = tuple(range(len(item.shape)))
        if "float" not in item.dtype or max(item.shape, default=0) > LONGEST_AXIS:
            continue
        scout = _Propagator(trace, (tensor,), dimensions)
        for op in trace.ops[: trace.first_backward_op]:
            read = scout.units_of(op.reads[0]) if op.name == CONVOLUTION else None
            if read is not None:
                slid_over = [read.axes_in(dimension) for dimension in range(2, len(read.layout))]
                if any(len(found) != 1 or min(found) < 0 for found in slid_over):
                    break
                axes = tuple(min(found) for found in slid_over)
                alike = (other for other in trace.calls[0].inputs if trace.tensors[other].spec == item.spec)
                return tuple(alike), axes
            scout.run(op)
    return (), ()


class _Propagator:
    """What each tensor depends on, so far. A tensor that is missing does not depend on the input; None is lost.

    Args:
        trace: whose ops are followed.
        inputs: the tensors that went in and are followed.
        axes: the dimensions of them that are, in order.
    """

    def __init__(self, trace: Trace, inputs: Sequence[int], axes: Sequence[int]) -> None:
        self._trace = trace
        self._of_storage: dict[int, set[int]] = {}
        self._partly_written: set[int] = set()
        self.units: dict[int, Units | None] = {}
        for tensor in inputs:
            self._put(tensor, _identity(trace.tensors[tensor].shape, axes))

    def _put(self, tensor: int, units: Units | None) -> None:
        self.units[tensor] = units
        self._of_storage.setdefault(self._trace.tensors[tensor].storage, set()).add(tensor)

    def units_of(self, tensor: int) -> Units | None:
        """What it depends on; None if that is lost, or nothing."""
        return self.units.get(tensor)

    def run(self, op: TracedOp) -> None:
        """Takes down what the op's results depend on."""
        if op.name == RESTRIDED:
            self._restride(op)
        for tensor in op.reads:
            if tensor not in self.units and self._trace.tensors[tensor].storage in self._partly_written:
                self._put(tensor, None)
        reads = {tensor: self.units[tensor] for tensor in op.reads if tensor in self.units}
        shapes = [self._trace.tensors[tensor].shape for tensor in op.writes]
        if not reads or reason_for(op.name) in INDEPENDENT:
            for tensor in op.writes:
                if tensor in self.units:
                    self._overwrite(tensor, None)
                    del self.units[tensor]
            return
        in_place = not is_view(op, self._trace) and set(op.writes) & set(op.reads)
        for tensor, units in zip(op.writes, self._after(op, reads, shapes), strict=True):
            if in_place:
                self._overwrite(tensor, units)
            self._put(tensor, units)

    def _after(self, op: TracedOp, reads: dict[int, Units | None], shapes: list[Shape]) -> list[Units | None]:
        """What the op's results depend on."""
        try:
            return list(units_after(Op(op, reads, shapes, self._trace.tensors)))
        except (UntrackedError, LookupError, ArithmeticError, TypeError, ValueError):
            # Beside what is not followed, an op in a form that its rule does not foresee.
            return [_whole(reads, shape) for shape in shapes]

    def _restride(self, op: TracedOp) -> None:
        """What is restrided in place is told with the new strides only: it is what had the same shape before."""
        (tensor, *_) = op.writes
        after = self._trace.tensors[tensor]
        for view in sorted(self._of_storage.get(after.storage, ())):
            before = self._trace.tensors[view]
            if (before.shape, before.offset) == (after.shape, after.offset):
                self.units.setdefault(tensor, self.units[view])

    def _overwrite(self, tensor: int, units: Units | None) -> None:
        """Other views of what is written to depend on it as well: what they show is lost, unless nothing changed."""
        before = self.units.get(tensor)
        if before is not None and units is not None and (before is units or before == units):
            return
        storage = self._trace.tensors[tensor].storage
        self._partly_written.add(storage)
        for view in self._of_storage.get(storage, ()):
            self.units[view] = None


def _identity(shape: Shape, axes: Sequence[int]) -> Units:
    """Each position along these dimensions depends on itself."""
    layout = [plain(size) for size in shape]
    fields = []
    for axis, dimension in enumerate(axes):
        layout[dimension] = (Atom(shape[dimension], axis),)
        positions = tuple(range(shape[dimension]))
        fields.append(Field(positions, positions, positions, positions, Fraction(1)))
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
                stride=_stride(field),
                start=field.low[0],
                unit=unit,
                first=field.first[unit],
                last=field.last[unit],
                same=len(set(field.low)) == len(set(field.high)) == 1,
            )
        )
    return tuple(told) if all(item.first <= item.last for item in told) else ()


def _stride(field: Field) -> float | None:
    """Between neighbouring units, if it is the same everywhere."""
    if len(field.low) == 1:
        return None if field.step is None else float(field.step)
    steps = {after - before for values in (field.low, field.high) for before, after in pairwise(values)}
    return float(steps.pop()) if len(steps) == 1 and steps != {0} else None
